"""Structural similarity as Wang, Bovik, Sheikh and Simoncelli 2004 define it: of every window its weighted means, variances and covariance."""

import numpy as np
import torch
import torch.nn.functional as functional

SIDE, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2


def window():
    """The weights of a circular Gaussian, which add up to 1."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    weights = np.exp(-(x**2 + y**2) / (2 * SIGMA**2))
    return torch.from_numpy(weights / weights.sum())


def similarity(a, b):
    """The map of two stacks of channels `(channels, height, width)`, of all windows within them."""
    weights = window()[None, None]
    of = lambda channels: functional.conv2d(channels[:, None], weights)
    windows = lambda channels: functional.unfold(channels[:, None], SIDE)
    mean_a, mean_b = of(a), of(b)
    apart_a, apart_b = (windows(x) - mean.flatten(2) for x, mean in ((a, mean_a), (b, mean_b)))
    weighted = lambda products: (weights.reshape(1, -1, 1) * products).sum(1).reshape(mean_a.shape)
    light = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    rest = (2 * weighted(apart_a * apart_b) + C2) / (weighted(apart_a**2) + weighted(apart_b**2) + C2)
    return (light * rest)[:, 0]


def cases(rng, small):
    for _ in range(1 if small else 4):
        height, width = (int(side) for side in rng.integers(11, 15 if small else 40, 2))
        a = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        # Noise, on the left half alone: there are windows of little and of much similarity.
        noise = rng.normal(scale=rng.uniform(5, 60), size=a.shape) * (np.arange(width) < width / 2)[None, :, None]
        b = np.clip(a + noise, 0, 255).astype(np.uint8)
        channels = [torch.from_numpy(image.transpose(2, 0, 1) / 255) for image in (a, b)]
        within = similarity(*channels)
        padded = [functional.pad(channel[None], (5, 5, 5, 5), mode="replicate")[0] for channel in channels]
        yield {}, {
            "a": a,
            "b": b,
            "within": within[0].numpy(),
            "repeated": similarity(*padded)[0].numpy(),
            "mean": np.array([within.mean()]),
        }
