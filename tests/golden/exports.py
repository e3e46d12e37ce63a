"""Loads Maskdoor's exports strictly with transformers and timm, and compares the models' outputs with the cases.

    python tests/golden/exports.py FOLDER...

A FOLDER contains checkpoint cases and, under `exports/`, a folder for each case with the folders `mae`, `timm` and `huggingface`.
"""

import json
import pathlib
import sys

import timm
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import ViTMAEForPreTraining, ViTMAEModel

TOLERANCE = 1e-5


def compare(what, got, expected):
    worst = ((got - expected).abs().max() / expected.abs().max()).item()
    if not worst <= TOLERANCE:
        raise SystemExit(f"{what}: differs by {worst:e} of the largest value")
    return worst


def main():
    paths = []
    for cases in map(pathlib.Path, sys.argv[1:]):
        own = sorted(cases.glob("checkpoints-*.safetensors"))
        if not own:
            raise SystemExit(f"{cases} has no case checkpoints-*.safetensors")
        paths += own
    worst = 0.0
    for path in paths:
        folder = path.parent / "exports" / path.stem
        with safe_open(path, "pt") as file:
            config = json.loads(file.metadata()["config"])
        case = load_file(path)
        pixels, noise, features = case["pixels"], case["noise"], case["features"]
        encoder = config["encoder"]

        vit = timm.models.VisionTransformer(
            img_size=config["image_size"],
            patch_size=config["patch_size"],
            embed_dim=encoder["dim"],
            depth=encoder["depth"],
            num_heads=encoder["heads"],
            num_classes=0,
        ).eval()
        vit.load_state_dict(load_file(folder / "timm" / "checkpoint.safetensors"), strict=True)
        worst = max(worst, compare(f"{path.with_suffix('')}: timm", vit.forward_features(pixels)[:, 0], features))

        whole = config["has_decoder"]
        kind = ViTMAEForPreTraining if whole else ViTMAEModel
        model, loading = kind.from_pretrained(folder / "huggingface", output_loading_info=True, attn_implementation="eager")
        model.eval()
        wrong = {key: value for key, value in loading.items() if value}
        if wrong:
            raise SystemExit(f"{path.with_suffix('')}: transformers: {wrong}")
        model.load_state_dict(load_file(folder / "huggingface" / "model.safetensors"), strict=True)
        if whole:
            model.config.mask_ratio = 0.5
            got = model(pixel_values=pixels, noise=noise).logits
            worst = max(worst, compare(f"{path.with_suffix('')}: prediction", got, case["prediction"]))
        backbone = model.vit if whole else model
        backbone.config.mask_ratio = 0.0
        in_order = torch.arange(noise.shape[1]).repeat(len(pixels), 1) / noise.shape[1]
        got = backbone(pixel_values=pixels, noise=in_order).last_hidden_state[:, 0]
        worst = max(worst, compare(f"{path.with_suffix('')}: transformers", got, features))

        # MAE's own code is not a package. It names the encoder's tensors as timm does, so all other names must be the decoder's.
        names = set(load_file(folder / "mae" / "checkpoint.safetensors"))
        rest = names - set(vit.state_dict())
        if (names != rest | set(vit.state_dict())) or any("decoder" not in name and name != "mask_token" for name in rest):
            raise SystemExit(f"{path.with_suffix('')}: MAE's names: {sorted(rest)}")
    print(f"{len(paths)} checkpoints load strictly in timm and transformers and differ by at most {worst:.1e}")


if __name__ == "__main__":
    with torch.no_grad():
        main()
