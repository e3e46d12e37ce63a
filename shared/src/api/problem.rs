//! Errors and parts of long lists.

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// An error, as RFC 9457 (`application/problem+json`) has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Kind of problem, such as `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The problem in a few words.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong and what would be right.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// A part of a long list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this part.
    pub items: Vec<T>,
    /// Number of all items.
    pub total: u64,
    /// Place of the first item of this part.
    pub offset: u64,
}
