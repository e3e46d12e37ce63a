//! Ready-made studies.

use axum::{Json, extract::State};
use shared::{
    api::StudyPlan,
    study::{Preset, presets},
};

use super::{Api, error::ApiError, extract::Path};

/// All presets, the one for newcomers first.
#[utoipa::path(get, path = "/presets", tag = "studies", responses((status = 200, body = [Preset])))]
pub async fn list_presets() -> Json<Vec<Preset>> {
    Json(presets())
}

/// What a preset would run as it is, every run afresh.
#[utoipa::path(get, path = "/presets/{id}/plan", tag = "studies",
    params(("id" = String, Path, description = "Preset")), responses((status = 200, body = StudyPlan)))]
pub async fn get_preset_plan(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<StudyPlan>, ApiError> {
    let preset = presets().into_iter().find(|preset| preset.id == id);
    let preset = preset.ok_or_else(|| {
        ApiError::NotFound(format!("there is no preset {id:?}; GET /api/v1/presets lists them"))
    })?;
    Ok(Json(api.app.plan(preset.spec, true).await?))
}
