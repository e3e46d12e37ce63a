//! Sizes of the masked autoencoder.

use serde::{Deserialize, Serialize};

/// A vision transformer's width, depth and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TransformerSpec {
    /// Width of a token; a multiple of `heads` and of 4 (for the sine-cosine table).
    pub dim: u32,
    /// Number of blocks.
    pub depth: u32,
    /// Attention heads.
    pub heads: u32,
}

/// The masked autoencoder. The MLP of a block is four times as wide as a token, as in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Side of the images that the model sees, in pixels; images are resized to it.
    pub image_size: u32,
    /// Side of a ViT patch in pixels; divides `image_size`.
    pub patch_size: u32,
    /// Encoder.
    pub encoder: TransformerSpec,
    /// Decoder.
    pub decoder: TransformerSpec,
}

impl ModelSpec {
    /// Number of ViT patches of an image.
    pub fn patches(&self) -> u32 {
        (self.image_size / self.patch_size.max(1)).saturating_pow(2)
    }

    /// The sizes of `DeDe`'s trained decoder, a small masked autoencoder on the same patches: its patch encoder and its decoder both have the width,
    /// depth and heads of this decoder.
    pub fn embedding_decoder(&self) -> Self {
        Self { encoder: self.decoder, ..*self }
    }

    /// Whether both have the same patches and encoders of the same size.
    pub fn has_encoder_of(&self, other: &Self) -> bool {
        (self.image_size, self.patch_size, self.encoder)
            == (other.image_size, other.patch_size, other.encoder)
    }
}

impl Default for ModelSpec {
    /// The small model for 32-px images.
    fn default() -> Self {
        Self {
            image_size: 32,
            patch_size: 4,
            encoder: TransformerSpec { dim: 192, depth: 4, heads: 3 },
            decoder: TransformerSpec { dim: 128, depth: 2, heads: 4 },
        }
    }
}
