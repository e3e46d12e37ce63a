//! What the tensors of a masked autoencoder are called, here and elsewhere.
//!
//! Maskdoor's names are those of facebookresearch/mae, whose encoder has timm's. transformers calls everything otherwise and
//! keeps query, key and value apart.

/// Whose names a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// MAE's and timm's.
    Mae,
    /// transformers': `vit.` before the encoder's names, or nothing where the encoder was saved alone.
    HuggingFace {
        /// Before the encoder's names.
        prefix: &'static str,
    },
}

/// Tensors and layers outside of the blocks: ours, theirs.
const ENCODER: [(&str, &str); 4] = [
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("norm", "layernorm"),
];
const DECODER: [(&str, &str); 5] = [
    ("mask_token", "decoder.mask_token"),
    ("decoder_pos_embed", "decoder.decoder_pos_embed"),
    ("decoder_embed", "decoder.decoder_embed"),
    ("decoder_norm", "decoder.decoder_norm"),
    ("decoder_pred", "decoder.decoder_pred"),
];
/// Layers of a block.
const BLOCK: [(&str, &str); 5] = [
    ("norm1", "layernorm_before"),
    ("attn.proj", "attention.output.dense"),
    ("norm2", "layernorm_after"),
    ("mlp.fc1", "intermediate.dense"),
    ("mlp.fc2", "output.dense"),
];

impl Naming {
    /// All of them, the more telling first.
    pub const ALL: [Self; 3] =
        [Self::Mae, Self::HuggingFace { prefix: "vit." }, Self::HuggingFace { prefix: "" }];

    /// The names of a tensor of ours: one, or those of query, key and value.
    pub fn of(self, ours: &str) -> Vec<String> {
        let Self::HuggingFace { prefix } = self else { return vec![ours.to_owned()] };
        if let Some(rest) = ours.strip_prefix("decoder_blocks.") {
            return in_block("decoder.decoder_layers.", rest);
        }
        if let Some(rest) = ours.strip_prefix("blocks.") {
            return in_block(&format!("{prefix}encoder.layer."), rest);
        }
        let theirs = renamed(&ENCODER, ours).map(|name| format!("{prefix}{name}"));
        let theirs = theirs.or_else(|| renamed(&DECODER, ours));
        vec![theirs.unwrap_or_else(|| ours.to_owned())]
    }

    /// Whether an encoder goes without this tensor: heads and poolers on top of it, and the token that stands for hidden patches.
    pub fn is_beside_the_encoder(self, name: &str) -> bool {
        let beside: &[&str] = match self {
            Self::Mae => &["head.", "head_dist.", "fc_norm.", "pre_logits.", "mask_token"],
            Self::HuggingFace { .. } => &[
                "classifier.",
                "pooler.",
                "vit.pooler.",
                "embeddings.mask_token",
                "vit.embeddings.mask_token",
            ],
        };
        beside.iter().any(|beginning| name.starts_with(beginning))
    }

    /// In a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Mae => "MAE's and timm's names",
            Self::HuggingFace { .. } => "Hugging Face's names",
        }
    }
}

/// The name of a tensor of a block, from `<number>.<layer>.<weight or bias>`.
fn in_block(blocks: &str, rest: &str) -> Vec<String> {
    let Some((number, layer)) = rest.split_once('.') else {
        return vec![format!("{blocks}{rest}")];
    };
    if let Some(end) = layer.strip_prefix("attn.qkv.") {
        let of = |part| format!("{blocks}{number}.attention.attention.{part}.{end}");
        return ["query", "key", "value"].map(of).to_vec();
    }
    let layer = renamed(&BLOCK, layer).unwrap_or_else(|| layer.to_owned());
    vec![format!("{blocks}{number}.{layer}")]
}

/// The name with its beginning replaced, where that is a whole tensor or layer of the table.
fn renamed(table: &[(&str, &str)], ours: &str) -> Option<String> {
    table.iter().find_map(|(from, to)| {
        let end = ours.strip_prefix(from)?;
        (end.is_empty() || end.starts_with('.')).then(|| format!("{to}{end}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_hand() {
        let whole = Naming::HuggingFace { prefix: "vit." };
        for (ours, theirs) in [
            ("cls_token", "vit.embeddings.cls_token"),
            ("norm.weight", "vit.layernorm.weight"),
            ("blocks.11.norm1.bias", "vit.encoder.layer.11.layernorm_before.bias"),
            ("blocks.0.mlp.fc2.weight", "vit.encoder.layer.0.output.dense.weight"),
            ("decoder_pos_embed", "decoder.decoder_pos_embed"),
            ("decoder_norm.weight", "decoder.decoder_norm.weight"),
            (
                "decoder_blocks.3.attn.proj.bias",
                "decoder.decoder_layers.3.attention.output.dense.bias",
            ),
        ] {
            assert_eq!(whole.of(ours), [theirs]);
            assert_eq!(Naming::Mae.of(ours), [ours]);
        }
        let joined = Naming::HuggingFace { prefix: "" }.of("blocks.2.attn.qkv.weight");
        assert_eq!(joined[1], "encoder.layer.2.attention.attention.key.weight");
        assert_eq!(joined.len(), 3);
    }
}
