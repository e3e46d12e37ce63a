//! The number format of matrix products.

use serde::{Deserialize, Serialize};

/// The number format in which the linear layers and the attention of encoder and decoder multiply. Sums, parameters, norms and the
/// optimiser are in single precision with all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision: 24 binary digits.
    #[default]
    F32,
    /// TF32: stored in single precision, multiplied with 11 binary digits. On GPUs only.
    Tf32,
    /// bfloat16: the same range with 8 binary digits; faster if the processor has instructions for it.
    Bf16,
    /// bfloat16, for the residual stream between the blocks, too. On GPUs only.
    Bf16Stream,
}

impl Precision {
    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
            Self::Bf16Stream => "bf16_stream",
        }
    }

    /// How a sentence goes on about it: `in bf16`; nothing for single precision.
    pub fn in_words(self) -> Option<&'static str> {
        match self {
            Self::F32 => None,
            Self::Tf32 => Some("in TF32"),
            Self::Bf16 => Some("in bf16"),
            Self::Bf16Stream => Some("in bf16 with a residual stream in bf16"),
        }
    }

    /// Whether a processor computes in it.
    ///
    /// # Errors
    /// What would be right.
    pub fn on_processor(self) -> Result<(), String> {
        match self {
            Self::F32 | Self::Bf16 => Ok(()),
            Self::Tf32 | Self::Bf16Stream => Err(format!(
                "{} is computed by GPUs only: a processor trains in f32 or bf16; `maskdoor serve --devices cuda:0` gives the queue a GPU",
                self.as_str()
            )),
        }
    }

    /// Whether a specification may omit it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
