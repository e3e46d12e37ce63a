"""What Pillow (with libjpeg-turbo) makes of JPEG files: of baseline ones to the bit, of others about."""

import io
import os
import pathlib

import numpy as np
from PIL import Image, ImageFile

from images import drawn

# Some options of the encoder need room for the whole file.
ImageFile.MAXBLOCK = 1 << 22

# Pillow's names of chroma as fine as luma, half as fine in rows, half as fine in both directions.
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


def photos():
    """Files below MASKDOOR_SAMPLE_DATA, when the variable is set."""
    folder = os.environ.get("MASKDOOR_SAMPLE_DATA")
    paths = sorted(pathlib.Path(folder).rglob("*.[jJ][pP]*[gG]")) if folder else []
    return [path.read_bytes() for path in paths[:: max(1, len(paths) // 20)]]


def written(rng, number, small):
    low, high = (9, 41) if small else (5, 300)
    image = drawn(rng, int(rng.integers(low, high)), int(rng.integers(low, high)))
    options = {"quality": int(rng.choice([5, 30, 75, 90, 100])), "optimize": bool(rng.integers(2))}
    kind = ("L", *SAMPLINGS)[number % 4]
    if kind == "L":
        image = image.convert("L")
    else:
        options["subsampling"] = kind
    # Restarts after so many units; nothing of the sort; several passes.
    if number % 3 == 1:
        options["restart_marker_blocks"] = int(rng.integers(1, 12))
    options["progressive"] = number % 7 == 5
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def cases(rng, small):
    files = [written(rng, number, small) for number in range(7 if small else 56)]
    if not small:
        files += photos()
    for file in files:
        image = Image.open(io.BytesIO(file))
        exact = image.mode in ("L", "RGB") and "progressive" not in image.info
        layers = [layer[1:3] for layer in image.layer]
        yield {"exact": exact, "layers": layers}, {
            "file": np.frombuffer(file, np.uint8),
            "image": np.asarray(image.convert("RGB")),
        }
