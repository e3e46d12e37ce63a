//! [`ApiError`]: every way in which a request can fail, the mapping to status codes, and the response body ([`Problem`]).

use std::{io, path::Path};

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use engine::files::is_full;
use shared::{FieldError, RunState, api::Problem};

use super::extract::beginning;
use crate::{
    app::{
        catalog::{NoImage, Unreadable},
        checkpoints::CheckpointError,
        datasets::DatasetError,
        evaluations::EvaluateError,
        judged::JudgedImagesError,
        predictions::PredictionsError,
        reconstructions::ReconstructError,
        results::ResultError,
        studies::{CreateError, DeleteError},
    },
    report::ReportError,
    store::StoreError,
};

/// Most errors in one response.
const MOST_ERRORS: usize = 100;
/// Most characters of a field's name in a response.
const FIELD_LENGTH: usize = 200;
/// Most characters of a field's message in a response.
const MESSAGE_LENGTH: usize = 500;
/// Most characters of the sentence that says what is wrong.
const DETAIL_LENGTH: usize = 2_000;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request cannot be read: broken JSON, a path or query parameter that is not a number where one is expected.
    #[error("{0}")]
    Malformed(FieldError),
    /// The body is invalid, and no single field is to blame.
    #[error("{0}")]
    BadBody(String),
    /// The request comes from another site's page.
    #[error("{0}")]
    Forbidden(String),
    /// Nobody known sends the request.
    #[error("{0}")]
    Unauthorized(String),
    /// The resource does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, but does not accept this method.
    #[error("{0}")]
    Method(String),
    /// The resource is in a state that does not allow the request.
    #[error("{0}")]
    Conflict(String),
    /// The body is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The body's content type is not supported here.
    #[error("{0}")]
    MediaType(String),
    /// The request can be read, but some fields are invalid. Never empty.
    #[error("{}", sentence(.0))]
    Invalid(Vec<FieldError>),
    /// Nothing can be written: the disk is full or fails.
    #[error("{0}")]
    Unwritable(String),
    /// The database is gone.
    #[error("{0}")]
    Lost(String),
    /// So much work is waiting that more would only wait, too.
    #[error("{0}")]
    Busy(String),
    /// The request names a host that this server is not.
    #[error("{0}")]
    Misdirected(String),
    /// An internal error of the program or the machine. It is logged; its text never leaves the server.
    #[error("{0}")]
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// One field is wrong.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// An internal error of the program or the machine.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// An error of a file that the server writes.
    pub fn written(path: &Path, error: io::Error) -> Self {
        if is_full(&error) {
            StoreError::Disk { path: path.to_owned(), source: error }.into()
        } else {
            Self::internal(error)
        }
    }

    /// The only mapping from errors to status codes.
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BadBody(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unwritable(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Lost(_) | Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response body.
    fn problem(&self) -> Problem {
        let status = self.status();
        let errors = match self {
            Self::Malformed(error) => std::slice::from_ref(error),
            Self::Invalid(errors) => errors,
            _ => &[],
        };
        let more = errors.len().saturating_sub(MOST_ERRORS);
        let errors: Vec<FieldError> = errors.iter().take(MOST_ERRORS).map(shortened).collect();
        let detail = match self {
            Self::Internal(_) => {
                "The server could not do this. Try again, or see its log for the reason.".into()
            }
            Self::Malformed(_) | Self::Invalid(_) if more > 0 => {
                format!("{}; and {more} more", beginning(&sentence(&errors), DETAIL_LENGTH))
            }
            Self::Malformed(_) | Self::Invalid(_) => beginning(&sentence(&errors), DETAIL_LENGTH),
            other => beginning(&other.to_string(), DETAIL_LENGTH),
        };
        Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail,
            errors,
            request: None,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::NotFound(error.to_string()),
            StoreError::IllegalState { from, to: RunState::Cancelled } => {
                Self::Conflict(format!("the run is {from}, so there is nothing to cancel"))
            }
            StoreError::IllegalState { from, to: RunState::Queued } => Self::Conflict(format!(
                "the run is {from}; only one that failed, was interrupted or cancelled can be tried again"
            )),
            StoreError::IllegalState { .. } | StoreError::Conflict(_) => {
                Self::Conflict(error.to_string())
            }
            StoreError::Unwritable(_) | StoreError::Disk { .. } => {
                tracing::error!(%error, "a request could not be written");
                Self::Unwritable(format!(
                    "{error}. Free space on its disk, or make it writable, and try again."
                ))
            }
            StoreError::Lost { .. } => {
                tracing::error!(%error, "a request could not be written");
                Self::Lost(format!("{error}. {}", error.advice().unwrap_or_default()))
            }
            other => Self::internal(other),
        }
    }
}

