#!/usr/bin/env python3
# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy==2.4.6", "pillow==13.0.0"]
# ///
"""Six pictures of 32 × 32 pixels in the two forms of a batch of CIFAR-10: tiled in cifar-10.webp, 2 rows of 3, with labels
0 to 5; and as the records of the binary version, of which this prints the MD5.

    python3 tests/data/cifar_10.py
"""
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

y, x, colour, picture = np.meshgrid(*map(np.arange, (32, 32, 3, 6)), indexing="ij")
# (height, width, colours, pictures), each pixel of each picture another mixture
images = ((7 * y + 3 * x * (colour + 1) + 40 * picture) % 256).astype(np.uint8)
grid = images.transpose(3, 0, 1, 2).reshape(2, 3, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(64, 96, 3)
Image.fromarray(grid).save(Path(__file__).parent / "cifar-10.webp", lossless=True, quality=100, method=6)
records = np.concatenate([np.arange(6, dtype=np.uint8)[:, None], images.transpose(3, 2, 0, 1).reshape(6, 3072)], axis=1)
print(hashlib.md5(records.tobytes()).hexdigest())
