#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.11.0", "onnx==1.23.2", "onnxscript", "safetensors==0.8.0", "numpy"]
# ///
"""One small residual network, with torchvision's names, in every form that is read; and two with what graphs are easily wrong about:
factors that all channels have in common, with the graph they should have, and writing into a part of a tensor.

    python3 tests/data/forms.py
"""
import io
import json
import warnings
import zipfile
from pathlib import Path

import onnx
import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
warnings.filterwarnings("ignore")


class Block(nn.Module):
    def __init__(self, given, gives):
        super().__init__()
        self.conv1 = nn.Conv2d(given, gives, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(gives)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(gives, gives, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(gives)
        self.downsample = None
        if given != gives:
            self.downsample = nn.Sequential(nn.Conv2d(given, gives, 1, bias=False), nn.BatchNorm2d(gives))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.downsample is not None:
            x = self.downsample(x)
        out += x
        return self.relu(out)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(2)
        self.layer1 = nn.Sequential(Block(4, 4), Block(4, 4))
        self.layer2 = nn.Sequential(Block(4, 6))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def without_places(path):
    """Drop what tells where the source lay on this machine."""
    if path.suffix == ".onnx":
        model = onnx.load(path)
        model.ClearField("metadata_props")
        model.graph.ClearField("metadata_props")
        for part in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
            part.ClearField("metadata_props")
            part.ClearField("doc_string")
        onnx.save(model, path)
        return
    whole = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w") as kept:
        for info in whole.infolist():
            data = whole.read(info)
            if info.filename.endswith(".debug_pkl") or "traced_inputs" in info.filename:
                continue
            if info.filename.endswith("models/model.json"):
                model = json.loads(data)
                model["guards_code"] = []
                for node in model["graph_module"]["graph"]["nodes"]:
                    node["metadata"] = {}
                data = json.dumps(model).encode()
            kept.writestr(zipfile.ZipInfo(info.filename), data, zipfile.ZIP_DEFLATED)


def trace(net, name, forms):
    for form in forms:
        path = HERE / f"{name}-{form}"
        if form == "scripted.pt":
            torch.jit.script(net).save(path)
        elif form == "traced.pt":
            torch.jit.trace(net, image).save(path)
        elif form == "frozen.pt":
            torch.jit.freeze(torch.jit.script(net)).save(path)
        elif form == "dynamo.onnx":
            torch.onnx.export(net, (image,), path, dynamo=True, external_data=False, verbose=False)
        elif form == "folded.onnx":
            torch.onnx.export(net, (image,), path, dynamo=False)
        else:
            torch.export.save(torch.export.export(net, (image,)), path)
        without_places(path)


torch.manual_seed(0)
net = Net().eval()
for module in net.modules():
    if isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight)
        nn.init.normal_(module.bias)
        module.running_var.uniform_(0.5, 2)
image = torch.randn(1, 3, 8, 8)
state = {name: value.contiguous() for name, value in net.state_dict().items()}
save_file(state, HERE / "forms-names.safetensors")
torch.save(state, HERE / "forms-state-dict.pth")
trace(net, "forms", ["scripted.pt", "traced.pt", "frozen.pt", "dynamo.onnx", "folded.onnx", "export.pt2"])


class Scaled(nn.Module):
    """Factors in front of a sum and in it, in activations, and for each channel."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.c = nn.Conv2d(4, 5, 1)
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.divisor = nn.Parameter(torch.tensor([0.5, -2.0, 4.0, 0.25]).reshape(4, 1, 1))

    def forward(self, x):
        y = nn.functional.gelu(self.a(x)) * self.gain
        z = torch.add(y, nn.functional.silu(self.b(y) * 3.0), alpha=0.2)
        return self.c((z - 1.0) / self.divisor)


scaled = Scaled().eval()
trace(scaled, "scaled", ["scripted.pt", "traced.pt", "dynamo.onnx", "folded.onnx", "export.pt2"])
slices = {name: getattr(scaled, name).weight.detach().double().abs().sum((2, 3)) for name in "abc"}
behind = 1 / scaled.divisor.detach().double().abs().reshape(4)
edges = torch.zeros(13, 13, dtype=torch.float64)
# what is directly behind a convolution is its own
edges[:4, 4:8] = 0.5 * 3.0 * slices["b"].T
edges[:4, 8:] = 0.5 * (slices["c"] * behind).T
edges[4:8, 8:] = 0.2 * (slices["c"] * behind).T
(HERE / "scaled.json").write_text(json.dumps((edges + edges.T).tolist()) + "\n")


class Written(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 1)
        self.b = nn.Conv2d(4, 4, 1)
        self.c = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        y = torch.relu(self.a(x))
        y[:, :2] += self.b(y)[:, :2]
        return self.c(y)


trace(Written().eval(), "written", ["scripted.pt", "traced.pt", "export.pt2"])
