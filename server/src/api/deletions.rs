//! Deleted studies that can still be restored.

use axum::{Json, extract::State, http::StatusCode};
use shared::{
    StudyId,
    api::{Deletion, StudyDetail},
};

use super::{Api, error::ApiError, extract::Path, studies::get_study};

/// The deleted studies that can be restored, the latest first.
#[utoipa::path(get, path = "/deletions", tag = "studies", responses((status = 200, body = [Deletion])))]
pub async fn list_deletions(State(api): State<Api>) -> Result<Json<Vec<Deletion>>, ApiError> {
    Ok(Json(api.app.store.deletions().await?))
}

/// Restores a deleted study with its runs.
#[utoipa::path(post, path = "/deletions/{id}/undo", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 200, body = StudyDetail)))]
pub async fn undo_deletion(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<Json<StudyDetail>, ApiError> {
    api.app.store.restore_study(study, api.app.clock.now_ms()).await?;
    api.disk.forget();
    get_study(State(api), Path(study)).await
}

/// Ends a deletion now: the study cannot be restored any more, and its files are removed.
#[utoipa::path(delete, path = "/deletions/{id}", tag = "studies", params(("id" = StudyId, Path, description = "Study")),
    responses((status = 204, description = "The files were removed")))]
pub async fn end_deletion(
    State(api): State<Api>,
    Path(study): Path<StudyId>,
) -> Result<StatusCode, ApiError> {
    let ended = api.app.end_deletion(study).await;
    api.disk.forget();
    ended?;
    Ok(StatusCode::NO_CONTENT)
}
