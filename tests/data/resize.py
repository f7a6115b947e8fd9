#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "scipy==1.17.1", "scikit-image==0.26.0"]
# ///
"""Images shrunk as scikit-image 0.15 shrinks them, for src/data/resize.rs: writes resize.json beside itself.

    python3 tests/data/resize.py

That version hands u8 images to scipy.ndimage.gaussian_filter as they are, with mode "mirror" for its own "reflect", and
converts them to float only to interpolate. Later ones convert first, so the two steps are called here one by one.
"""
import json
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.util import img_as_float

HERE = Path(__file__).parent


def shrink(image, to):
    factors = np.array(image.shape) / to
    blurred = ndimage.gaussian_filter(image, np.maximum(0, (factors - 1) / 2), mode="mirror")
    assert blurred.dtype == np.uint8
    at = np.meshgrid(*(f * (np.arange(n) + 0.5) - 0.5 for f, n in zip(factors, to)), indexing="ij")
    return 255 * ndimage.map_coordinates(img_as_float(blurred), np.array(at), order=1, mode="mirror")


def kernel(sigma):
    """What gaussian_filter1d answers to an impulse, in float64."""
    radius = int(4 * sigma + 0.5)
    impulse = np.zeros(8 * radius + 1)
    impulse[4 * radius] = 1
    return ndimage.gaussian_filter1d(impulse, sigma, mode="mirror")[3 * radius : 5 * radius + 1].tolist()


def main():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    ring = 255 * np.exp(-(((np.hypot(x - 13, y - 15) - 7) / 2) ** 2))
    images = [
        rng.integers(0, 256, (28, 28)),
        rng.integers(0, 256, (28, 28)) * (rng.random((28, 28)) < 0.2),
        ring.round(),
        np.full((28, 28), 255),
        np.where(x + y < 30, 255, 0),
    ]
    cases = [(image, to) for image in images for to in [(28, 14), (7, 7)]]
    # taller than wide, and smaller than the kernel's reach
    cases += [(rng.integers(0, 256, (8, 4)), (2, 4)), (rng.integers(0, 256, (4, 4)), (1, 1))]
    listed = []
    for image, to in cases:
        image = image.astype(np.uint8)
        times_4 = 4 * shrink(image, to)
        assert np.abs(times_4 - times_4.round()).max() < 1e-9
        listed.append(
            {"from": image.shape, "to": to, "pixels": image.tobytes().hex(), "shrunk_times_4": times_4.round().astype(int).ravel().tolist()}
        )
    text = ",\n".join("  " + json.dumps(case, separators=(",", ":")) for case in listed)
    kernels = json.dumps([[sigma, kernel(sigma)] for sigma in (0.5, 1.5)])
    (HERE / "resize.json").write_text(f'{{"kernels": {kernels},\n "cases": [\n{text}\n]}}\n')


main()
