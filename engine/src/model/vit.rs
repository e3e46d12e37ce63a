//! The classifier of fine-tuning: MAE's encoder with a head, trained together (He et al. 2022; timm's tensor names).

use shared::settings::{ModelSpec, Pooling};

use super::{
    layout::{Init, Layout},
    parts::TOKEN,
};

/// Standard deviation of the head's initial weights, as in MAE.
const HEAD_DEVIATION: f64 = 2e-5;

/// The tensors of a vision transformer with `classes` classes. Its positions start from MAE's table and are trained. With mean
/// pooling the last norm is `fc_norm` and is newly initialised, as in MAE.
pub fn vit(spec: &ModelSpec, classes: usize, pooling: Pooling) -> Layout {
    let grid = (spec.image_size / spec.patch_size) as usize;
    let width = spec.encoder.dim as usize;
    let mut layout = Layout::default();
    layout.add("cls_token", &[1, 1, width], TOKEN);
    layout.add("pos_embed", &[1, 1 + grid * grid, width], Init::SinCos { grid });
    layout.add_patch_embedding(spec.patch_size as usize, width);
    layout.add_blocks("blocks", spec.encoder);
    layout.add_norm(last_norm(pooling), width);
    let init = (Init::Normal { deviation: HEAD_DEVIATION }, Init::Zero);
    layout.add_linear_with("head", width, classes, init);
    layout
}

/// Name of the norm before the head.
pub(crate) fn last_norm(pooling: Pooling) -> &'static str {
    match pooling {
        Pooling::Mean => "fc_norm",
        Pooling::Cls => "norm",
    }
}
