#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.11.0", "onnx==1.23.2", "onnxscript", "safetensors==0.8.0", "numpy"]
# ///
"""One small residual network, with torchvision's names, in every form that is read.

    python3 tests/data/forms.py
"""
import warnings
from pathlib import Path

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
torch.jit.script(net).save(HERE / "forms-scripted.pt")
torch.jit.trace(net, image).save(HERE / "forms-traced.pt")
torch.jit.freeze(torch.jit.script(net)).save(HERE / "forms-frozen.pt")
torch.onnx.export(net, (image,), HERE / "forms-dynamo.onnx", dynamo=True, external_data=False, verbose=False)
torch.onnx.export(net, (image,), HERE / "forms-folded.onnx", dynamo=False)
torch.export.save(torch.export.export(net, (image,)), HERE / "forms-export.pt2")
