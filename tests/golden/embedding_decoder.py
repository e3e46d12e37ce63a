"""The decoder that DeDe trains: loss, gradients and scores by transformers' ViTMAE whose decoder gets an embedding in the place of CLS."""

import numpy as np
import torch

from mae import array, autoencoder, shapes, sizes, weights_and_gradients
from study import normalised


def cases(rng, small):
    for shape in shapes(rng, small):
        # The targets are pixels, whatever the judged autoencoder was trained on.
        shape = shape | {"norm_pix": False}
        torch.manual_seed(int(rng.integers(2**31)))
        model = autoencoder(shape)
        width, batch, side = int(rng.integers(3, 40)), shape["batch"], shape["image_size"]
        model.embedding_proj = torch.nn.Linear(width, shape["decoder"][0], bias=False)
        embeddings = torch.randn(batch, width)

        def first(layer, _, embedded):
            given = model.embedding_proj(embeddings) + layer.bias
            return torch.cat([given[:, None], embedded[:, 1:]], 1)

        model.decoder.decoder_embed.register_forward_hook(first)
        images = rng.integers(0, 256, (batch, side, side, 3)).astype(np.uint8)
        pixels = normalised(images, torch.float32)
        patches = (side // shape["patch_size"]) ** 2
        noise = torch.rand(batch, patches).argsort(1).argsort(1) / patches
        output = model(pixel_values=pixels, noise=noise)
        output.loss.backward()
        tensors = weights_and_gradients(model)
        # No patch is visible: the prediction of every patch from the embedding alone.
        model.config.mask_ratio = 1.0
        with torch.no_grad():
            redrawn = model(pixel_values=pixels, noise=noise)
        assert bool((redrawn.mask == 1).all())
        errors = ((redrawn.logits - model.patchify(pixels)) ** 2).mean((1, 2))
        yield {"model": sizes(shape), "mask_ratio": shape["ratio"]}, tensors | {
            "images": images,
            "embeddings": array(embeddings),
            "pixels": array(pixels),
            "noise": array(noise),
            "loss": array(output.loss.reshape(1)),
            "errors": array(errors),
        }
