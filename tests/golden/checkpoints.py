"""Checkpoints as MAE, timm and transformers write them: the file's bytes, and the outputs of its model for some images.

`features` are those of the CLS token after the last norm, with every patch visible; `prediction` is the decoder's under the mask of `noise`.
`positions` is torch's bicubic interpolation of the table to a grid of `positions_grid` x `positions_grid`.
"""

import argparse
import copy
import io
import logging
import pathlib
import tempfile
import warnings

import lightning
import numpy as np
import timm
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from safetensors.torch import save as save_safetensors
from transformers import ViTConfig, ViTForImageClassification, ViTMAEConfig, ViTMAEForPreTraining, ViTModel

from mae import maskdoor_names


def draw_sizes(rng, small):
    if small:
        return dict(image_size=8, patch_size=4, encoder=(8, 1, 2), decoder=(4, 1, 1), batch=2)
    patch, grid = int(rng.integers(2, 9)), int(rng.integers(2, 9))
    stack = lambda: (lambda heads: (int(4 * heads * rng.integers(1, 9)), int(rng.integers(1, 4)), heads))(int(rng.integers(1, 5)))
    return dict(image_size=patch * grid, patch_size=patch, encoder=stack(), decoder=stack(), batch=int(rng.integers(1, 4)))


def shaken(model):
    """The model with every parameter perturbed: biases and norms start at zeros and ones, which would hide mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def transformers_options(sizes):
    width, depth, heads = sizes["encoder"]
    return dict(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        image_size=sizes["image_size"],
        patch_size=sizes["patch_size"],
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )


def vit_mae(sizes, norm_pix_loss):
    width, depth, heads = sizes["decoder"]
    config = ViTMAEConfig(
        decoder_hidden_size=width,
        decoder_num_hidden_layers=depth,
        decoder_num_attention_heads=heads,
        decoder_intermediate_size=4 * width,
        mask_ratio=0.5,
        norm_pix_loss=norm_pix_loss,
        **transformers_options(sizes),
    )
    return shaken(ViTMAEForPreTraining(config))


def timm_vit(sizes, **options):
    width, depth, heads = sizes["encoder"]
    return shaken(
        timm.models.VisionTransformer(
            img_size=sizes["image_size"], patch_size=sizes["patch_size"], embed_dim=width, depth=depth, num_heads=heads, **options
        )
    )


def rounded(model, dtype):
    """Rounds the model's values to the type and returns its state in that type."""
    with torch.no_grad():
        for value in list(model.parameters()) + list(model.buffers()):
            value.copy_(value.to(dtype))
    return {name: value.to(dtype) for name, value in model.state_dict().items()}


def pth(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def pretrained_bytes(model):
    """`model.safetensors` and `config.json` as `save_pretrained` writes them."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        folder = pathlib.Path(folder)
        return (folder / "model.safetensors").read_bytes(), (folder / "config.json").read_text()


def mae_outputs(model, pixels, noise):
    """Features with every patch visible, and the decoder's prediction under the noise's mask."""
    patches = noise.shape[1]
    prediction = model(pixel_values=pixels, noise=noise).logits
    model.vit.config.mask_ratio = 0.0
    in_order = torch.arange(patches).repeat(len(pixels), 1) / patches
    features = model.vit(pixel_values=pixels, noise=in_order).last_hidden_state[:, 0]
    model.vit.config.mask_ratio = 0.5
    return {"features": features, "prediction": prediction}


def mae_file(sizes, pixels, noise):
    """As MAE's training writes it: the parameters under `model`, beside them the optimiser and the arguments."""
    model = vit_mae(sizes, norm_pix_loss=True)
    state = maskdoor_names({name: value.detach().numpy() for name, value in model.state_dict().items()})
    state = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items()}
    # As in a model that was trained in the channels-last memory format.
    proj = state["patch_embed.proj.weight"]
    state["patch_embed.proj.weight"] = proj.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))])
    arguments = argparse.Namespace(norm_pix_loss=True, lr=1e-3, output_dir=pathlib.PurePosixPath("out"), device="cpu")
    file = pth({"model": state, "optimizer": optimizer.state_dict(), "epoch": 3, "scaler": {}, "args": arguments})
    expected = {"norm_pix_loss": True, "epoch": 3, "has_decoder": True}
    return file, None, expected, mae_outputs(model, pixels, noise)


def transformers_mae(sizes, pixels, noise):
    model = vit_mae(sizes, norm_pix_loss=True)
    file, config = pretrained_bytes(model)
    expected = {"norm_pix_loss": True, "epoch": 0, "has_decoder": True}
    return file, config, expected, mae_outputs(model, pixels, noise)


def spread(model, **options):
    """The files of `save_pretrained` for a model that is too large for one: the weights in three or so, and their list."""
    most = sum(value.nbytes for value in model.state_dict().values()) // 3
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder, max_shard_size=most, **options)
        return {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())}


