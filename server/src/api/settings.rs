//! The table of settings.

use axum::Json;
use shared::api::SettingInfo;

/// Every setting of a study: what it takes, why it matters, to which kinds of runs.
#[utoipa::path(get, path = "/settings", tag = "studies", responses((status = 200, body = [SettingInfo])))]
pub async fn list_settings() -> Json<Vec<SettingInfo>> {
    Json(SettingInfo::all())
}
