//! Learning rate and weight decay of each tensor. Layer-wise learning rates (Bao et al. 2022, "`BEiT`"; Clark et al. 2020) are
//! smaller the closer a layer is to the input.

use super::layout::{Layout, Param};

/// Learning rate and weight decay of one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    /// Factor on the learning rate.
    pub rate: f64,
    /// Whether weight decay applies.
    pub decays: bool,
}

/// The full rate for each trainable tensor; no weight decay on tensors of one dimension.
pub fn plain_groups(layout: &Layout) -> Vec<Group> {
    layout.trainable().map(|param| Group { rate: 1.0, decays: param.decays() }).collect()
}

/// Rate and decay of each trainable tensor of a [`vit`](super::vit()) of `depth` blocks: the head and the last norm at the full
/// rate, block `i` at `decay^(depth - i)`, the embeddings at `decay^(depth + 1)`. No weight decay on tensors of one dimension, the
/// CLS token and the positions, as in timm.
pub fn layer_groups(layout: &Layout, depth: usize, decay: f64) -> Vec<Group> {
    let group = |param: &Param| Group {
        rate: decay.powi((depth + 1 - layer(&param.name, depth)) as i32),
        decays: param.decays() && !matches!(param.name.as_str(), "cls_token" | "pos_embed"),
    };
    layout.trainable().map(group).collect()
}

/// 0 for the embeddings, `i + 1` for block `i`, `depth + 1` for what follows the blocks.
fn layer(name: &str, depth: usize) -> usize {
    if name == "cls_token" || name == "pos_embed" || name.starts_with("patch_embed.") {
        return 0;
    }
    let block = name.strip_prefix("blocks.").and_then(|rest| rest.split('.').next()?.parse().ok());
    block.map_or(depth + 1, |block: usize| block + 1)
}

#[cfg(test)]
mod tests {
    use shared::settings::{ModelSpec, Pooling};

    use super::*;
    use crate::model::vit;

    #[test]
    fn rates_by_hand() {
        let model = ModelSpec::default(); // 4 blocks
        let layout = vit(&model, 10, Pooling::Mean);
        let groups = layer_groups(&layout, 4, 0.5);
        let of = |name: &str| {
            let place = layout.trainable().position(|param| param.name == name);
            let group = &groups[place.expect(name)];
            (group.rate, group.decays)
        };
        assert_eq!(of("cls_token"), (0.5f64.powi(5), false));
        assert_eq!(of("pos_embed"), (0.5f64.powi(5), false));
        assert_eq!(of("patch_embed.proj.weight"), (0.5f64.powi(5), true));
        assert_eq!(of("blocks.0.attn.qkv.weight"), (0.0625, true));
        assert_eq!(of("blocks.3.norm1.weight"), (0.5, false));
        assert_eq!(of("fc_norm.bias"), (1.0, false));
        assert_eq!(of("head.weight"), (1.0, true));
    }
}
