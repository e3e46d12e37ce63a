//! Checkpoints that can be opened.

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{StudyId, api::CheckpointInfo};
use utoipa::IntoParams;

use super::{Api, blocking, error::ApiError, extract::Query};

/// Maximum number of checkpoints in one response.
const MOST: u32 = 2_000;

/// Whose checkpoints.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CheckpointsQuery {
    /// Only this study's.
    #[param(value_type = Option<String>)]
    study: Option<StudyId>,
}

/// Checkpoints whose files exist, newest first.
#[utoipa::path(get, path = "/checkpoints", tag = "results", params(CheckpointsQuery),
    responses((status = 200, body = [CheckpointInfo])))]
pub async fn list_checkpoints(
    State(api): State<Api>,
    Query(query): Query<CheckpointsQuery>,
) -> Result<Json<Vec<CheckpointInfo>>, ApiError> {
    let written = api.app.store.checkpoints(query.study, MOST).await?;
    let data_dir = api.app.data_dir.clone();
    let there = blocking(move || {
        let sized = written.into_iter().filter_map(|checkpoint| {
            let folder = data_dir.folder(&checkpoint.folder);
            let file = std::fs::metadata(folder.join(&checkpoint.file)).ok()?;
            Some(CheckpointInfo {
                run: checkpoint.run,
                study: checkpoint.study,
                study_name: checkpoint.study_name,
                point: checkpoint.point,
                varied: checkpoint.varied,
                state: checkpoint.state,
                file: checkpoint.file,
                epoch: checkpoint.epoch,
                bytes: file.len(),
                created_at: checkpoint.created_at,
            })
        });
        Ok(sized.collect())
    })
    .await?;
    Ok(Json(there))
}
