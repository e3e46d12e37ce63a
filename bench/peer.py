"""The PyTorch side of `make bench`.

    peer.py train|finetune|forward A|A4|B eager|compile|bf16|bf16-compile
    peer.py loader pil|v2 FOLDER

Uses the protocol of engine/examples/speed.rs: writes `ready BATCH` after two steps; then, for each number n on standard input, the
seconds that n steps take, and for `memory` the peak memory of the process in bytes. MASKDOOR_THREADS sets the number of threads.

As there, images, masks and targets are drawn before the steps. A step of the loader is one pass over the JPEG files under FOLDER, on
one thread.
"""

import os
import pathlib
import sys
import time

import torch
from torch import nn
from torch.nn import functional

USAGE = "peer.py train|finetune|forward A|A4|B eager|compile|bf16|bf16-compile, or peer.py loader pil|v2 FOLDER"
LR = 1.5e-4
CLASSES = 10
SMOOTHING = 0.1
MASK_RATIO = 0.75
EPSILON = 1e-6


def small(depth):
    return dict(image=32, patch=4, encoder=(192, depth, 3), decoder=(128, 2, 4), batch=128)


# Width, depth and heads of each transformer.
SETTINGS = {
    "A4": small(4),
    "A": small(12),
    "B": dict(image=224, patch=16, encoder=(768, 12, 12), decoder=(512, 8, 16), batch=8),
}
MODES = ("eager", "compile", "bf16", "bf16-compile")


def sin_cos(width, grid):
    """MAE's fixed positions, (1, 1 + grid * grid, width): the column's half, then the row's; zeros for the CLS token."""
    rates = 10_000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * rates
    half = torch.cat([angles.sin(), angles.cos()], 1)
    table = torch.cat([half.repeat(grid, 1), half.repeat_interleave(grid, 0)], 1)
    return torch.cat([torch.zeros(1, width), table.float()])[None]


def token(width):
    return nn.Parameter(torch.randn(1, 1, width) * 0.02)