impl From<DatasetError> for ApiError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Field(error) => Self::Invalid(vec![error]),
            DatasetError::Folder { .. } => Self::field("path", error.to_string()),
            DatasetError::Unknown { .. } => Self::NotFound(error.to_string()),
            DatasetError::Store(error) => error.into(),
            DatasetError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<CheckpointError> for ApiError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Field(error) => Self::Invalid(vec![error]),
            CheckpointError::Refused(error) => Self::field("path", error.to_string()),
            CheckpointError::Missing(_) => Self::NotFound(error.to_string()),
            CheckpointError::Store(error) => error.into(),
            CheckpointError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<EvaluateError> for ApiError {
    fn from(error: EvaluateError) -> Self {
        match error {
            EvaluateError::Field(error) => Self::Invalid(vec![error]),
            EvaluateError::Refused(error) => Self::field("checkpoint", error.to_string()),
            EvaluateError::Checkpoint(error) => error.into(),
            EvaluateError::Dataset(error) => error.into(),
            EvaluateError::Store(error) => error.into(),
            EvaluateError::Images(_) => Self::Conflict(error.to_string()),
            EvaluateError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<Unreadable> for ApiError {
    fn from(error: Unreadable) -> Self {
        Self::Conflict(error.to_string())
    }
}

impl From<NoImage> for ApiError {
    fn from(error: NoImage) -> Self {
        Self::NotFound(error.to_string())
    }
}

impl From<ReconstructError> for ApiError {
    fn from(error: ReconstructError) -> Self {
        match error {
            ReconstructError::Field(error) => Self::Invalid(vec![error]),
            ReconstructError::NoImage(error) => error.into(),
            ReconstructError::Conflict(_) => Self::Conflict(error.to_string()),
            ReconstructError::Images(error) => error.into(),
            ReconstructError::Checkpoint(error) => error.into(),
            ReconstructError::Dataset(error) => error.into(),
            ReconstructError::Store(error) => error.into(),
            ReconstructError::Engine(_)
            | ReconstructError::File { .. }
            | ReconstructError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<JudgedImagesError> for ApiError {
    fn from(error: JudgedImagesError) -> Self {
        match error {
            JudgedImagesError::Missing(_) => Self::NotFound(error.to_string()),
            JudgedImagesError::Conflict(_) => Self::Conflict(error.to_string()),
            JudgedImagesError::Images(error) => error.into(),
            JudgedImagesError::Store(error) => error.into(),
            JudgedImagesError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<PredictionsError> for ApiError {
    fn from(error: PredictionsError) -> Self {
        match error {
            PredictionsError::Missing(_) => Self::NotFound(error.to_string()),
            PredictionsError::Store(error) => error.into(),
            PredictionsError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<ResultError> for ApiError {
    fn from(error: ResultError) -> Self {
        match error {
            ResultError::Field(error) => Self::Invalid(vec![error]),
            ResultError::Store(error) => error.into(),
            ResultError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::Predictions(error) => error.into(),
            ReportError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(errors) => Self::Invalid(errors),
            CreateError::Dataset(error) => error.into(),
            CreateError::Store(error) => error.into(),
        }
    }
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::Store(error) => error.into(),
            DeleteError::Files(_) => Self::internal(error),
        }
    }
}

/// The error, with a name and a message of limited length: they may repeat what the request sent.
fn shortened(error: &FieldError) -> FieldError {
    let FieldError { field, message } = error;
    FieldError::new(beginning(field, FIELD_LENGTH), beginning(message, MESSAGE_LENGTH))
}

/// All errors on one line.
fn sentence(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(error = %chain(error.as_ref()), "a request failed");
        }
        let problem = self.problem();
        let mut response = (self.status(), axum::Json(&problem)).into_response();
        if problem.status >= 500 {
            // The request's identifier is added to it.
            response.extensions_mut().insert(problem);
        }
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

/// An error followed by its chain of causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_keeps_its_text_to_itself() {
        let error = ApiError::internal(std::io::Error::other("/secret/place is full"));
        let problem = error.problem();
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("secret"), "{}", problem.detail);
    }

    #[test]
    fn many_and_long_errors_make_a_short_answer() {
        let errors = (0..5_000).map(|i| FieldError::new(format!("axes.{i}"), "é".repeat(9_000)));
        let problem = ApiError::Invalid(errors.collect()).problem();
        assert_eq!(problem.errors.len(), MOST_ERRORS);
        assert!(problem.errors[0].message.ends_with("é…"), "{}", problem.errors[0].message);
        assert!(problem.detail.ends_with("…; and 4900 more"), "{}", problem.detail);
        let length = serde_json::to_string(&problem).unwrap().len();
        assert!(length < 110_000, "{length} bytes");
        let name = "x".repeat(1 << 20);
        let problem = ApiError::NotFound(format!("there is no data set {name}")).problem();
        assert_eq!(problem.detail.chars().count(), DETAIL_LENGTH + 1);
    }

    #[test]
    fn wrong_fields_stand_one_by_one_and_in_a_sentence() {
        let problem = ApiError::Invalid(vec![
            FieldError::new("name", "give the study a name"),
            FieldError::new("axes.seed", "names 1 twice"),
        ])
        .problem();
        assert_eq!(problem.status, 422);
        assert_eq!(problem.errors.len(), 2);
        assert_eq!(problem.detail, "name: give the study a name; axes.seed: names 1 twice");
    }
}
