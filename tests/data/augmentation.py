#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["keras_preprocessing==1.1.0", "numpy==1.26.4", "scipy==1.11.4"]
# ///
"""Images as Keras turns, shifts and mirrors them, in augmentation.json.

    python3 tests/data/augmentation.py

Per case: the parameters that ImageDataGenerator draws (degrees, shift along rows and columns in pixels, mirrored) and what
it makes of the image with them; all images (channels, height, width), values 0 to 1 in C order.
"""
import json
from pathlib import Path

import numpy as np
from keras_preprocessing.image import ImageDataGenerator

rng = np.random.default_rng(0)
np.random.seed(1)
generator = ImageDataGenerator(
    rotation_range=15, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True,
    data_format="channels_first", dtype="float64",
)
image = rng.random((2, 8, 6)).round(3)
cases = []
for _ in range(4):
    drawn = generator.get_random_transform(image.shape)
    made = generator.apply_transform(image, drawn)
    cases.append({
        "degrees": drawn["theta"], "shift": [drawn["tx"], drawn["ty"]], "mirrored": bool(drawn["flip_horizontal"]),
        "pixels": made.round(7).ravel().tolist(),
    })
assert len({case["mirrored"] for case in cases}) == 2
out = {"shape": image.shape, "pixels": image.ravel().tolist(), "cases": cases}
Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")
