"""Triggers as Pillow, numpy, scipy and torch compute them from the papers' formulas."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy import fft

from images import drawn, photos

# RGB to YUV, BT.601, as in the papers' image libraries.
YUV = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.14714119, -0.28886916, 0.43601035],
        [0.61497538, -0.51496512, -0.10001026],
    ]
)


def to_bytes(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def blended(rng, image, side):
    key = drawn(rng, int(rng.integers(5, 60)), int(rng.integers(5, 60)))
    config = {"kind": "blended", "ratio": round(float(rng.uniform(0.05, 1)), 3), "key": "given"}
    out = Image.blend(Image.fromarray(image), key.resize((side, side), Image.BILINEAR), config["ratio"])
    return config, {"key": np.asarray(key), "triggered": np.asarray(out)}


def patched(rng, image, side):
    size = int(rng.integers(1, side // 3 + 1))
    step = int(rng.integers(size, side // 3 + 2))
    count = int(rng.integers(1, (side - size) // step + 2))
    x = int(rng.integers(0, side - (count - 1) * step - size + 1))
    y = int(rng.integers(0, side - size + 1))
    colour = [int(value) for value in rng.integers(0, 256, 3)]
    out = Image.fromarray(image)
    draw = ImageDraw.Draw(out)
    for i in range(count):
        left = x + i * step
        draw.rectangle([left, y, left + size - 1, y + size - 1], fill=tuple(colour))
    config = {"kind": "patched", "size": size, "x": x, "y": y, "count": count, "step": step}
    return config | {"fill": {"kind": "colour", "rgb": colour}}, {"triggered": np.asarray(out)}


def sig(rng, image, side):
    config = {
        "kind": "sig",
        "delta": round(float(rng.uniform(1, 80)), 2),
        "frequency": float(rng.integers(1, side // 2)),
    }
    columns = config["delta"] * np.sin(2 * np.pi * np.arange(side) * config["frequency"] / side)
    return config, {"triggered": to_bytes(image + columns[None, :, None])}


def frequency(rng, image, side):
    window = int(rng.choice([w for w in (8, 16, 32, side) if w <= side]))
    bins = sorted({tuple(int(place) for place in rng.integers(0, window, 2)) for _ in range(int(rng.integers(1, 4)))})
    config = {
        "kind": "frequency",
        # A smaller magnitude would not change any byte.
        "magnitude": round(float(rng.uniform(max(10, window), 200)), 1),
        "window": window,
        "bins": [list(place) for place in bins],
    }
    yuv = image.astype(np.float64) @ YUV.T
    for top in range(0, side - window + 1, window):
        for left in range(0, side - window + 1, window):
            for channel in (1, 2):
                part = yuv[top : top + window, left : left + window, channel]
                spectrum = fft.dctn(part, type=2, norm="ortho")
                for row, column in bins:
                    spectrum[row, column] += config["magnitude"]
                part[:] = fft.idctn(spectrum, type=2, norm="ortho")
    return config, {"triggered": to_bytes(yuv @ np.linalg.inv(YUV).T)}


def wanet(rng, image, side):
    config = {
        "kind": "wanet",
        "k": int(rng.integers(2, 9)),
        "strength": round(float(rng.uniform(0.2, 3)), 2),
        "grid_rescale": round(float(rng.uniform(0.9, 1.1)), 2),
        "cover_ratio": 0.0,
        "seed": 1,
    }
    k = config["k"]
    field = torch.from_numpy(rng.uniform(-1, 1, (1, 2, k, k)))
    steps = torch.nn.functional.interpolate(field / field.abs().mean(), size=side, mode="bicubic", align_corners=True)
    places = torch.linspace(-1, 1, side, dtype=torch.float64)
    rows, columns = torch.meshgrid(places, places, indexing="ij")
    grid = torch.stack((columns, rows), 2)[None] + config["strength"] * steps.permute(0, 2, 3, 1) / side
    grid = torch.clamp(grid * config["grid_rescale"], -1, 1)
    pixels = torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[None]
    out = torch.nn.functional.grid_sample(pixels, grid, align_corners=True)[0].permute(1, 2, 0).numpy()
    return config, {"field": field.numpy().ravel(), "triggered": to_bytes(out)}


def bpp(rng, image, side):
    config = {"kind": "bpp", "levels": int(rng.integers(2, 17)), "dither": bool(rng.integers(2))}
    steps = config["levels"] - 1

    def nearest(value):
        return np.clip(np.rint(value / 255 * steps), 0, steps) / steps * 255

    values = image.astype(np.float64)
    if not config["dither"]:
        return config, {"triggered": to_bytes(nearest(values))}
    for y in range(side):
        for x in range(side):
            old = values[y, x].copy()
            values[y, x] = nearest(old)
            error = old - values[y, x]
            for right, down, share in ((1, 0, 7), (-1, 1, 3), (0, 1, 5), (1, 1, 1)):
                if 0 <= x + right < side and y + down < side:
                    values[y + down, x + right] += error * share / 16
    return config, {"triggered": to_bytes(values)}


def cases(rng, small):
    real = [] if small else photos()
    for make in (blended, patched, sig, frequency, wanet, bpp) * (1 if small else 6):
        side = int(rng.integers(8, 25 if small else 97))
        image = real[int(rng.integers(len(real)))].resize((side, side)) if real and rng.integers(2) else drawn(rng, side, side)
        image = np.asarray(image)
        config, tensors = make(rng, image, side)
        yield config, {"image": image} | tensors
