//! The number format of matrix products.

use serde::{Deserialize, Serialize};

/// The number format in which the linear layers and the attention of encoder and decoder multiply. Sums, parameters, norms and the
/// optimiser are in single precision with both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision: 24 binary digits.
    #[default]
    F32,
    /// bfloat16: the same range with 8 binary digits; faster if the processor has instructions for it.
    Bf16,
}

impl Precision {
    /// The name in specifications.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Whether a specification may omit it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
