//! The numbers that matrix products multiply.

use serde::{Deserialize, Serialize};

/// The numbers that the linear layers of encoder and decoder multiply. Sums, parameters, norms, attention and the optimiser are
/// single precision in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Single precision: 24 binary digits.
    #[default]
    F32,
    /// bfloat16: as large a range with 8 binary digits; faster where the processor has instructions for it.
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

    /// Whether a specification may leave it out.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