def transformers_mae_in_shards(sizes, pixels, noise):
    model = vit_mae(sizes, norm_pix_loss=True)
    files = spread(model)
    expected = {"norm_pix_loss": True, "epoch": 0, "has_decoder": True}
    return files, files["config.json"].decode(), expected, mae_outputs(model, pixels, noise)


def transformers_pickles_in_shards(sizes, pixels, noise):
    model = shaken(ViTModel(ViTConfig(**transformers_options(sizes))))
    files = spread(model, safe_serialization=False)
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return files, files["config.json"].decode(), expected, {"features": model(pixel_values=pixels).last_hidden_state[:, 0]}


def transformers_mae_encoder(sizes, pixels, noise):
    model = vit_mae(sizes, norm_pix_loss=False)
    file, config = pretrained_bytes(model.vit)
    outputs = mae_outputs(model, pixels, noise)
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return file, config, expected, {"features": outputs["features"]}


def bare_state_in_bfloat16(sizes, pixels, noise):
    """A classifier's parameters alone, from a model trained on several devices."""
    model = timm_vit(sizes, num_classes=3)
    state = {f"module.{name}": value for name, value in rounded(model, torch.bfloat16).items()}
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return pth(state), None, expected, {"features": model.forward_features(pixels)[:, 0]}


def timm_mean_in_float16(sizes, pixels, noise):
    """A classifier on the mean of the patches, which has fc_norm in place of norm."""
    model = timm_vit(sizes, num_classes=3, global_pool="avg")
    file = save_safetensors(rounded(model, torch.float16), metadata={"format": "pt"})
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return file, None, expected, {"features": model.fc_norm(model.forward_features(pixels))[:, 0]}


def transformers_classifier(sizes, pixels, noise):
    model = shaken(ViTForImageClassification(ViTConfig(num_labels=3, **transformers_options(sizes))))
    file, config = pretrained_bytes(model)
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return file, config, expected, {"features": model.vit(pixel_values=pixels).last_hidden_state[:, 0]}


def transformers_pooled(sizes, pixels, noise):
    model = shaken(ViTModel(ViTConfig(**transformers_options(sizes))))
    state = pth(model.state_dict())
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False}
    return state, None, expected, {"features": model(pixel_values=pixels).last_hidden_state[:, 0]}


def wrapped(model, pixels, content, **expected):
    expected = {"norm_pix_loss": False, "epoch": 0, "has_decoder": False} | expected
    return pth(content), None, expected, {"features": model.forward_features(pixels)[:, 0]}


def averaged_weights(sizes, pixels, noise):
    """Stochastic weight averaging of torch, beside the model that it averages."""
    model = timm_vit(sizes, num_classes=3)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    shaken(model)
    averaged.update_parameters(model)
    content = {"net": averaged.state_dict(), "last": model.state_dict(), "epoch": 7}
    return wrapped(averaged.module, pixels, content, entry="net.module", epoch=7)


def compiled_and_parallel(sizes, pixels, noise):
    model = timm_vit(sizes, num_classes=0)
    inner = torch.nn.Sequential()
    inner.backbone = torch.nn.DataParallel(torch.compile(model))
    return wrapped(model, pixels, {"model_state": torch.compile(inner).state_dict()})


def saved_by_timm(sizes, pixels, noise):
    """timm's own saver, with an exponential moving average."""
    model = timm_vit(sizes, num_classes=3)
    average = timm.utils.ModelEmaV3(model, decay=0.5)
    shaken(model)
    average.update(model)
    optimizer = torch.optim.AdamW(model.parameters())
    with tempfile.TemporaryDirectory() as folder:
        arguments = argparse.Namespace(model="vit", lr=1e-3, opt_betas=(0.9, 0.95))
        saver = timm.utils.CheckpointSaver(model, optimizer, arguments, average, checkpoint_dir=folder, recovery_dir=folder)
        saver.save_checkpoint(3, metric=0.5)
        file = (pathlib.Path(folder) / "last.pth.tar").read_bytes()
    expected = {"norm_pix_loss": False, "epoch": 3, "has_decoder": False, "entry": "state_dict_ema"}
    return file, None, expected, {"features": average.module.forward_features(pixels)[:, 0]}


def fitted_by_lightning(model, pixels, callbacks=()):
    """The file that Lightning saves after the second epoch of a module around the model."""

    class Module(lightning.LightningModule):
        def __init__(self, encoder):
            super().__init__()
            self.encoder = encoder
            self.head = torch.nn.Linear(encoder.embed_dim, 2)
            self.save_hyperparameters({"lr": 1e-3, "sizes": [1, 2]})

        def training_step(self, batch):
            return self.head(self.encoder(batch[0])).mean()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters())

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            callbacks=[*callbacks, ModelCheckpoint(folder, save_last=True)],
        )
        trainer.fit(Module(model), torch.utils.data.DataLoader(torch.utils.data.TensorDataset(pixels), batch_size=len(pixels)))
        return (pathlib.Path(folder) / "last.ckpt").read_bytes()


