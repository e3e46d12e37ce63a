"""Masked autoencoder: loss, prediction, mask and gradients of transformers' ViTMAE for given noise; its attention, rolled out."""

import numpy as np
import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining


def shapes(rng, small):
    """Sizes of each case."""
    if small:
        yield dict(image_size=8, patch_size=4, encoder=(16, 1, 2), decoder=(8, 1, 2), norm_pix=False, ratio=0.5, batch=2)
        yield dict(image_size=12, patch_size=4, encoder=(12, 2, 3), decoder=(16, 1, 4), norm_pix=True, ratio=0.75, batch=3)
        return
    for norm_pix in (False, True):
        for _ in range(3):
            patch, grid = int(rng.integers(2, 9)), int(rng.integers(2, 9))
            stack = lambda: (lambda heads: (int(4 * heads * rng.integers(1, 9)), int(rng.integers(1, 4)), heads))(
                int(rng.integers(1, 5))
            )
            yield dict(
                image_size=patch * grid,
                patch_size=patch,
                encoder=stack(),
                decoder=stack(),
                norm_pix=norm_pix,
                ratio=float(rng.choice([0.25, 0.5, 0.6, 0.75])),
                batch=int(rng.integers(1, 6)),
            )


def maskdoor_names(state):
    """The tensors under MAE's names; query, key and value joined."""
    out = {}
    for name, value in state.items():
        if ".attention.attention.key." in name or ".attention.attention.value." in name:
            continue
        if ".attention.attention.query." in name:
            value = np.concatenate([state[name.replace("query", part)] for part in ("query", "key", "value")])
        for old, new in [
            ("vit.embeddings.patch_embeddings.projection", "patch_embed.proj"),
            ("vit.embeddings.position_embeddings", "pos_embed"),
            ("vit.embeddings.cls_token", "cls_token"),
            ("vit.encoder.layer", "blocks"),
            ("vit.layernorm", "norm"),
            ("decoder.decoder_layers", "decoder_blocks"),
            ("decoder.decoder_", "decoder_"),
            ("decoder.mask_token", "mask_token"),
            ("attention.attention.query", "attn.qkv"),
            ("attention.output.dense", "attn.proj"),
            ("layernorm_before", "norm1"),
            ("layernorm_after", "norm2"),
            ("intermediate.dense", "mlp.fc1"),
            ("output.dense", "mlp.fc2"),
        ]:
            name = name.replace(old, new)
        out[name] = value
    return out


def autoencoder(shape):
    """transformers' model of these sizes."""
    width, depth, heads = shape["encoder"]
    decoder_width, decoder_depth, decoder_heads = shape["decoder"]
    model = ViTMAEForPreTraining(
        ViTMAEConfig(
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=heads,
            intermediate_size=4 * width,
            decoder_hidden_size=decoder_width,
            decoder_num_hidden_layers=decoder_depth,
            decoder_num_attention_heads=decoder_heads,
            decoder_intermediate_size=4 * decoder_width,
            image_size=shape["image_size"],
            patch_size=shape["patch_size"],
            mask_ratio=shape["ratio"],
            norm_pix_loss=shape["norm_pix"],
            hidden_act="gelu",
            layer_norm_eps=1e-6,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            attn_implementation="eager",
        )
    )
    # Biases and norms start at zeros and ones, which would hide mistakes.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def sizes(shape):
    """The sizes as `ModelSpec` has them."""
    stack = lambda sizes: dict(zip(("dim", "depth", "heads"), sizes))
    return {
        "image_size": shape["image_size"],
        "patch_size": shape["patch_size"],
        "encoder": stack(shape["encoder"]),
        "decoder": stack(shape["decoder"]),
    }


def array(tensor):
    return tensor.detach().numpy().astype(np.float32)


def weights_and_gradients(model):
    """The tensors of a case, under MAE's names."""
    weights = maskdoor_names({name: array(value) for name, value in model.state_dict().items()})
    gradients = maskdoor_names(
        {name: array(value.grad) for name, value in model.named_parameters() if value.grad is not None}
    )
    tensors = {f"weight.{name}": value for name, value in weights.items()}
    return tensors | {f"gradient.{name}": value for name, value in gradients.items()}


def rolled_out(model, pixels):
    """How much of each patch reaches the CLS token through all blocks (Abnar and Zuidema 2020), with every patch visible and in its place."""
    ratio, model.config.mask_ratio = model.config.mask_ratio, 0.0
    patches = (model.config.image_size // model.config.patch_size) ** 2
    noise = (torch.arange(patches) / patches).expand(len(pixels), -1)
    with torch.no_grad():
        output = model.vit(pixel_values=pixels, noise=noise, output_attentions=True)
    model.config.mask_ratio = ratio
    assert bool((output.ids_restore == torch.arange(patches)).all())
    flow = torch.eye(1 + patches, dtype=torch.float64)
    for weights in output.attentions:
        kept = weights.double().mean(1) + torch.eye(1 + patches)
        flow = kept / kept.sum(-1, keepdim=True) @ flow
    return flow[:, 0, 1:].numpy()


def cases(rng, small):
    for shape in shapes(rng, small):
        torch.manual_seed(int(rng.integers(2**31)))
        model = autoencoder(shape)
        side, patches = shape["image_size"], (shape["image_size"] // shape["patch_size"]) ** 2
        pixels = torch.randn(shape["batch"], 3, side, side)
        # All values differ, because the order of equal values is undefined.
        noise = torch.rand(shape["batch"], patches).argsort(1).argsort(1) / patches
        output = model(pixel_values=pixels, noise=noise)
        output.loss.backward()
        # Error of the prediction when torch multiplies in bf16, as a share of the largest predicted value.
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            half = model(pixel_values=pixels, noise=noise).logits.float()
        half = ((half - output.logits).abs().max() / output.logits.abs().max()).item()
        tensors = weights_and_gradients(model) | {
            "pixels": array(pixels),
            "noise": array(noise),
            "loss": array(output.loss.reshape(1)),
            "prediction": array(output.logits),
            "mask": array(output.mask),
            "roll_out": rolled_out(model, pixels),
        }
        config = {
            "model": sizes(shape),
            "norm_pix_loss": shape["norm_pix"],
            "half": half,
            "mask_ratio": shape["ratio"],
        }
        yield config, tensors