def norm(width):
    return nn.LayerNorm(width, eps=EPSILON)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = norm(width), norm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attention(self, x):
        images, tokens, width = x.shape
        qkv = self.qkv(x).view(images, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv.unbind(0))
        return self.proj(mixed.transpose(1, 2).reshape(images, tokens, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    """Patches with positions, and the blocks over them and the CLS token; without the final norm."""

    def __init__(self, setting, train_positions):
        super().__init__()
        width, depth, heads = setting["encoder"]
        self.patch_embed = nn.Conv2d(3, width, setting["patch"], setting["patch"])
        self.cls_token = token(width)
        table = sin_cos(width, setting["image"] // setting["patch"])
        self.positions = nn.Parameter(table, requires_grad=train_positions)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))

    def patches(self, images):
        return self.patch_embed(images).flatten(2).transpose(1, 2) + self.positions[:, 1:]

    def forward(self, patches):
        cls = (self.cls_token + self.positions[:, :1]).expand(len(patches), -1, -1)
        return self.blocks(torch.cat([cls, patches], 1))


def chosen(tokens, index):
    """The tokens that `index`, (images, some), selects in each image."""
    return tokens.gather(1, index[:, :, None].expand(-1, -1, tokens.shape[2]))


class Mae(nn.Module):
    """As its authors wrote it, with fused attention: the decoder predicts every patch, the loss is the mean over the hidden ones."""

    def __init__(self, setting):
        super().__init__()
        width, (decoder_width, depth, heads) = setting["encoder"][0], setting["decoder"]
        self.encoder = Encoder(setting, train_positions=False)
        self.norm = norm(width)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = token(decoder_width)
        table = sin_cos(decoder_width, setting["image"] // setting["patch"])
        self.decoder_positions = nn.Parameter(table, requires_grad=False)
        self.decoder_blocks = nn.Sequential(*(Block(decoder_width, heads) for _ in range(depth)))
        self.decoder_norm = norm(decoder_width)
        self.decoder_pred = nn.Linear(decoder_width, 3 * setting["patch"] ** 2)

    def forward(self, images, visible, restore, hidden, targets):
        encoded = self.encoder(chosen(self.encoder.patches(images), visible))
        encoded = self.decoder_embed(self.norm(encoded))
        masked = self.mask_token.expand(len(images), restore.shape[1] - visible.shape[1], -1)
        patches = torch.cat([encoded[:, 1:], masked.to(encoded.dtype)], 1)
        tokens = torch.cat([encoded[:, :1], chosen(patches, restore)], 1) + self.decoder_positions
        predicted = self.decoder_pred(self.decoder_norm(self.decoder_blocks(tokens)))[:, 1:]
        errors = ((predicted - targets) ** 2).mean(2)
        return (errors * hidden).sum() / hidden.sum()


class Classifier(nn.Module):
    """The encoder with mean pooling and a head."""

    def __init__(self, setting):
        super().__init__()
        width = setting["encoder"][0]
        self.encoder = Encoder(setting, train_positions=True)
        self.norm = norm(width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, images, targets):
        encoded = self.encoder(self.encoder.patches(images))
        return functional.cross_entropy(self.head(self.norm(encoded[:, 1:].mean(1))), targets)


class Features(nn.Module):
    """CLS features of whole images."""

    def __init__(self, setting):
        super().__init__()
        self.encoder = Encoder(setting, train_positions=False)
        self.norm = norm(setting["encoder"][0])

    def forward(self, images):
        return self.norm(self.encoder(self.encoder.patches(images))[:, 0])


def random_images(setting):
    return torch.randn(setting["batch"], 3, setting["image"], setting["image"])


def masked_images(setting):
    """Images; indices of the visible patches; the place of each patch in the order; 1 where it is hidden; normalised patches."""
    images, patch = random_images(setting), setting["patch"]
    grid = setting["image"] // patch
    order = torch.rand(setting["batch"], grid * grid).argsort(1)
    restore = order.argsort(1)
    visible = order[:, : int(grid * grid * (1 - MASK_RATIO))].contiguous()
    hidden = (restore >= visible.shape[1]).float()
    patches = images.view(-1, 3, grid, patch, grid, patch).permute(0, 2, 4, 3, 5, 1).reshape(len(images), grid * grid, -1)
    deviations = (patches.var(2, keepdim=True) + EPSILON).sqrt()
    return images, visible, restore, hidden, (patches - patches.mean(2, keepdim=True)) / deviations


def optimised(model, mode, betas, inputs):
    """A step of AdamW on a model that returns the loss; weight decay applies to all but biases and norms."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": 0.05},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=LR, betas=betas)
    run = compiled(model, mode)

    def step():
        adamw.zero_grad(set_to_none=True)
        with autocast(mode):
            loss = run(*inputs)
        loss.backward()
        adamw.step()

    return step


def compiled(model, mode):
    return torch.compile(model) if mode.endswith("compile") else model


def autocast(mode):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.startswith("bf16"))


def train(setting, mode):
    return optimised(Mae(setting), mode, (0.9, 0.95), masked_images(setting))


def finetune(setting, mode):
    targets = torch.full((setting["batch"], CLASSES), SMOOTHING / CLASSES)
    images = torch.arange(setting["batch"])
    targets[images, images % CLASSES] += 1 - SMOOTHING
    return optimised(Classifier(setting), mode, (0.9, 0.999), (random_images(setting), targets))


def forward(setting, mode):
    run = compiled(Features(setting).eval(), mode)
    images = random_images(setting)

    def step():
        with torch.inference_mode(), autocast(mode):
            run(images)

    return step


def loader(kind, folder):
    """A pass over the files, which does what pre-training does with each photograph before batching, and the number of files."""
    files = sorted(str(path) for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not files:
        sys.exit(f"no JPEG files below {folder}")
    crop = dict(size=224, scale=(0.2, 1.0))
    moments = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if kind == "pil":
        from PIL import Image
        from torchvision import transforms

        opened = lambda file: Image.open(file).convert("RGB")
        to_float = transforms.ToTensor()
    else:
        from torchvision import io
        from torchvision.transforms import v2 as transforms

        opened = lambda file: io.decode_jpeg(io.read_file(file), mode=io.ImageReadMode.RGB)
        to_float = transforms.ToDtype(torch.float32, scale=True)
        crop |= dict(antialias=True)
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(**crop, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.RandomHorizontalFlip(),
            to_float,
            transforms.Normalize(*moments),
        ]
    )

    def step():
        for file in files:
            transform(opened(file))

    return step, len(files)


def peak_memory():
    """Peak memory of this process, which Linux records."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    sys.exit("the system does not report peak memory")


def serve(step, batch):
    """Runs the steps that standard input requests."""
    for _ in range(2):
        step()
    print("ready", batch, flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(peak_memory(), flush=True)
            continue
        began = time.perf_counter()
        for _ in range(int(line)):
            step()
        print(f"{time.perf_counter() - began:.6f}", flush=True)


def main():
    torch.manual_seed(1)
    match sys.argv[1:]:
        case ["loader", ("pil" | "v2") as kind, folder]:
            torch.set_num_threads(1)
            serve(*loader(kind, folder))
        case [("train" | "finetune" | "forward") as what, setting, mode] if setting in SETTINGS and mode in MODES:
            torch.set_num_threads(int(os.environ.get("MASKDOOR_THREADS", "2")))
            make = {"train": train, "finetune": finetune, "forward": forward}[what]
            serve(make(SETTINGS[setting], mode), SETTINGS[setting]["batch"])
        case _:
            sys.exit(USAGE)


if __name__ == "__main__":
    main()
