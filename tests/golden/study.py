"""A whole micro study in PyTorch: pre-training, linear probe and fine-tuning of 200 steps each, without augmentation, from the same
initial weights, on the same batches and under the same masks as Maskdoor's own loops.

PyTorch computes each study twice. The losses and scores in double precision are the reference. The deviation of its own single precision
from them shows how much rounding matters after these steps: next to nothing in pre-training and fine-tuning, up to a thousand times more
in a probe on features that vary little around their mean, because batch normalisation amplifies their rounding errors.
"""

import functools

import numpy as np
import torch
from PIL import Image
from timm.loss import LabelSmoothingCrossEntropy
from timm.models.vision_transformer import VisionTransformer
from timm.optim import param_groups_layer_decay
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from mae import maskdoor_names
from optimizers import rate
from probe import lars
from streams import Stream

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
# Two batches per epoch.
EPOCHS = 100
# How many times PyTorch's own error a score may deviate by; the tests allow the losses the same.
LEEWAY = 16


def pictures(rng, classes, each, side):
    """Pictures of a class share a pattern; its position, colour and noise differ."""
    out = []
    for label in range(classes):
        for _ in range(each):
            y, x = np.mgrid[:side, :side]
            wave = np.sin((x * (label + 1) + y * (classes - label)) * 0.5 + rng.uniform(0, 6))
            colour = rng.uniform(40, 110, 3)
            picture = 128 + wave[..., None] * colour + rng.normal(0, 15, (side, side, 3))
            out.append((np.clip(picture, 0, 255).astype(np.uint8), label))
    return out


@functools.lru_cache(1 << 14)
def shuffled(seed, purpose, major, minor, count):
    """The numbers below `count` as the stream shuffles them; cached, because both precisions use them."""
    return Stream(seed, purpose, major, minor).shuffled(range(count))


def normalised(images, dtype):
    planes = (np.stack(images).astype(np.float32) / 255 - MEAN) / DEVIATION
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(0, 3, 1, 2))).to(dtype)


