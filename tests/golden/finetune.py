"""Fine-tuning in timm: logits, layer-wise rates, smoothed and mixed targets, stochastic depth, five steps.

timm computes in double precision. AdamW takes full-size steps even for tiny gradients, which may be mere rounding: `steady` marks the
values whose gradient was always above a thousandth of the tensor's largest one. `rounding` is how far timm's logits of each step are
from these in single precision, as a share of the largest.
"""

import copy
import functools

import numpy as np
import torch
from timm.data.mixup import mixup_target
from timm.loss import LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay


def configs(rng, small):
    for number in range(3 if small else 8):
        heads = int(rng.integers(1, 3 if small else 5))
        patch = int(rng.integers(2, 4 if small else 9))
        grid = int(rng.integers(2, 3 if small else 7))
        side, lam = patch * grid, float(rng.uniform(0.2, 0.9))
        mix = [None, {"lambda": lam, "cut": None}, "cut"][number % 3]
        if mix == "cut":
            x, y = (int(v) for v in rng.integers(0, side - 1, size=2))
            w, h = (int(rng.integers(1, side - start + 1)) for start in (x, y))
            mix = {"lambda": 1.0 - w * h / side**2, "cut": {"x": x, "y": y, "width": w, "height": h}}
        yield {
            "model": {
                "image_size": side,
                "patch_size": patch,
                "encoder": {
                    "dim": 4 * heads * int(rng.integers(1, 3 if small else 9)),
                    "depth": int(rng.integers(1, 3 if small else 5)),
                    "heads": heads,
                },
                "decoder": {"dim": 4, "depth": 1, "heads": 1},
            },
            "classes": int(rng.integers(2, 7)),
            "pooling": ["mean", "cls"][number % 2],
            "smoothing": float(rng.choice([0.0, 0.1, 0.3])),
            "mix": mix,
            "lr": float(10 ** rng.uniform(-5, -3.5)),
            "weight_decay": float(rng.choice([0.05, 0.3])),
            "layer_decay": float(rng.choice([0.65, 0.75, 1.0])),
            "clip_norm": [None, 0.5][(number // 2) % 2],
            "drops": number % 4 != 3,
            "batch": int(rng.integers(2, 4 if small else 9)),
            "steps": 5,
        }


class Scale(torch.nn.Module):
    """Stochastic depth with given factors."""

    factors = None

    def forward(self, x):
        return x if self.factors is None else x * self.factors.reshape(-1, 1, 1)


def classifier(model, classes, pooling):
    """timm's classifier of these sizes, drawn."""
    encoder = model["encoder"]
    vit = VisionTransformer(
        img_size=model["image_size"],
        patch_size=model["patch_size"],
        embed_dim=encoder["dim"],
        depth=encoder["depth"],
        num_heads=encoder["heads"],
        num_classes=classes,
        global_pool={"mean": "avg", "cls": "token"}[pooling],
        norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
    )
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return vit


def array(tensor):
    return tensor.detach().numpy().astype(np.float32).copy()


def flat(model, values):
    """The values of a model's parameters, one behind the other, in the order of their names."""
    named = sorted(model.named_parameters(), key=lambda pair: pair[0])
    return np.concatenate([values(parameter).detach().numpy().astype(np.float32).ravel() for _, parameter in named])


def rounding(single, double):
    """How far gradients are from these in double precision, as a share of the largest of their tensor; the most of all tensors."""
    both = zip(single.parameters(), double.parameters())
    return max(((a.grad - b.grad).abs().max() / b.grad.abs().max()).item() for a, b in both)


def rates(model, config):
    """Rate, decay and tensors of each group. The last norm of CLS pooling has the head's rate, as in MAE; timm assigns it to the
    last block."""
    groups = param_groups_layer_decay(
        model,
        config["weight_decay"],
        no_weight_decay_list=model.no_weight_decay(),
        layer_decay=config["layer_decay"],
    )
    norm = [p for name, p in model.named_parameters() if name.startswith("norm.")]
    for group in groups:
        group["params"] = [p for p in group["params"] if all(p is not q for q in norm)]
    if norm:
        groups.append({"params": norm, "lr_scale": 1.0, "weight_decay": 0.0})
    return groups


def mixed(pixels, mix):
    if mix is None:
        return pixels
    other = pixels.flip(0)
    if mix["cut"] is None:
        return pixels * mix["lambda"] + other * (1.0 - mix["lambda"])
    cut, out = mix["cut"], pixels.clone()
    rows, columns = slice(cut["y"], cut["y"] + cut["height"]), slice(cut["x"], cut["x"] + cut["width"])
    out[:, :, rows, columns] = other[:, :, rows, columns]
    return out


def loss_of(logits, labels, config):
    if config["mix"] is None:
        return LabelSmoothingCrossEntropy(config["smoothing"])(logits, labels)
    lam = config["mix"]["lambda"]
    return SoftTargetCrossEntropy()(logits, mixup_target(labels, config["classes"], lam, config["smoothing"]))


def draws(rng, config, blocks):
    """What is drawn for each step: pixels, labels, and the factors of stochastic depth, two for each block."""
    for _ in range(config["steps"]):
        side = config["model"]["image_size"]
        pixels = torch.randn(config["batch"], 3, side, side)
        labels = torch.from_numpy(rng.integers(0, config["classes"], size=config["batch"]))
        yield pixels, labels, (rng.random((2 * blocks, config["batch"])) > 0.2) * 1.25


def trained(vit, config, steps):
    """Trains the model by the steps and yields each step's loss, gradient norm, logits and gradients."""
    dtype = next(vit.parameters()).dtype
    groups = rates(vit, config)
    for group in groups:
        group["lr"] = config["lr"] * group.pop("lr_scale")
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999))
    scales = [scale for block in vit.blocks for scale in (block.drop_path1, block.drop_path2)]
    for pixels, labels, factors in steps:
        for scale, row in zip(scales, factors):
            scale.factors = torch.tensor(row, dtype=dtype) if config["drops"] else None
        optimizer.zero_grad()
        logits = vit(mixed(pixels.to(dtype), config["mix"]))
        loss = loss_of(logits, labels, config)
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in vit.named_parameters()}
        norm = torch.nn.utils.clip_grad_norm_(vit.parameters(), config["clip_norm"] or float("inf"))
        optimizer.step()
        yield loss.item(), norm.item(), logits.detach(), gradients


