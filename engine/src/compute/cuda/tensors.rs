//! A model's sizes and tensors as the crate `cuda` takes them.

use ::cuda::{Blocks, Descent, MaeShape, Pace, Tensor, VitShape};
use shared::settings::{ModelSpec, Pooling, TransformerSpec};

use crate::{
    compute::{Descend, Step},
    data::augment::Normalisation,
    model::Layout,
};

fn blocks(spec: TransformerSpec) -> Blocks {
    Blocks { width: spec.dim as usize, depth: spec.depth as usize, heads: spec.heads as usize }
}

pub(super) fn mae_shape(spec: &ModelSpec) -> MaeShape {
    MaeShape {
        side: spec.image_size as usize,
        patch: spec.patch_size as usize,
        encoder: blocks(spec.encoder),
        decoder: blocks(spec.decoder),
    }
}

pub(super) fn vit_shape(spec: &ModelSpec, pooling: Pooling, layout: &Layout) -> VitShape {
    VitShape {
        side: spec.image_size as usize,
        patch: spec.patch_size as usize,
        blocks: blocks(spec.encoder),
        classes: layout.tensor("head.bias").slot.len,
        mean: pooling == Pooling::Mean,
    }
}

/// The tensors of a model that is not trained.
pub(super) fn fixed(layout: &Layout) -> Vec<Tensor> {
    layout
        .iter()
        .map(|param| Tensor { name: param.name.clone(), len: param.slot.len, trained: None })
        .collect()
}

/// The tensors of a model, each trained as its group says.
pub(super) fn trained(layout: &Layout, descend: &Descend) -> Vec<Tensor> {
    let mut tensors = fixed(layout);
    let trainable = tensors.iter_mut().zip(layout.iter()).filter(|(_, param)| param.trainable);
    for ((tensor, _), group) in trainable.zip(&descend.groups) {
        let decay = if group.decays { descend.weight_decay } else { 0.0 };
        tensor.trained = Some(Pace { rate: group.rate, decay });
    }
    tensors
}

pub(super) fn descent(descend: &Descend) -> Descent {
    let Descend { betas, accumulate, clip_norm, .. } = *descend;
    Descent { betas, accumulate, clip_norm }
}

pub(super) fn place(step: Step) -> ::cuda::Place {
    ::cuda::Place { place: step.place, rate: step.lr }
}

/// The number that each byte becomes, `(3, 256)`.
pub(super) fn bytes() -> Vec<f32> {
    Normalisation::IMAGENET.table().concat()
}
