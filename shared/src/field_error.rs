//! [`FieldError`]: what is wrong with one field of a request, and how to correct it.

use serde::{Deserialize, Serialize};

/// What is wrong with one field, and how to correct it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path of the field, such as `attack.trigger.ratio`.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl FieldError {
    /// An error of the field at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}
