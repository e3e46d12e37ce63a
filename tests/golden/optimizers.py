"""Ten steps of torch's AdamW with decay groups, warm-up and cosine schedule, on given gradients."""

import math

import numpy as np
import torch


def rate(epoch, peak, floor, warmup, epochs):
    """MAE's schedule at a fractional epoch: linear warm-up, then half a cosine."""
    if epoch < warmup:
        return peak * epoch / warmup
    return floor + (peak - floor) * 0.5 * (1.0 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


def cases(rng, small):
    for _ in range(1 if small else 4):
        warmup, steps_per_epoch = int(rng.integers(1, 3)), int(rng.integers(2, 4))
        config = {
            "base_lr": float(10 ** rng.uniform(-4, -1)),
            "min_lr": float(10 ** rng.uniform(-6, -5)),
            "batch_size": int(rng.integers(16, 512)),
            "warmup_epochs": warmup,
            "epochs": math.ceil(10 / steps_per_epoch) + int(rng.integers(0, 3)),
            "steps_per_epoch": steps_per_epoch,
            "betas": [float(rng.choice([0.9, 0.8])), float(rng.choice([0.95, 0.999]))],
            "weight_decay": float(rng.choice([0.0, 0.05, 0.3])),
            "steps": 10,
        }
        shapes = [tuple(int(n) for n in rng.integers(1, 7, size=rank)) for rank in (1, 2, 3, 1, 2)]
        start = [torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes]
        parameters = [torch.nn.Parameter(value.clone()) for value in start]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config["weight_decay"]},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=1.0, betas=tuple(config["betas"]))
        peak = config["base_lr"] * config["batch_size"] / 256
        tensors = {f"start.{i}": value.numpy() for i, value in enumerate(start)}
        for step in range(config["steps"]):
            lr = rate(step / config["steps_per_epoch"], peak, config["min_lr"], config["warmup_epochs"], config["epochs"])
            for group in optimizer.param_groups:
                group["lr"] = lr
            for i, parameter in enumerate(parameters):
                scale = 10 ** rng.uniform(-4, 1)
                parameter.grad = torch.tensor(rng.normal(size=parameter.shape) * scale, dtype=torch.float32)
                tensors[f"gradient.{step}.{i}"] = parameter.grad.numpy().copy()
            optimizer.step()
        tensors |= {f"end.{i}": p.detach().numpy().astype(np.float32) for i, p in enumerate(parameters)}
        yield config, tensors
