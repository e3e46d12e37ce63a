//! The sizes of a ViT classifier of transformers.

/// The sizes of such a model, named as in its `config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct HuggingFaceSizes {
    /// Side of the images in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels; divides `image_size`.
    pub patch_size: usize,
    /// Width of a token; a multiple of `num_attention_heads`.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Number of attention heads.
    pub num_attention_heads: usize,
    /// Width of the MLP's inner layer.
    pub intermediate_size: usize,
    /// The MLP's activation, one of [`ACTIVATIONS`].
    pub hidden_act: String,
    /// Added to the variance in every norm.
    pub layer_norm_eps: f64,
    /// Whether query, key and value have biases.
    pub qkv_bias: bool,
}

/// The activations that can be computed, as transformers names them. `gelu` is the exact one, by the error function.
pub const ACTIVATIONS: [&str; 6] =
    ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu", "swish"];
