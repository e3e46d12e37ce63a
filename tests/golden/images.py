"""Images resized, cropped and resized, mirrored and normalised by Pillow and torchvision."""

import os
import pathlib

import numpy as np
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional

FILTERS = {"bilinear": InterpolationMode.BILINEAR, "bicubic": InterpolationMode.BICUBIC}


def photo_paths():
    """Files of real images under MASKDOOR_SAMPLE_DATA, if the variable is set."""
    folder = os.environ.get("MASKDOOR_SAMPLE_DATA")
    paths = sorted(pathlib.Path(folder).rglob("*.[jJ][pP]*[gG]")) if folder else []
    return paths[:: max(1, len(paths) // 20)]


def photos():
    return [Image.open(path).convert("RGB") for path in photo_paths()]


def drawn(rng, width, height):
    """A picture of smooth gradients with edges and some noise."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * rng.uniform(0.05, 0.9) + y * rng.uniform(-0.5, 0.5) + rng.uniform(0, 6)) for _ in range(3)]
    picture = 128 + 90 * np.stack(waves, -1) + rng.normal(size=(height, width, 3)) * 12
    picture[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 256, 3)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def cases(rng, small):
    real = [] if small else photos()
    for number in range(3 if small else 24):
        if real and number % 2:
            image = real[int(rng.integers(len(real)))]
        else:
            low, high = (9, 33) if small else (9, 300)
            image = drawn(rng, int(rng.integers(low, high)), int(rng.integers(low, high)))
        width, height = image.size
        crop_width, crop_height = int(rng.integers(2, width + 1)), int(rng.integers(2, height + 1))
        config = {
            "filter": str(rng.choice(list(FILTERS))),
            "side": int(rng.integers(4, 33 if small else 257)),
            "crop": {
                "x": int(rng.integers(0, width - crop_width + 1)),
                "y": int(rng.integers(0, height - crop_height + 1)),
                "width": crop_width,
                "height": crop_height,
            },
        }
        size, how, crop = [config["side"]] * 2, FILTERS[config["filter"]], config["crop"]
        resized = functional.resize(image, size, how, antialias=True)
        cropped = functional.resized_crop(image, crop["y"], crop["x"], crop["height"], crop["width"], size, how, antialias=True)
        mirrored = functional.hflip(cropped)
        normal = functional.normalize(functional.to_tensor(mirrored), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        yield config, {
            "image": np.asarray(image),
            "resized": np.asarray(resized),
            "cropped": np.asarray(cropped),
            "mirrored": np.asarray(mirrored),
            "normalised": normal.numpy(),
        }
