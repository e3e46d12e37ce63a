//! What takes up the disk.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, extract::State};
use serde::Deserialize;
use shared::{
    StudyId,
    api::{DiskUse, StudyDisk},
};
use tokio::sync::Mutex;
use utoipa::IntoParams;

use super::{Api, error::ApiError, extract::Query};
use crate::app::{App, disk::with_space};

/// How long a count is given again, in milliseconds.
const KEPT: u64 = 60_000;
/// How many times as long as it took a count is given again at least: a slow disk has other things to do.
const SHARE: u64 = 10;
/// Number of studies in the answer, unless the request says how many.
const LISTED: usize = 100;

/// The last count. There is one count at a time, beside the other slow work; whoever asks meanwhile waits for it.
#[derive(Debug, Default)]
pub struct LastCount {
    last: Arc<Mutex<Option<Count>>>,
    /// Whether files were removed since it began.
    is_old: AtomicBool,
}

#[derive(Clone, Debug)]
struct Count {
    /// The studies, largest first.
    studies: Arc<[StudyDisk]>,
    /// Everything else.
    used: DiskUse,
    /// Until when it is given again, in Unix milliseconds.
    until: u64,
}

impl LastCount {
    /// The next answer needs a new count: files were removed.
    pub fn forget(&self) {
        self.is_old.store(true, Ordering::Relaxed);
    }

    /// The last count, or a new one.
    async fn get(&self, app: &App) -> Result<Count, ApiError> {
        let mut last = self.last.clone().lock_owned().await;
        let is_old = self.is_old.swap(false, Ordering::Relaxed);
        if let Some(count) = &*last
            && !is_old
            && app.clock.now_ms() < count.until
        {
            return Ok(count.clone());
        }
        let app = app.clone();
        // A count that its request does not wait for goes on, and keeps others from beginning one beside it.
        let counted = tokio::spawn(async move {
            let mut used = app.disk_use().await?;
            let studies = std::mem::take(&mut used.studies).into();
            let now = app.clock.now_ms();
            let took = now.saturating_sub(used.counted_at);
            let count = Count { studies, used, until: now + KEPT.max(SHARE * took) };
            *last = Some(count.clone());
            Ok(count)
        });
        counted.await.map_err(ApiError::internal)?
    }
}

/// Which studies.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DiskQuery {
    /// Only this study.
    #[param(value_type = Option<String>)]
    study: Option<StudyId>,
    /// Maximum number of studies to list, largest first; defaults to 100.
    limit: Option<u32>,
}

/// What takes up the disk: studies by size, and the rest of the data folder. Files are counted about once a minute.
#[utoipa::path(get, path = "/disk", tag = "program", params(DiskQuery), responses((status = 200, body = DiskUse)))]
pub async fn get_disk(
    State(api): State<Api>,
    Query(query): Query<DiskQuery>,
) -> Result<Json<DiskUse>, ApiError> {
    let Count { studies, used, .. } = api.disk.get(&api.app).await?;
    let space = api.app.data_dir.disk_space().map_err(ApiError::internal)?;
    let limit = query.limit.map_or(LISTED, |limit| limit as usize);
    let wanted = studies.iter().filter(|of| query.study.is_none_or(|study| of.study == study));
    let studies = wanted.take(limit).cloned().collect();
    let used = DiskUse { studies, retention: api.retention, ..used };
    Ok(Json(with_space(used, space)))
}
