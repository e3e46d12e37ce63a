"""DECREE in PyTorch, in double precision: loss, gradients, and a short search for the smallest trigger of a small encoder."""

import numpy as np
import torch
import torch.nn.functional as functional

from streams import Stream
from study import DEVIATION, MEAN

# The authors' constants for small images.
ALIKE, HALF, RATE, FACTOR, IN_A_ROW, PATIENCE = 0.99, 2 - 1e-7, 0.5, 5.0, 5, 10


def pairwise(features, centre):
    """The mean cosine of all pairs of different images."""
    units = functional.normalize(features - centre, dim=1)
    cosines = units @ units.T
    return cosines[~torch.eye(len(units), dtype=torch.bool)].mean()


def normalised(images):
    mean, deviation = (torch.from_numpy(np.asarray(values)).reshape(3, 1, 1) for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def stamped(images, mask, pattern):
    return normalised((1 - mask) * images + mask * pattern)


class Encoder(torch.nn.Module):
    def __init__(self, side, hidden, width):
        super().__init__()
        self.first = torch.nn.Linear(3 * side * side, hidden)
        self.second = torch.nn.Linear(hidden, width)

    def forward(self, planes):
        return self.second(torch.tanh(self.first(planes.flatten(1))))


def search(encoder, images, centre, batch, epochs, seed):
    """The epochs' mean cosines, shares and weights, the smallest trigger, and how near a cosine came to the limit."""
    side = images.shape[-1]
    stream = Stream(seed, "inversion", 0, 0)
    start = [(stream.uniform() - 0.5) * HALF for _ in range(4 * side * side)]
    raw = torch.tensor(start, dtype=torch.float64).atanh().reshape(4, side, side).requires_grad_()
    adam = torch.optim.Adam([raw], lr=RATE, betas=(0.5, 0.9))
    weight, alike, unlike, without_gain = 1e-3, 0, 0, 0
    told, best, nearest = [], None, 1.0
    for epoch in range(epochs):
        order, cosines = Stream(seed, "inversion", 1, epoch).shuffled(range(len(images))), []
        for first in range(0, len(images), batch):
            trigger = (raw.tanh() / HALF + 0.5).clamp(0, 1)
            mask, pattern = trigger[0], trigger[1:]
            cosine = pairwise(encoder(stamped(images[order[first : first + batch]], mask, pattern)), centre)
            adam.zero_grad()
            (weight * 3 * mask.sum() - cosine).backward()
            adam.step()
            share, cosine = mask.mean().item(), cosine.item()
            cosines.append(cosine)
            nearest = min(nearest, abs(cosine - ALIKE))
            without_gain += 1
            if cosine > ALIKE and (best is None or share < best[0].mean()):
                best, without_gain = (mask.detach(), pattern.detach()), 0
            alike, unlike = (alike + 1, 0) if cosine > ALIKE else (0, unlike + 1)
            if alike > IN_A_ROW:
                weight, alike = weight * FACTOR, 0
            if unlike > IN_A_ROW:
                weight, unlike = weight / FACTOR, 0
        share = (raw[0].tanh() / HALF + 0.5).mean().item()
        told.append([np.mean(cosines), share, weight])
        if told[-1][0] > ALIKE and best is not None and without_gain >= PATIENCE:
            break
    return told, best, nearest


def drawn(rng, small, number):
    """An encoder of whose clean images the features are alike to some degree, and the images."""
    side, hidden, width = int(rng.integers(4, 6 if small else 13)), int(rng.integers(3, 7)), int(rng.integers(3, 9))
    batch, steps = int(rng.integers(2, 5)), int(rng.integers(2, 4))
    images = rng.integers(0, 256, (batch * steps, side, side, 3)).astype(np.uint8)
    own = torch.from_numpy(images.transpose(0, 3, 1, 2) / 255)
    torch.manual_seed(int(rng.integers(2**31)))
    encoder = Encoder(side, hidden, width)
    planes = normalised(own).float()
    with torch.no_grad():
        wanted = [0.5, 0.97][number % 2]
        # A constant in all features makes them alike.
        constant = torch.randn(width)
        for _ in range(60):
            if pairwise(encoder(planes), 0) > wanted:
                break
            encoder.second.bias.add_(0.2 * constant)
    return encoder, images, own, batch, steps


def of_features(rng, width):
    """Features in single precision; their mean cosine without and with a centre, and its gradient."""
    features = (rng.normal(size=(int(rng.integers(3, 7)), width)) + rng.uniform(0, 2)).astype(np.float32)
    centre = rng.normal(size=width)
    tensors = {"features": features, "features.centre": centre}
    for key, subtracted in [("plain", torch.zeros(width)), ("centred", torch.from_numpy(centre))]:
        moving = torch.from_numpy(features).double().requires_grad_()
        cosine = pairwise(moving, subtracted)
        cosine.backward()
        tensors |= {f"features.{key}.cosine": np.array([cosine.item()]), f"features.{key}.gradient": moving.grad.numpy()}
    return tensors


def cases(rng, small):
    count = 2 if small else 6
    yielded = 0
    while yielded < count:
        encoder, images, own, batch, steps = drawn(rng, small, yielded)
        centred = bool(yielded // 2 % 2)
        weights = {name: value.detach().numpy().copy() for name, value in encoder.named_parameters()}
        encoder.double()
        with torch.no_grad():
            clean = encoder(normalised(own))
        centre = clean.mean(0) if centred else torch.zeros(clean.shape[1], dtype=torch.float64)
        side = images.shape[1]
        mask, pattern = (torch.from_numpy(rng.uniform(size=shape)).requires_grad_() for shape in ((side, side), (3, side, side)))
        weight, seed = float(10 ** rng.uniform(-4, 0)), int(rng.integers(2**40))
        cosine = pairwise(encoder(stamped(own, mask, pattern)), centre)
        (weight * 3 * mask.sum() - cosine).backward()
        # At most 15 steps: the weight stays above the value at which it begins anew.
        epochs = 15 // steps
        told, best, nearest = search(encoder, own, centre, batch, epochs, seed)
        clean_cosine = pairwise(clean, centre).item()
        # Rounding decides on which side of the limit a cosine that is this near to it lies.
        if nearest < 1e-3 or clean_cosine > ALIKE:
            continue
        yielded += 1
        config = {"batch": batch, "epochs": epochs, "seed": seed, "centred": centred, "weight": weight}
        yield config, weights | of_features(rng, clean.shape[1]) | {
            "images": images,
            "trigger": np.concatenate([mask.detach().numpy().ravel(), pattern.detach().numpy().ravel()]),
            "centre": centre.numpy(),
            "cosine": np.array([cosine.item()]),
            "gradient": np.concatenate([mask.grad.numpy().ravel(), pattern.grad.numpy().ravel()]),
            "clean_cosine": np.array([clean_cosine]),
            "epochs": np.array(told),
            "smallest": np.array([] if best is None else [*best[0].numpy().ravel(), *best[1].numpy().ravel()]),
        }
