"""The linear probe's head in torch: batch normalisation without affine parameters, linear layer, cross-entropy, ten steps of LARS.

Computed in double precision, because features that vary little around their mean lose digits in torch's own single precision.
"""

import numpy as np
import torch

TRUST, MOMENTUM = 0.001, 0.9


def lars(parameters, velocities, lr, weight_decay):
    """One step of LARS (You et al. 2017) as MAE uses it: tensors of one dimension get neither decay nor a trust ratio."""
    with torch.no_grad():
        for parameter, velocity in zip(parameters, velocities):
            direction = parameter.grad
            if parameter.ndim > 1:
                direction = direction + weight_decay * parameter
                weight_norm, step_norm = parameter.norm(), direction.norm()
                if weight_norm > 0 and step_norm > 0:
                    direction = direction * (TRUST * weight_norm / step_norm)
            velocity.mul_(MOMENTUM).add_(direction)
            parameter.sub_(lr * velocity)


def cases(rng, small):
    for _ in range(2 if small else 5):
        config = {
            "width": int(rng.integers(3, 9 if small else 65)),
            "classes": int(rng.integers(2, 12)),
            "batch": int(rng.integers(4, 9 if small else 65)),
            "lr": float(10 ** rng.uniform(-2, 0)),
            "weight_decay": float(rng.choice([0.0, 0.01])),
            "steps": 10,
        }
        torch.manual_seed(int(rng.integers(2**31)))
        norm = torch.nn.BatchNorm1d(config["width"], affine=False, eps=1e-6)
        linear = torch.nn.Linear(config["width"], config["classes"])
        tensors = {"weight": linear.weight, "bias": linear.bias}
        tensors = {name: value.detach().numpy().copy() for name, value in tensors.items()}
        norm, linear = norm.double(), linear.double()
        velocities = [torch.zeros_like(parameter) for parameter in linear.parameters()]
        shift, scale = rng.normal(size=config["width"]), 10 ** rng.uniform(-2, 1, size=config["width"])
        losses = []
        draw = lambda: (rng.normal(size=(config["batch"], config["width"])) * scale + shift).astype(np.float32)
        for step in range(config["steps"]):
            features = draw()
            labels = rng.integers(0, config["classes"], size=config["batch"])
            tensors[f"features.{step}"] = features
            tensors[f"labels.{step}"] = labels.astype(np.int64)
            linear.zero_grad()
            loss = torch.nn.functional.cross_entropy(linear(norm(torch.from_numpy(features).double())), torch.from_numpy(labels))
            loss.backward()
            lars(list(linear.parameters()), velocities, config["lr"], config["weight_decay"])
            losses.append(loss.item())
        norm.eval()
        test = draw()
        tensors["test"] = test
        logits = linear(norm(torch.from_numpy(test).double())).detach()
        first, second = logits.topk(2).values.T
        tensors |= {
            "losses": np.array(losses, np.float32),
            "end.weight": linear.weight.detach().float().numpy(),
            "end.bias": linear.bias.detach().float().numpy(),
            "end.running_mean": norm.running_mean.float().numpy(),
            "end.running_var": norm.running_var.float().numpy(),
            "predicted": logits.argmax(1).numpy().astype(np.int64),
            # Two scores closer than this may swap places in single precision.
            "certain": (first - second > 1e-4 * logits.abs().max()).numpy().astype(np.uint8),
        }
        yield config, tensors
