"""The fixed sine-cosine position table of transformers' ViTMAE."""

import numpy as np
from transformers.models.vit_mae.modeling_vit_mae import get_2d_sincos_pos_embed


def cases(rng, small):
    sizes = [(12, 3), (8, 2)] if small else [(int(4 * rng.integers(1, 65)), int(rng.integers(1, 17))) for _ in range(4)]
    for width, grid in sizes:
        table = get_2d_sincos_pos_embed(width, grid, add_cls_token=True)
        yield {"width": width, "grid": grid}, {"table": np.asarray(table, np.float32).reshape(1 + grid * grid, width)}
