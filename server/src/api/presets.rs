//! Ready-made studies.

use axum::Json;
use shared::study::{Preset, presets};

/// All presets, the one for newcomers first.
#[utoipa::path(get, path = "/presets", tag = "studies", responses((status = 200, body = [Preset])))]
pub async fn list_presets() -> Json<Vec<Preset>> {
    Json(presets())
}
