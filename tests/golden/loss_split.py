"""The split by loss of DBD: a linear head in PyTorch, trained by Adam with symmetric cross-entropy as its authors write it, and each image's loss."""

import numpy as np
import torch
import torch.nn.functional as functional

from streams import Stream

BATCH = 128


def symmetric(scores, labels, classes):
    """`0.1 * CE + 1.0 * RCE`, the zeros of the label taken as 1e-4."""
    probabilities = functional.softmax(scores, dim=1)
    one_hot = functional.one_hot(labels, classes).to(scores.dtype).clamp(min=1e-4, max=1.0)
    reverse = -(probabilities * one_hot.log()).sum(dim=1)
    return 0.1 * functional.cross_entropy(scores, labels, reduction="none") + reverse


def cases(rng, small):
    for _ in range(1 if small else 4):
        images = int(rng.integers(140, 160 if small else 600))
        width, classes = int(rng.integers(3, 8 if small else 40)), int(rng.integers(2, 6))
        epochs, seed = int(rng.integers(2, 6)), int(rng.integers(2**40))
        labels = rng.integers(0, classes, images)
        # Every class is there, and some images have the features of another one.
        labels[:classes] = np.arange(classes)
        shown = np.where(rng.uniform(size=images) < 0.1, rng.integers(0, classes, images), labels)
        centres = 3 * rng.normal(size=(classes, width))
        features = (centres[shown] + rng.normal(size=(images, width))).astype(np.float32)
        wide = features.astype(np.float64)
        order = sorted(range(images), key=lambda i: (tuple(wide[i]), labels[i]))
        rows = torch.from_numpy((wide - wide.mean(axis=0)) / np.sqrt(wide.var(axis=0) + 1e-6))
        targets = torch.from_numpy(labels.astype(np.int64))
        head = torch.nn.Linear(width, classes, dtype=torch.float64)
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        adam = torch.optim.Adam(head.parameters(), lr=2e-3)
        for epoch in range(epochs):
            samples = Stream(seed, "order", epoch, 0).shuffled(order)
            for start in range(0, images, BATCH):
                batch = samples[start : start + BATCH]
                adam.zero_grad()
                symmetric(head(rows[batch]), targets[batch], classes).mean().backward()
                adam.step()
        with torch.no_grad():
            losses = symmetric(head(rows), targets, classes).numpy()
        yield {"width": width, "epochs": epochs, "seed": seed}, {
            "features": features,
            "labels": labels.astype(np.int64),
            "losses": losses,
        }
