//! Studies as HTML files.

use axum::{
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use shared::StudyId;

use super::{Api, error::ApiError, extract::Path};
use crate::report::report;

/// The same as in the file itself.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:";

/// A study as one HTML file that opens without a server: the answer, notes, figures, the trigger, results, settings, manifests.
#[utoipa::path(get, path = "/studies/{id}/report", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, description = "The file", content_type = "text/html", body = String)))]
pub async fn get_report(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Response, ApiError> {
    let page = report(&api.app, &api.kept, study).await?;
    let disposition = format!("attachment; filename=\"maskdoor-report-{study}.html\"");
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_DISPOSITION, &disposition),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, page).into_response())
}
