//! Health check.

use axum::{Json, extract::State, http::StatusCode};
use shared::api::Health;
use tokio::sync::Mutex;

use super::Api;
use crate::VERSION;

/// How long an answer is given again, in milliseconds. A check writes to the disk, and anybody may ask.
const KEPT: u64 = 2000;

/// The last answer, and when it was found, in Unix milliseconds.
#[derive(Debug, Default)]
pub struct LastHealth(Mutex<Option<(u64, Option<String>)>>);

/// Whether the program works: whether it can write to its data folder.
#[utoipa::path(get, path = "/health", tag = "program",
    responses((status = 200, body = Health), (status = 507, body = Health, description = "Nothing can be written")))]
pub async fn get_health(State(api): State<Api>) -> (StatusCode, Json<Health>) {
    let mut last = api.health.0.lock().await;
    let now = api.app.clock.now_ms();
    let problem = match &*last {
        Some((at, problem)) if now.abs_diff(*at) < KEPT => problem.clone(),
        _ => {
            let checked = api.app.check_writing().await;
            let problem = checked.err().map(|error| error.to_string());
            *last = Some((now, problem.clone()));
            problem
        }
    };
    let (code, status) = match problem {
        None => (StatusCode::OK, "ok"),
        Some(_) => (StatusCode::INSUFFICIENT_STORAGE, "cannot write"),
    };
    (code, Json(Health { status: status.into(), version: VERSION.into(), problem }))
}
