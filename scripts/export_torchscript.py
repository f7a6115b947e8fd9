#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.11.0", "torchvision==0.26.0", "timm==1.0.31", "onnx==1.23.2", "onnxscript"]
# ///
"""Pretrained networks of torchvision and timm as files for `ncut measure`.

    scripts/export_torchscript.py vgg16 vgg19 resnet18 resnet34 resnet50 inception_v3 --to models
    scripts/export_torchscript.py timm/vgg16_bn.tv_in1k --format onnx --to models

Downloads the weights that torchvision or timm publish under that name and writes one file a network. `pip install`
what the header above lists, or run it with `uv run`.
"""
import argparse
import sys
from pathlib import Path

import torch

SIDES = {"inception_v3": 299}


def network(name, pretrained):
    """The network in inference mode, and the side of its images."""
    if name.startswith("timm/"):
        import timm

        model = timm.create_model(name.removeprefix("timm/"), pretrained=pretrained)
        return model.eval(), model.default_cfg["input_size"][1]
    import torchvision

    if name not in torchvision.models.list_models(torchvision.models):
        sys.exit(f"{name}: torchvision has no such network; write timm/{name} for one of timm's")
    return torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None).eval(), SIDES.get(name, 224)


def write(model, side, form, path):
    image = torch.zeros(1, 3, side, side)
    if form == "torchscript":
        try:
            torch.jit.script(model).save(path)
        except Exception as error:
            print(f"{path}: cannot be scripted ({str(error).splitlines()[0]}); it is traced", file=sys.stderr)
            torch.jit.trace(model, image).save(path)
    elif form == "onnx":
        torch.onnx.export(model, (image,), path, dynamo=True, external_data=False)
    else:
        torch.export.save(torch.export.export(model, (image,)), path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="as in torchvision, or timm/ and a name of timm's")
    parser.add_argument("--to", type=Path, default=Path("."), metavar="DIR", help="where the files go (here)")
    parser.add_argument("--format", choices=["torchscript", "onnx", "pt2"], default="torchscript")
    parser.add_argument("--random", action="store_true", help="do not download: random weights")
    arguments = parser.parse_args()
    arguments.to.mkdir(parents=True, exist_ok=True)
    suffix = {"torchscript": ".pt", "onnx": ".onnx", "pt2": ".pt2"}[arguments.format]
    for name in arguments.names:
        model, side = network(name, not arguments.random)
        path = arguments.to / (name.replace("/", "-") + suffix)
        write(model, side, arguments.format, str(path))
        print(path)


if __name__ == "__main__":
    main()
