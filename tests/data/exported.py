#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.11.0", "onnx==1.23.2", "onnxscript==0.7.2"]
# ///
"""One small residual network as the exporters of PyTorch write it: ONNX by both of them, and torch.export.

    python3 tests/data/exported.py

exported.json holds the network's weights as they are before any exporter folds batch norm into them: name, and values in C order.
"""
import contextlib
import io
import json
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import onnx
import torch
from torch import nn

HERE = Path(__file__).parent
warnings.filterwarnings("ignore")


class Net(nn.Module):
    """Stem, BN; a grouped conv on a skip; a 1x1 conv beside them; concat, pool, dropout; units."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.side = nn.Conv2d(4, 2, 1)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(24, 3)

    def forward(self, x):
        x = torch.relu(self.bn(self.stem(x)))
        z = torch.cat([self.body(x) + x, self.side(x)], 1)
        return self.fc(torch.flatten(self.drop(self.pool(z)), 1))


def network():
    torch.manual_seed(0)
    net = Net().eval()
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(torch.arange(1 + i, 1 + i + parameter.numel()).reshape(parameter.shape).remainder(17).sub(8) / 64)
        net.bn.weight.copy_(torch.tensor([1.0, -0.5, 2.0, 0.25]))
        net.bn.running_mean.copy_(torch.tensor([0.5, 0.0, -1.0, 2.0]))
        net.bn.running_var.copy_(torch.tensor([1.0, 4.0, 0.25, 16.0]))
    return net


def without_traces(model):
    """Drop what tells where the source lay on this machine."""
    model.ClearField("metadata_props")
    model.graph.ClearField("metadata_props")
    for part in [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return model


def export(net, name, **options):
    x = torch.ones(2, 3, 4, 4)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(net, (x,), f"{folder}/{name}", input_names=["image"], output_names=["scores"], **options)
        return without_traces(onnx.load(f"{folder}/{name}"))


def archive(program, name):
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(HERE / name, "w") as kept:
        for info in whole.infolist():
            data = whole.read(info)
            if "serialization_id" in info.filename:
                continue
            if info.filename.endswith("model.json"):
                model = json.loads(data)
                model["guards_code"] = []
                for node in model["graph_module"]["graph"]["nodes"]:
                    node["metadata"] = {}
                data = json.dumps(model).encode()
            kept.writestr(zipfile.ZipInfo("net/" + info.filename.split("/", 1)[1]), data, zipfile.ZIP_DEFLATED)
    torch.export.load(HERE / name)


net = network()
onnx.save(export(net, "net-dynamo.onnx", dynamo=True), HERE / "net-dynamo.onnx")
onnx.save(export(net, "net-script.onnx", dynamo=False), HERE / "net-script.onnx")
unfolded = {"dynamo": False, "training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "dynamic_axes": {"image": [0]}}
onnx.save(export(net, "net-unfolded.onnx", **unfolded), HERE / "net-unfolded.onnx")
beside = {"save_as_external_data": True, "location": "net-beside.onnx.data", "size_threshold": 0}
(HERE / beside["location"]).unlink(missing_ok=True)
onnx.save(export(net, "net-beside.onnx", **unfolded), HERE / "net-beside.onnx", **beside)
program = torch.export.export(net, (torch.ones(2, 3, 4, 4),))
archive(program, "net.pt2")
archive(program.run_decompositions(), "net-core.pt2")
weights = {name: tensor.double().flatten().tolist() for name, tensor in net.state_dict().items() if tensor.is_floating_point()}
(HERE / "exported.json").write_text(json.dumps(weights).replace('], "', '],\n"') + "\n")
print(f"python {sys.version.split()[0]}, torch {torch.__version__}, onnx {onnx.__version__}")
