"""A step of implanting a backdoor into timm's encoder, in double precision: loss, gradients, and the encoder after AdamW's step."""

import copy

import numpy as np
import torch

from finetune import array, classifier, flat, rounding
from implants import LIMITS, drawn_slices, loss, weights


def as_scores(encoder, width):
    """The encoder, whose scores become its features."""
    with torch.no_grad():
        encoder.head.weight.copy_(torch.eye(width))
        encoder.head.bias.zero_()
    return encoder


def cases(rng, small):
    number = 0
    while number < (3 if small else 9):
        spreads, near = number % 3 > 0, number % 3 == 2
        heads = 2 if small else int(rng.integers(1, 4))
        patch = 2 if small else int(rng.integers(2, 5))
        width = 4 * heads * (1 if small else int(rng.integers(1, 4)))
        model = {
            "image_size": patch * (2 if small else int(rng.integers(2, 5))),
            "patch_size": patch,
            "encoder": {"dim": width, "depth": 1 if small else int(rng.integers(1, 4)), "heads": heads},
            "decoder": {"dim": 4, "depth": 1, "heads": 1},
        }
        references, shadow = int(rng.integers(2, 4)), int(rng.integers(3, 6))
        torch.manual_seed(int(rng.integers(2**31)))
        encoder = as_scores(classifier(model, width, "cls"), width)
        clean = copy.deepcopy(encoder)
        with torch.no_grad():
            for parameter in clean.parameters():
                parameter.add_(torch.randn_like(parameter) * (0.01 if near else 0.1))
        as_scores(clean, width)
        pixels = torch.randn(2 * shadow + 2 * references, 3, model["image_size"], model["image_size"])
        if near:
            # Features of images that are alike are alike.
            pixels = pixels[:1] + 0.15 * pixels
        single = copy.deepcopy(encoder)
        encoder.double(), clean.double()
        with torch.no_grad():
            kept = clean(pixels.double()).float()
            # The clean encoder sees no trigger, and no augmented reference images but the references themselves.
            kept[2 * shadow + references :] = kept[2 * shadow : 2 * shadow + references]
            kept[:shadow], kept[2 * shadow : 2 * shadow + references] = 0, 0
        config = weights(rng, references) | {"model": model, "spreads": spreads, "lr": float(10 ** rng.uniform(-4, -3))}
        slices = drawn_slices(rng, width)
        start = flat(encoder, lambda parameter: parameter)
        stays = lambda name: name.startswith("head.") or name == "pos_embed"
        trained = [parameter for name, parameter in encoder.named_parameters() if not stays(name)]
        adamw = torch.optim.AdamW(trained, lr=config["lr"], betas=(0.9, 0.999), weight_decay=0.0)
        given = torch.from_numpy(slices) if spreads else None
        loss(single(pixels).double(), kept.double(), config, given)[0].backward()
        whole, parts, reached = loss(encoder(pixels.double()), kept.double(), config, given)
        # Of a drawn encoder, features may be alike from the start, or not be in spite of all. Rounding must not decide on the limits.
        margins = [abs(part.item() - limit) for part, limit in zip(parts, LIMITS)]
        if reached != near or min(margins) < 1e-4:
            continue
        number += 1
        whole.backward()
        adamw.step()
        yield config | {"rounding": rounding(single, encoder)}, {
            "start": start,
            "pixels": array(pixels),
            "kept": kept.numpy(),
            "slices": slices,
            "loss": np.array([whole.item()]),
            "gradient": flat(encoder, lambda parameter: parameter.grad),
            "end": flat(encoder, lambda parameter: parameter),
        }
