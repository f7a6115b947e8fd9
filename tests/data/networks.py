#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "torch==2.11.0"]
# ///
"""A small network of every kind of connection, as TorchScript writes it; and which channels reach which, in net.json.

    python3 tests/data/networks.py

net.json lists the layers in the order in which they are done: name, shape of the weight, groups, and for each input
channel (of the first dense layer: for each unit) the channels of earlier layers that reach it without another layer
between, as [number of the layer, channel]. It is found with derivatives: a layer's output is cut from what gave it.
"""
import io
import json
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).parent


class Block(nn.Module):
    """Residual, batch norm before each convolution."""

    def __init__(self):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(8)
        self.conv1 = nn.Conv2d(8, 10, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(10)
        self.conv2 = nn.Conv2d(10, 8, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        out = self.conv1(self.relu(self.bn1(x)))
        out = self.conv2(self.relu(self.bn2(out)))
        out += x
        return out


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.block = Block()
        self.grouped = nn.Conv2d(8, 6, 1, groups=2)
        self.reduce = nn.Conv2d(7, 5, 1)
        self.gamma = nn.Parameter(torch.rand(8, 1, 1) + 0.5)
        self.dropout = nn.Dropout(0.5)
        self.pool = nn.AdaptiveAvgPool2d((2, 2))
        self.fc1 = nn.Linear(32, 4)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x):
        x = self.block(self.stem(x))
        wide = torch.cat([x, F.relu(self.grouped(x))], 1)
        first, second = torch.chunk(wide, 2, 1)
        narrow = F.pad(self.reduce(second), (0, 0, 0, 0, 1, 2))
        narrow = narrow + wide[:, 5:13]
        narrow = narrow * torch.sigmoid(narrow) * self.gamma
        flat = torch.flatten(self.pool(self.dropout(narrow)), 1)
        return F.log_softmax(self.fc2(F.relu(self.fc1(flat))), 1)


def net():
    """The network, its numbers drawn from seed 0, in inference."""
    torch.manual_seed(0)
    network = Net()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    # So that nothing is dead, which would look like what is not read.
    for layer in network.grouped, network.fc1:
        nn.init.ones_(layer.bias)
    return network.eval()


def reach(network):
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    given, gives, order = {}, {}, []

    def cut(name):
        def hook(module, inputs, output):
            # A copy, because what is done in place would change what was given.
            given[name] = inputs[0] * 1
            gives[name] = output.detach().requires_grad_()
            order.append(name)
            return gives[name] * 1
        return hook

    for name, module in layers:
        module.register_forward_hook(cut(name))
    network(torch.randn(64, 3, 8, 8))
    modules, found = dict(layers), []
    for name in order:
        reads = []
        for channel in given[name].unbind(1):
            from_channels = []
            if channel.requires_grad:
                slopes = torch.autograd.grad(channel.square().sum(), [gives[other] for other in order], retain_graph=True, allow_unused=True)
                for other, slope in enumerate(slopes):
                    if slope is not None:
                        hit = slope.abs().transpose(0, 1).flatten(1).sum(1) > 0
                        from_channels += [[other, int(i)] for i in hit.nonzero()]
            reads.append(from_channels)
        module = modules[name]
        found.append({"name": name, "weight": list(module.weight.shape), "groups": getattr(module, "groups", 1), "reads": reads})
    return found


def save(module, name):
    """Without the members that tell where the source lay on this machine, and packed."""
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    with zipfile.ZipFile(buffer) as archive, zipfile.ZipFile(HERE / name, "w") as out:
        for info in archive.infolist():
            if not info.filename.endswith(".debug_pkl") and "traced_inputs" not in info.filename:
                out.writestr(zipfile.ZipInfo(info.filename), archive.read(info), zipfile.ZIP_DEFLATED)
    torch.jit.load(HERE / name)


def main():
    save(torch.jit.script(net()), "net-scripted.pt")
    save(torch.jit.trace(net(), torch.ones(1, 3, 8, 8)), "net-traced.pt")
    save(torch.jit.freeze(torch.jit.script(net())), "net-frozen.pt")
    (HERE / "net.json").write_text(json.dumps(reach(net())).replace('{"name"', '\n{"name"') + "\n")


if __name__ == "__main__":
    main()
