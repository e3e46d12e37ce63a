//! The table of settings.

use axum::Json;
use shared::api::SettingInfo;

/// Every setting of a study: the values it takes, why it matters, and which kinds of runs it affects.
#[utoipa::path(get, path = "/settings", tag = "studies", responses((status = 200, body = [SettingInfo])))]
pub async fn list_settings() -> Json<Vec<SettingInfo>> {
    Json(SettingInfo::all())
}
