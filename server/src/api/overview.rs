//! What every page shows around its content.

use axum::{Extension, Json, extract::State};
use shared::{
    RunKind, RunState,
    api::{Newest, Overview, Running},
};

use super::{Api, gate::Known, health, me};
use crate::store::{
    StoreError,
    runs::{RunFilter, RunQuery},
};

/// Number of runs that are looked at: of the running ones for their progress, of the finished ones for the newest result.
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

/// The probe or fine-tuning that finished last, of the newest finished runs.
async fn newest(api: &Api) -> Result<Option<Newest>, StoreError> {
    let query = RunQuery {
        filter: RunFilter { state: Some(RunState::Done), ..RunFilter::default() },
        descending: true,
        limit: MOST,
        ..RunQuery::default()
    };
    let page = api.app.store.list_runs(&query).await?;
    // Of several that ended together, the one that was made last.
    let classifiers = page.items.into_iter().rev().filter(|run| run.point.kind != RunKind::Knn);
    let results = classifiers.filter_map(|run| {
        Some(Newest {
            run: run.id,
            label: run.label(),
            study: run.study,
            metrics: run.metrics?,
            ended_at: run.ended_at?,
            study_name: run.study_name,
        })
    });
    Ok(results.max_by_key(|result| result.ended_at))
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