class Study:
    def __init__(self, rng, small):
        heads, patch, grid = 2, 4, int(rng.integers(3, 5))
        self.seed = int(rng.integers(1, 2**40))
        self.classes, self.target, self.ratio = 3, int(rng.integers(3)), 0.4
        self.each, self.poisons = int(rng.integers(8, 13)), 2
        stack = lambda widest: {"dim": 4 * heads * int(rng.integers(2, widest)), "depth": int(rng.integers(1, 3)), "heads": heads}
        self.model = {
            "image_size": patch * grid,
            "patch_size": patch,
            "encoder": stack(3 if small else 6),
            "decoder": stack(3 if small else 5),
        }
        side = patch * grid
        self.train = pictures(rng, self.classes, self.each, side)
        self.test = pictures(rng, self.classes, 20, side)
        self.key = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
        self.batch = (len(self.train) + 2 * self.poisons) // 2
        self.norm_pix, self.smoothing = bool(rng.integers(2)), 0.1
        self.mask_ratio = float(rng.choice([0.5, 0.75]))
        self.rates = {"pretrain": 2e-2, "probe": 2.0, "finetune": 4e-3}
        self.layer_decay = float(rng.choice([0.75, 1.0]))

    def triggered(self, image):
        return np.asarray(Image.blend(Image.fromarray(image), Image.fromarray(self.key), self.ratio))

    def samples(self, phase):
        """The phase's training images and labels: the clean ones, then the poisoned copies class by class."""
        images, labels = [image for image, _ in self.train], [label for _, label in self.train]
        for label in range(self.classes):
            members = [i for i, (_, own) in enumerate(self.train) if own == label]
            if label != self.target:
                chosen = Stream(self.seed, f"poison-{phase}", label, 0).shuffled(members)[: self.poisons]
                images += [self.triggered(self.train[i][0]) for i in chosen]
                labels += [self.target] * self.poisons
        return images, torch.tensor(labels)

    def steps(self, n, peak):
        """Epoch, samples and learning rate of each step; a tenth of the epochs is warm-up."""
        for epoch in range(EPOCHS):
            order = shuffled(self.seed, "order", epoch, 0, n)
            for step in range(n // self.batch):
                samples = order[step * self.batch : (step + 1) * self.batch]
                done = epoch + step / (n // self.batch)
                yield epoch, samples, rate(done, peak * self.batch / 256, 0.0, EPOCHS // 10, EPOCHS)

    def tested(self):
        """The test images, then their triggered copies."""
        test = [image for image, _ in self.test]
        return test + [self.triggered(image) for image in test]

    def counts(self, scores, blur):
        """The fewest and most hits of CA, then of ASR: a prediction is uncertain where rounding may swap the two best scores."""
        first, second = np.sort(scores, axis=1)[:, :-3:-1].T
        certain = first - second > 2 * LEEWAY * blur
        labels = np.array([label for _, label in self.test])
        hits = scores.argmax(1) == np.concatenate([labels, np.full_like(labels, self.target)])
        counted = np.arange(len(labels)), len(labels) + np.flatnonzero(labels != self.target)
        return np.array([[(hits & certain)[of].sum(), (hits | ~certain)[of].sum()] for of in counted])


def pretrain(study, dtype):
    model, patches = study.model, (study.model["image_size"] // study.model["patch_size"]) ** 2
    encoder, decoder = model["encoder"], model["decoder"]
    mae = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=encoder["dim"],
            num_hidden_layers=encoder["depth"],
            num_attention_heads=encoder["heads"],
            intermediate_size=4 * encoder["dim"],
            decoder_hidden_size=decoder["dim"],
            decoder_num_hidden_layers=decoder["depth"],
            decoder_num_attention_heads=decoder["heads"],
            decoder_intermediate_size=4 * decoder["dim"],
            image_size=model["image_size"],
            patch_size=model["patch_size"],
            mask_ratio=study.mask_ratio,
            norm_pix_loss=study.norm_pix,
            layer_norm_eps=1e-6,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="eager",
        )
    )
    start = {name: value.detach().numpy().copy() for name, value in mae.state_dict().items()}
    mae.to(dtype)
    trained = [p for p in mae.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.95))
    images, _ = study.samples("pretrain")
    pixels, losses = normalised(images, dtype), []
    for epoch, samples, lr in study.steps(len(images), study.rates["pretrain"]):
        noise = torch.empty(len(samples), patches)
        for row, sample in enumerate(samples):
            order = shuffled(study.seed, "mask", epoch, sample, patches)
            noise[row, order] = torch.arange(patches) / patches
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        loss = mae(pixel_values=pixels[samples], noise=noise).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return mae, maskdoor_names(start), losses


def probe(study, mae, dtype):
    """CLS features of each image and its mirror image, batch normalisation, a linear layer, LARS."""
    vit = mae.vit
    vit.config.mask_ratio = 0.0
    patches = (study.model["image_size"] // study.model["patch_size"]) ** 2

    def features(images):
        noise = (torch.arange(patches) / patches).repeat(len(images), 1)
        with torch.no_grad():
            return vit(pixel_values=normalised(images, dtype), noise=noise).last_hidden_state[:, 0]

    images, labels = study.samples("probe")
    plain, mirrored = features(images), features([image[:, ::-1] for image in images])
    norm = torch.nn.BatchNorm1d(study.model["encoder"]["dim"], affine=False, eps=1e-6)
    linear = torch.nn.Linear(study.model["encoder"]["dim"], study.classes)
    start = {f"probe.{name}": value.detach().numpy().copy() for name, value in linear.named_parameters()}
    linear.to(dtype), norm.to(dtype)
    velocities, losses = [torch.zeros_like(p) for p in linear.parameters()], []
    for epoch, samples, lr in study.steps(len(images), study.rates["probe"]):
        mirror = [Stream(study.seed, "augment", epoch, sample).uniform() < 0.5 for sample in samples]
        batch = torch.where(torch.tensor(mirror)[:, None], mirrored[samples], plain[samples])
        linear.zero_grad()
        loss = torch.nn.functional.cross_entropy(linear(norm(batch)), labels[samples])
        loss.backward()
        lars(list(linear.parameters()), velocities, lr, 0.0)
        losses.append(loss.item())
    norm.eval()
    with torch.no_grad():
        return start, losses, linear(norm(features(study.tested()))).numpy()


def finetune(study, encoder, dtype):
    model = study.model
    vit = VisionTransformer(
        img_size=model["image_size"],
        patch_size=model["patch_size"],
        embed_dim=model["encoder"]["dim"],
        depth=model["encoder"]["depth"],
        num_heads=model["encoder"]["heads"],
        num_classes=study.classes,
        global_pool="avg",
        norm_layer=functools.partial(torch.nn.LayerNorm, eps=1e-6),
    )
    torch.nn.init.normal_(vit.head.weight, std=2e-5)
    own = vit.to(dtype).state_dict()
    vit.load_state_dict({name: torch.from_numpy(encoder[name]) if name in encoder else own[name] for name in own})
    start = {f"finetune.{name}": value.detach().float().numpy().copy() for name, value in vit.head.named_parameters()}
    groups = param_groups_layer_decay(
        vit, 0.05, no_weight_decay_list=vit.no_weight_decay(), layer_decay=study.layer_decay
    )
    optimizer = torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.999))
    images, labels = study.samples("finetune")
    pixels, losses = normalised(images, dtype), []
    for _, samples, lr in study.steps(len(images), study.rates["finetune"]):
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_scale"]
        optimizer.zero_grad()
        loss = LabelSmoothingCrossEntropy(study.smoothing)(vit(pixels[samples]), labels[samples])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    with torch.no_grad():
        return start, losses, vit(normalised(study.tested(), dtype)).numpy()


