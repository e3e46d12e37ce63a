"""What Pillow (with libjpeg-turbo) makes of JPEG files: of baseline ones to the bit, of others about."""

import io

import numpy as np
from PIL import Image, ImageFile

from images import drawn, photo_paths

# Some options of the encoder need room for the whole file.
ImageFile.MAXBLOCK = 1 << 22

# Pillow's names of chroma as fine as luma, half as fine from left to right, half as fine in both directions.
SAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
# Their blocks of a unit; any number of blocks is one of a grey image.
LAYERS = ([(1, 1)] * 3, [(2, 1), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)])


def written(rng, number, small):
    low, high = (9, 41) if small else (5, 300)
    width, height = (int(side) for side in rng.integers(low, high, 2))
    kind = ("L", *SAMPLINGS)[number % 4]
    if kind == "4:2:0":
        # Several rows of units.
        height += 40
    image = drawn(rng, width, height)
    options = {"quality": int(rng.choice([5, 30, 75, 90, 100])), "optimize": bool(rng.integers(2))}
    if kind == "L":
        image = image.convert("L")
    else:
        options["subsampling"] = kind
    # Restarts after so many units; nothing of the sort; several passes.
    if number % 3 < 2:
        options["restart_marker_blocks"] = int(rng.integers(1, 12))
    options["progressive"] = number % 7 == 6
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def is_exact(image):
    """Whether it is a file that Maskdoor decodes itself."""
    layers = [layer[1:3] for layer in image.layer]
    usual = len(layers) == 1 or layers in LAYERS and image.mode == "RGB" and image.info.get("adobe_transform", 1) == 1
    return usual and "progressive" not in image.info


def about(image, rgb):
    """Mean difference that other chroma between its samples may make.

    libjpeg takes three quarters of the nearer sample and one of the next; a decoder that repeats samples is that quarter beside it. So
    it is a quarter of what is between the picture and itself with one sample for all of a unit, or one where that is less.
    """
    layers = [layer[1:3] for layer in image.layer]
    luma, chroma, y = layers[0], layers[-1], rgb.convert("YCbCr")
    if luma == chroma:
        return 1.0
    small = [-(-side * part // whole) for side, part, whole in zip(y.size, chroma, luma)]
    planes = list(y.split())
    for i in (1, 2):
        planes[i] = planes[i].resize(small, Image.BOX).resize(y.size, Image.NEAREST)
    repeated = Image.merge("YCbCr", planes).convert("RGB")
    return max(1.0, float(np.abs(np.asarray(rgb, np.int16) - np.asarray(repeated, np.int16)).mean()) / 4)


def cases(rng, small):
    files = [written(rng, number, small) for number in range(7 if small else 56)]
    if not small:
        files += [path.read_bytes() for path in photo_paths()]
    for file in files:
        image = Image.open(io.BytesIO(file))
        if image.format == "JPEG":
            rgb = image.convert("RGB")
            config = {"exact": is_exact(image), "about": about(image, rgb)}
            yield config, {"file": np.frombuffer(file, np.uint8), "image": np.asarray(rgb)}
