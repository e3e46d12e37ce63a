"""The losses of BadEncoder and DRUPE in PyTorch, in double precision: their values and gradients for given features."""

import numpy as np
import torch
import torch.nn.functional as functional

# What the three parts must have reached before DRUPE spreads triggered features.
LIMITS = -0.96, -0.9, -0.9
cosine = functional.cosine_similarity


def pairs(rows):
    """The cosines of all pairs."""
    first, second = torch.triu_indices(len(rows), len(rows), 1)
    return cosine(rows[first], rows[second])


def parted(features, kept, references):
    """Triggered and clean shadow images, references and augmented ones; the clean encoder's features of the second and of the third."""
    shadow = (len(features) - 2 * references) // 2
    sizes = [shadow, shadow, references, references]
    _, of_clean, _, of_references = kept.split(sizes)
    return *features.split(sizes), of_clean, of_references


def nearest(triggered, references):
    """DRUPE's pull, and its parts that keep the references apart and equally taken."""
    cosines = cosine(triggered[:, None], references[None], dim=2)
    rest = 0.0
    if len(references) > 1:
        deviation = cosines.mean(0).std()
        rest = deviation * (2.0 if deviation > 0.1 else 0.5)
        alike = pairs(references).mean()
        rest = rest + alike * (1.0 if alike > 0.5 else 0.2 if alike > 0.4 else 0.0)
    return -cosines.max(1).values.mean(), rest


def sliced_distance(one, other, slices):
    """The sliced Wasserstein distance of order 2 of the directions of rows."""
    along = [(functional.normalize(rows, dim=1) @ slices.T).sort(0).values for rows in (one, other)]
    return (along[0] - along[1]).pow(2).mean().sqrt()


def loss(features, kept, config, slices):
    """The whole loss; its three parts (equations 2 to 4 of BadEncoder) without weights; whether DRUPE spreads."""
    triggered, clean, references, augmented, of_clean, of_references = parted(features, kept, config["references"])
    if slices is None:
        pull, rest = -cosine(triggered[:, None], references[None], dim=2).mean(), 0.0
    else:
        pull, rest = nearest(triggered, references)
    parts = [pull, -cosine(augmented, of_references).mean(), -cosine(clean, of_clean).mean()]
    whole = pull + rest + config["reference_weight"] * parts[1] + config["clean_weight"] * parts[2]
    reached = slices is not None and all(part <= limit for part, limit in zip(parts, LIMITS))
    if reached:
        alike = pairs(triggered)
        whole = whole + config["spread_weight"] * (alike.std() + alike.mean())
        whole = whole + config["distance_weight"] * sliced_distance(triggered, clean, slices)
    return whole, parts, reached


def drawn_slices(rng, width):
    slices = rng.normal(size=(int(rng.integers(2, 6)), width))
    return slices / np.linalg.norm(slices, axis=1, keepdims=True)


def weights(rng, references):
    names = ["reference_weight", "clean_weight", "spread_weight", "distance_weight"]
    return {"references": references} | {name: float(rng.uniform(0.3, 2)) for name in names}


def rows(rng, shadow, references, width, near):
    """Features and what the clean encoder had; `near`: as at the end of a training."""
    count = 2 * shadow + 2 * references
    features, kept = rng.normal(size=(2, count, width)) + 0.3
    if near:
        places = np.eye(width)[:references] * 3 + rng.normal(size=(references, width)) * 0.2
        features[2 * shadow : 2 * shadow + references] = places
        features[:shadow] = places[np.arange(shadow) % references] + rng.normal(size=(shadow, width)) * 0.15
        kept = features + rng.normal(size=(count, width)) * 0.1
    return features.astype(np.float32), kept.astype(np.float32)


def cases(rng, small):
    number = 0
    while number < (3 if small else 12):
        spreads, near = number % 3 > 0, number % 3 == 2
        references = int(rng.integers(1, 4))
        width, shadow = int(rng.integers(3, 6 if small else 40)), int(rng.integers(3, 6 if small else 30))
        features, kept = rows(rng, shadow, references, width, near)
        config = weights(rng, references) | {"width": width, "spreads": spreads}
        slices = drawn_slices(rng, width)
        moving = torch.from_numpy(features).double().requires_grad_()
        given = torch.from_numpy(slices) if spreads else None
        whole, parts, reached = loss(moving, torch.from_numpy(kept).double(), config, given)
        # Drawn features may not be as they were meant.
        if reached != near:
            continue
        number += 1
        whole.backward()
        yield config, {
            "features": features,
            "kept": kept,
            "slices": slices,
            "loss": np.array([whole.item()]),
            "parts": np.array([part.item() for part in parts]),
            "similarity": np.array([pairs(moving[:shadow]).mean().item()]),
            "gradient": moving.grad.numpy(),
        }
