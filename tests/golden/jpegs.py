"""JPEG files of the usual kinds decoded by Pillow, with libjpeg-turbo; pictures.py has the rare kinds."""

import io

import numpy as np
from PIL import Image, ImageFile

from images import drawn, photo_paths

# Some options of the encoder need a buffer for the whole file.
ImageFile.MAXBLOCK = 1 << 22

# Pillow's names for chroma at full resolution, at half the horizontal resolution, and at half the resolution in both directions.
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
# Their blocks per unit in each component; a grey image may have any number of blocks.
LAYERS = ([(1, 1)] * 3, [(2, 1), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)])


def written(rng, number, small):
    low, high = (9, 41) if small else (5, 300)
    width, height = (int(side) for side in rng.integers(low, high, 2))
    kind = ("L", *SAMPLINGS)[number % 4]
    if kind == "4:2:0":
        # Tall enough for several rows of units.
        height += 40
    image = drawn(rng, width, height)
    options = {"quality": int(rng.choice([5, 30, 75, 90, 100])), "optimize": bool(rng.integers(2))}
    if kind == "L":
        image = image.convert("L")
    else:
        options["subsampling"] = kind
    # Two thirds of the files have restart markers, one in seven is progressive.
    if number % 3 < 2:
        options["restart_marker_blocks"] = int(rng.integers(1, 12))
    options["progressive"] = number % 7 == 6
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def is_baseline(image):
    """Whether Maskdoor's own decoder reads the file."""
    layers = [layer[1:3] for layer in image.layer]
    usual = len(layers) == 1 or layers in LAYERS and image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1
    return usual and "progressive" not in image.info


def cases(rng, small):
    files = [written(rng, number, small) for number in range(7 if small else 56)]
    if not small:
        files += [path.read_bytes() for path in photo_paths()]
    for file in files:
        image = Image.open(io.BytesIO(file))
        if image.format == "JPEG":
            rgb = np.asarray(image.convert("RGB"))
            yield {"baseline": is_baseline(image)}, {"file": np.frombuffer(file, np.uint8), "image": rgb}