def saved_by_lightning(sizes, pixels, noise):
    model = timm_vit(sizes, num_classes=0)
    file = fitted_by_lightning(model, pixels)
    expected = {"norm_pix_loss": False, "epoch": 1, "has_decoder": False}
    return file, None, expected, {"features": model.eval().forward_features(pixels)[:, 0]}


def averaged_by_lightning(sizes, pixels, noise):
    """With the moving average of the weights, which takes the place of the weights; they stand beside it."""
    model = timm_vit(sizes, num_classes=0)
    file = fitted_by_lightning(model, pixels, [EMAWeightAveraging(decay=0.5)])
    averages = torch.load(io.BytesIO(file), weights_only=True)["state_dict"]
    prefix = "encoder."
    averages = {name.removeprefix(prefix): value for name, value in averages.items() if name.startswith(prefix)}
    averaged = copy.deepcopy(model).eval()
    averaged.load_state_dict(averages)
    expected = {"norm_pix_loss": False, "epoch": 1, "has_decoder": False, "entry": "state_dict.encoder"}
    return file, None, expected, {"features": averaged.forward_features(pixels)[:, 0]}


class MultiCrop(torch.nn.Module):
    """A backbone and a head, as DINO's training wraps them."""

    def __init__(self, backbone, width):
        super().__init__()
        self.backbone = backbone
        self.head = torch.nn.Sequential(torch.nn.Linear(width, 8), torch.nn.GELU(), torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(8, 4)))


def student_and_teacher(sizes, pixels, noise):
    width = sizes["encoder"][0]
    student, teacher = (timm_vit(sizes, num_classes=0) for _ in range(2))
    content = {
        "student": torch.nn.DataParallel(MultiCrop(student, width)).state_dict(),
        "teacher": MultiCrop(teacher, width).state_dict(),
        "optimizer": torch.optim.AdamW(student.parameters()).state_dict(),
        "epoch": 5,
        "args": argparse.Namespace(arch="vit"),
        "dino_loss": {"center": torch.zeros(1, 4)},
    }
    return wrapped(teacher, pixels, content, entry="teacher.backbone", epoch=5)


def base_and_momentum(sizes, pixels, noise):
    """As MoCo's training writes it; the arguments are a dictionary."""
    model = torch.nn.Module()
    model.base_encoder, model.momentum_encoder = (timm_vit(sizes, num_classes=0) for _ in range(2))
    content = {"epoch": 4, "arch": "vit", "state_dict": torch.nn.DataParallel(model).state_dict(), "args": {"lr": 0.1}}
    return wrapped(model.base_encoder, pixels, content, entry="state_dict.module.base_encoder", epoch=4)


WRAPPED = [
    averaged_weights,
    compiled_and_parallel,
    saved_by_timm,
    saved_by_lightning,
    averaged_by_lightning,
    student_and_teacher,
    base_and_momentum,
]
FILES = [
    mae_file,
    transformers_mae,
    transformers_mae_in_shards,
    transformers_pickles_in_shards,
    transformers_mae_encoder,
    bare_state_in_bfloat16,
    timm_mean_in_float16,
    transformers_classifier,
    transformers_pooled,
    *WRAPPED,
]


def cases(rng, small):
    for make in FILES:
        for _ in range(1 if small else 2):
            sizes = draw_sizes(rng, small)
            torch.manual_seed(int(rng.integers(2**31)))
            side, grid = sizes["image_size"], sizes["image_size"] // sizes["patch_size"]
            pixels = torch.randn(sizes["batch"], 3, side, side)
            # All values differ, because the order of equal values is undefined.
            noise = torch.rand(sizes["batch"], grid**2).argsort(1).argsort(1) / grid**2
            file, config, expected, outputs = make(sizes, pixels, noise)
            to = int(rng.integers(1, 12))
            width = sizes["encoder"][0]
            table = torch.randn(1, 1 + grid**2, width)
            patches = table[:, 1:].reshape(1, grid, grid, width).permute(0, 3, 1, 2)
            patches = torch.nn.functional.interpolate(patches, size=(to, to), mode="bicubic", align_corners=False)
            positions = torch.cat([table[:, :1], patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
            tensors = {"pixels": pixels, "noise": noise, "table": table, "positions": positions} | outputs
            tensors = {name: value.detach().numpy().astype(np.float32) for name, value in tensors.items()}
            # The only file, or a folder of several.
            if isinstance(file, dict):
                tensors |= {f"folder/{name}": np.frombuffer(content, np.uint8) for name, content in file.items()}
                name = "."
            else:
                tensors["file"] = np.frombuffer(file, np.uint8)
                name = "file.safetensors" if file[:2] not in (b"PK", b"\x80\x02") else "file.pth"
            stack = lambda part: dict(zip(("dim", "depth", "heads"), sizes[part]))
            stated = {
                "from": make.__name__,
                "file": name,
                "hf_config": config,
                "image_size": side,
                "patch_size": sizes["patch_size"],
                "encoder": stack("encoder"),
                "decoder": stack("decoder"),
                "positions_grid": to,
                **expected,
            }
            yield stated, tensors