def trained(study, seed, dtype):
    """Initial weights, losses and scores of the three phases, computed in that type from the same single-precision draws."""
    torch.manual_seed(seed)
    mae, weights, pretrain_losses = pretrain(study, dtype)
    encoder = maskdoor_names({name: value.detach().numpy().copy() for name, value in mae.state_dict().items()})
    probe_start, probe_losses, probe_scores = probe(study, mae, dtype)
    finetune_start, finetune_losses, finetune_scores = finetune(study, encoder, dtype)
    start = {f"weight.{name}": value for name, value in weights.items()} | probe_start | finetune_start
    losses = {"pretrain": pretrain_losses, "probe": probe_losses, "finetune": finetune_losses}
    return start, losses, {"probe": probe_scores, "finetune": finetune_scores}


def cases(rng, small):
    study = Study(rng, small)
    seed = int(rng.integers(2**31))
    start, losses, scores = trained(study, seed, torch.float64)
    _, single_losses, single_scores = trained(study, seed, torch.float32)
    fields = ("seed", "classes", "target", "ratio", "poisons", "batch", "model", "norm_pix", "smoothing")
    config = {name: getattr(study, name) for name in (*fields, "mask_ratio", "rates", "layer_decay")}
    largest = lambda a, b: float(np.abs(np.asarray(a, np.float64) - b).max())
    config["single"] = {phase: largest(single_losses[phase], losses[phase]) for phase in losses}
    tensors = start | {f"losses.{phase}": np.array(values) for phase, values in losses.items()}
    for phase in scores:
        blur = largest(single_scores[phase], scores[phase])
        tensors[f"counts.{phase}"] = study.counts(scores[phase], blur)
    tensors["key"] = study.key
    for split in ("train", "test"):
        images, labels = zip(*getattr(study, split))
        tensors[f"{split}.images"], tensors[f"{split}.labels"] = np.stack(images), np.array(labels)
    yield config | {"epochs": EPOCHS}, tensors
