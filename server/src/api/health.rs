//! Health check.

use axum::{Json, extract::State, http::StatusCode};
use shared::api::Health;
use tokio::sync::Mutex;

use super::Api;
use crate::{
    VERSION,
    app::disk::{ADVICE, low_space},
    store::StoreError,
};

/// How long an answer is given again, in milliseconds. A check writes to the disk, and anybody may ask.
const KEPT: u64 = 2000;

/// The last answer, and when it was found, in Unix milliseconds.
#[derive(Debug, Default)]
pub struct LastHealth(Mutex<Option<(u64, StatusCode, Health)>>);

/// Whether the program works: whether it can write to its data folder, and whether the disk will soon be full.
#[utoipa::path(get, path = "/health", tag = "program",
    responses((status = 200, body = Health), (status = 507, body = Health, description = "Nothing can be written"),
        (status = 503, body = Health, description = "The database was deleted, moved or replaced")))]
pub async fn get_health(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    checked(&api).await
}

/// The health, checked a moment ago or now.
pub async fn checked(api: &Api) -> (StatusCode, Json<Health>) {
    let mut last = api.health.0.lock().await;
    let now = api.app.clock.now_ms();
    if let Some((at, code, health)) = &*last
        && now.abs_diff(*at) < KEPT
    {
        return (*code, Json(health.clone()));
    }
    let (code, mut health) = described(api.app.check_writing().await);
    // Of a disk that cannot be written, the reason is known.
    if health.problem.is_none()
        && let Some(warning) = api.app.data_dir.disk_space().ok().and_then(low_space)
    {
        let known = last.as_ref().is_some_and(|(_, _, health)| health.warning.is_some());
        if !known {
            tracing::warn!("{warning}. {ADVICE}");
        }
        health = Health { warning: Some(warning), advice: Some(ADVICE.into()), ..health };
    }
    *last = Some((now, code, health.clone()));
    (code, Json(health))
}

fn described(checked: Result<(), StoreError>) -> (StatusCode, Health) {
    let health = |status: &str| Health {
        status: status.into(),
        version: VERSION.into(),
        ..Health::default()
    };
    let Err(error) = checked else { return (StatusCode::OK, health("ok")) };
    let code = match error {
        StoreError::Lost { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INSUFFICIENT_STORAGE,
    };
    let (problem, advice) = (Some(error.to_string()), error.advice().map(str::to_owned));
    (code, Health { problem, advice, ..health("cannot write") })
}
