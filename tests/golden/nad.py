"""Neural attention distillation in PyTorch and timm, in double precision: loss and gradients of the maps, and of a whole student."""

import copy

import numpy as np
import torch
import torch.nn.functional as functional

from finetune import array, classifier, flat, rounding


def maps_apart(student, teacher):
    """The loss of Li et al. 2021 for tokens `(images, patches, width)`, with p = 2."""
    of = lambda tokens: functional.normalize(tokens.abs().pow(2).sum(-1), dim=-1)
    return functional.mse_loss(of(student), of(teacher))


def tokens_after_blocks(vit, pixels):
    """The scores, and the tokens of the patches after each block."""
    outputs = []
    hooks = [block.register_forward_hook(lambda *given: outputs.append(given[2][:, 1:])) for block in vit.blocks]
    scores = vit(pixels)
    for hook in hooks:
        hook.remove()
    return scores, outputs


def distilled(student, teacher, pixels, labels, weights):
    """The loss, and the tokens of both after each block; `weights` is by numbers of blocks."""
    scores, own = tokens_after_blocks(student, pixels)
    with torch.no_grad():
        _, wanted = tokens_after_blocks(teacher, pixels)
    loss = functional.cross_entropy(scores, labels)
    for blocks, weight in weights.items():
        loss = loss + weight * maps_apart(own[blocks - 1], wanted[blocks - 1])
    return loss, own, wanted


def cases(rng, small):
    for number in range(2 if small else 6):
        heads = 1 if small else int(rng.integers(1, 4))
        # With two blocks, the second map and the third are the same one.
        depth = [3, 2, 5, 1, 4, 6][number]
        patch = 2 if small else int(rng.integers(2, 5))
        model = {
            "image_size": patch * (2 if small else int(rng.integers(2, 6))),
            "patch_size": patch,
            "encoder": {"dim": 4 * heads * (1 if small else int(rng.integers(1, 4))), "depth": depth, "heads": heads},
            "decoder": {"dim": 4, "depth": 1, "heads": 1},
        }
        classes, pooling, batch = int(rng.integers(2, 5)), ["mean", "cls"][number % 2], int(rng.integers(2, 6))
        weight = float(10 ** rng.uniform(0, 3))
        torch.manual_seed(int(rng.integers(2**31)))
        student = classifier(model, classes, pooling)
        teacher = copy.deepcopy(student)
        with torch.no_grad():
            for parameter in teacher.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
        pixels = torch.randn(batch, 3, model["image_size"], model["image_size"])
        labels = torch.from_numpy(rng.integers(0, classes, batch))
        weights = {-(-depth // 3): weight / 2} | {-(-2 * depth // 3): weight} | {depth: weight}
        single = copy.deepcopy(student)
        distilled(single, teacher, pixels, labels, weights)[0].backward()
        student.double(), teacher.double()
        loss, own, wanted = distilled(student, teacher, pixels.double(), labels, weights)
        loss.backward()
        tokens = own[-1][0].detach().float()
        moving = tokens.double().requires_grad_()
        other = wanted[-1][0].float()
        alone = maps_apart(moving[None], other.double()[None])
        (weight * alone).backward()
        config = {"model": model, "classes": classes, "pooling": pooling, "weight": weight, "rounding": rounding(single, student)}
        yield config, {
            "student": flat(student, lambda parameter: parameter),
            "teacher": flat(teacher, lambda parameter: parameter),
            "pixels": array(pixels),
            "labels": labels.numpy(),
            "loss": np.array([loss.item()]),
            "gradient": flat(student, lambda parameter: parameter.grad),
            "tokens.student": array(tokens),
            "tokens.teacher": array(other),
            "tokens.loss": np.array([alone.item()]),
            "tokens.gradient": moving.grad.numpy(),
        }
