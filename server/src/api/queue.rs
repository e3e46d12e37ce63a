//! The queue: its order, and what of it does not start.

use axum::{Json, extract::State};
use shared::{
    RunId,
    api::{QueueInfo, QueueMove, QueueTime, RunRow},
};

use super::{
    Api,
    error::ApiError,
    extract::{Json as Body, Path},
    runs::get_run,
};

/// The runs that wait, in order.
#[utoipa::path(get, path = "/queue", tag = "studies", responses((status = 200, body = QueueInfo)))]
pub async fn get_queue(State(api): State<Api>) -> Result<Json<QueueInfo>, ApiError> {
    Ok(Json(api.app.store.queue_info().await?))
}

/// How long the running and queued runs will take. Nothing (`null`) where a cluster decides when they start.
#[utoipa::path(get, path = "/queue/time", tag = "studies", responses((status = 200, body = Option<QueueTime>)))]
pub async fn get_queue_time(State(api): State<Api>) -> Result<Json<Option<QueueTime>>, ApiError> {
    Ok(Json(api.app.time_left().await?))
}

/// Moves a run that waits, or all of a study that wait, right before another one, or to the end. The runs that they need come along
/// where they would come later, and those that need them where they would come earlier. What a cluster has been given cannot be
/// moved.
#[utoipa::path(post, path = "/queue/move", tag = "studies", request_body = QueueMove,
    responses((status = 200, body = QueueInfo)))]
pub async fn move_queued(
    State(api): State<Api>,
    Body(wanted): Body<QueueMove>,
) -> Result<Json<QueueInfo>, ApiError> {
    if wanted.run.is_some() == wanted.study.is_some() {
        return Err(ApiError::field("run", "name either a run or a study"));
    }
    api.app.store.move_queued(&wanted, api.app.clock.now_ms()).await?;
    changed(api).await
}

/// Pauses the queue: nothing that waits starts until it is resumed, also after a restart. What runs goes on, and so does what a cluster
/// has been given.
#[utoipa::path(post, path = "/queue/pause", tag = "studies", responses((status = 200, body = QueueInfo)))]
pub async fn pause_queue(State(api): State<Api>) -> Result<Json<QueueInfo>, ApiError> {
    api.app.store.pause_queue(true, api.app.clock.now_ms()).await?;
    changed(api).await
}

/// Resumes the queue.
#[utoipa::path(post, path = "/queue/resume", tag = "studies", responses((status = 200, body = QueueInfo)))]
pub async fn resume_queue(State(api): State<Api>) -> Result<Json<QueueInfo>, ApiError> {
    api.app.store.pause_queue(false, api.app.clock.now_ms()).await?;
    changed(api).await
}

/// Holds a run that waits: the others start before it, until it is released. What needs it waits for it.
#[utoipa::path(post, path = "/runs/{id}/hold", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn hold_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    api.app.store.hold_run(run, true, api.app.clock.now_ms()).await?;
    api.app.queue.wake();
    get_run(State(api), Path(run)).await
}

/// Releases a run that is held.
#[utoipa::path(post, path = "/runs/{id}/release", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = RunRow)))]
pub async fn release_run(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<RunRow>, ApiError> {
    api.app.store.hold_run(run, false, api.app.clock.now_ms()).await?;
    api.app.queue.wake();
    get_run(State(api), Path(run)).await
}

/// Wakes the scheduler, and tells what the queue is now.
async fn changed(api: Api) -> Result<Json<QueueInfo>, ApiError> {
    api.app.queue.wake();
    get_queue(State(api)).await
}