def cases(rng, small):
    for config in configs(rng, small):
        torch.manual_seed(int(rng.integers(2**31)))
        vit = classifier(config["model"], config["classes"], config["pooling"])
        for block in vit.blocks:
            block.drop_path1, block.drop_path2 = Scale(), Scale()
        single = copy.deepcopy(vit)
        vit.double()
        tensors = {f"start.{name}": array(value) for name, value in vit.named_parameters()}
        of = {id(p): group for group in rates(vit, config) for p in group["params"]}
        tensors |= {
            f"rate.{name}": np.array([of[id(p)]["lr_scale"], of[id(p)]["weight_decay"]], np.float32)
            for name, p in vit.named_parameters()
        }
        steps = list(draws(rng, config, config["model"]["encoder"]["depth"]))
        losses, norms, rounding = [], [], []
        least = {name: np.inf for name, _ in vit.named_parameters()}
        both = zip(steps, trained(vit, config, steps), trained(single, config, steps))
        for step, (drawn, (loss, norm, logits, gradients), (_, _, rounded, _)) in enumerate(both):
            pixels, labels, factors = drawn
            tensors[f"pixels.{step}"] = array(pixels)
            tensors[f"labels.{step}"] = labels.numpy()
            tensors[f"factors.{step}"] = factors.astype(np.float32)
            tensors[f"logits.{step}"] = array(logits)
            if step == 0:
                tensors |= {f"gradient.{name}": array(gradient) for name, gradient in gradients.items()}
            for name, gradient in gradients.items():
                least[name] = np.minimum(least[name], (gradient.abs() / gradient.abs().max()).numpy())
            losses.append(loss)
            norms.append(norm)
            rounding.append(((rounded - logits).abs().max() / logits.abs().max()).item())
        tensors["losses"], tensors["norms"] = np.array(losses, np.float32), np.array(norms, np.float32)
        tensors["rounding"] = np.array(rounding, np.float32)
        tensors |= {f"steady.{name}": (share > 1e-3).astype(np.uint8) for name, share in least.items()}
        tensors |= {f"end.{name}": array(value) for name, value in vit.named_parameters()}
        yield config, tensors
