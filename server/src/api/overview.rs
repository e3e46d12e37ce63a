//! What every page shows around its content.

use axum::{Extension, Json, extract::State};
use shared::{
    RunState,
    api::{Newest, Overview, Running},
};

use super::{Api, gate::Known, health, me};
use crate::store::{
    StoreError,
    runs::{RunFilter, RunQuery},
};

/// Number of running runs whose progress counts.
const MOST: u32 = 20;

/// Who asks, whether the program works, what runs, and the newest result. It answers as long as the program does, also when nothing can be stored.
#[utoipa::path(get, path = "/overview", tag = "program", responses((status = 200, body = Overview)))]
pub async fn get_overview(
    State(api): State<Api>,
    Extension(known): Extension<Known>,
) -> Json<Overview> {
    let (_, Json(health)) = health::checked(&api).await;
    let device = api.app.offered_devices().into_iter().next();
    Json(Overview {
        me: me::of(known),
        health,
        device: device.map(|device| device.description),
        running: running(&api).await.ok(),
        newest: newest(&api).await.ok().flatten(),
    })
}

/// The result that came last.
async fn newest(api: &Api) -> Result<Option<Newest>, StoreError> {
    let run = api.app.store.newest_result().await?;
    Ok(run.and_then(|run| {
        Some(Newest {
            run: run.id,
            label: run.label(),
            study: run.study,
            metrics: run.metrics?,
            ended_at: run.ended_at?,
            study_name: run.study_name,
        })
    }))
}

async fn running(api: &Api) -> Result<Running, StoreError> {
    let query = RunQuery {
        filter: RunFilter { state: Some(RunState::Running), ..RunFilter::default() },
        limit: MOST,
        ..RunQuery::default()
    };
    let page = api.app.store.list_runs(&query).await?;
    let sum: f64 = page.items.iter().map(|run| run.progress.fraction()).sum();
    let fraction = if page.items.is_empty() { 0.0 } else { sum / page.items.len() as f64 };
    Ok(Running { count: page.total, fraction })
}
