"""Classifiers saved by transformers' `ViTForImageClassification.save_pretrained`, and their scores for some pictures.

`logits` are the scores of the pictures after preprocessing by the `ViTImageProcessor` that is saved with the model. Beside it, a training
script's file of two such models: `ema_logits` are the scores of the other one.
"""

import copy
import io
import pathlib
import tempfile

import numpy as np
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from checkpoints import draw_sizes, shaken


def options(rng, sizes, number):
    width, depth, heads = sizes["encoder"]
    # A square's side, or its height and width.
    side = lambda name: [sizes[name]] * 2 if number % 3 == 1 else sizes[name]
    return dict(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=int(width * rng.integers(1, 6)),
        image_size=side("image_size"),
        patch_size=side("patch_size"),
        hidden_act=["gelu", "gelu_new", "relu", "silu", "gelu_pytorch_tanh"][number % 5],
        layer_norm_eps=[1e-12, 1e-6, 1e-3][number % 3],
        qkv_bias=number % 4 != 3,
        # Dropout is for training only: it must change nothing.
        hidden_dropout_prob=0.3,
        attn_implementation="eager",
    )


def cases(rng, small):
    for number in range(2 if small else 8):
        sizes = draw_sizes(rng, small)
        classes = 3 if small else int(rng.integers(2, 12))
        torch.manual_seed(int(rng.integers(2**31)))
        names = {place: f"Class_{place}" for place in range(classes)}
        config = ViTConfig(id2label=names, label2id={name: place for place, name in names.items()}, **options(rng, sizes, number))
        model = shaken(ViTForImageClassification(config))
        side = sizes["image_size"]
        mean, std = rng.uniform(0.3, 0.6, 3).round(3).tolist(), rng.uniform(0.2, 0.5, 3).round(3).tolist()
        processor = ViTImageProcessor(size={"height": side, "width": side}, image_mean=mean, image_std=std)
        pictures = rng.integers(0, 256, (sizes["batch"], side, side, 3), dtype=np.uint8)
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            model.save_pretrained(folder)
            processor.save_pretrained(folder)
            folder = pathlib.Path(folder)
            files = {name: (folder / name).read_bytes() for name in ["model.safetensors", "config.json", "preprocessor_config.json"]}
            pixels = processor(list(pictures), return_tensors="pt")["pixel_values"]
            logits = model(pixel_values=pixels).logits
            other = shaken(copy.deepcopy(model))
            ema_logits = other(pixel_values=pixels).logits
        script = io.BytesIO()
        named = {f"module.{name}": value for name, value in model.state_dict().items()}
        torch.save({"epoch": 3, "model": named, "model_ema": other.state_dict()}, script)
        files["checkpoint.pth"] = script.getvalue()
        tensors = {name: np.frombuffer(content, np.uint8) for name, content in files.items()}
        tensors |= {"pictures": pictures, "logits": logits.numpy(), "ema_logits": ema_logits.numpy()}
        yield {"image_size": side, "classes": list(names.values()), "mean": mean, "std": std}, tensors
