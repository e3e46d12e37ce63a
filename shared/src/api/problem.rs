//! Errors and pages of long lists.

use serde::{Deserialize, Serialize};

use crate::field_error::FieldError;

/// An error in the format of RFC 9457 (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Kind of problem, such as `about:blank`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short description of the problem.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong and how to correct it.
    pub detail: String,
    /// The fields that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Identifier of the request, by which the server's log tells the reason. Only for errors of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// A page of a long list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Total number of items.
    pub total: u64,
    /// Index of the first item of this page.
    pub offset: u64,
}
