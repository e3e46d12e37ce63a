//! Why a defence cannot judge.

use crate::EngineError;

/// Why a defence cannot judge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefenceError {
    /// A number of an image is not finite.
    #[error(
        "the {what} of image {image} are not finite, so that no defence can judge it: was the model trained to its end?"
    )]
    NotFinite {
        /// What was computed of the image.
        what: &'static str,
        /// The image, counted from 0.
        image: usize,
    },
    /// There are too few images.
    #[error("{method} needs at least {wanted} {of}, not {got}")]
    TooFew {
        /// The method.
        method: &'static str,
        /// What there is too little of.
        of: &'static str,
        /// The least number.
        wanted: usize,
        /// What was given.
        got: usize,
    },
}

impl From<DefenceError> for EngineError {
    fn from(error: DefenceError) -> Self {
        Self::Order(error.to_string())
    }
}
