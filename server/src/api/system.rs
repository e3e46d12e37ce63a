//! The machine and the program.

use std::path::PathBuf;

use axum::{Json, extract::State};
use shared::api::{DeviceList, SystemInfo};

use super::{Api, blocking, error::ApiError};
use crate::app::devices;

/// Maximum number of running jobs, and of queued ones, in the response.
const MOST_JOBS: u32 = 200;

/// Whether the program answers and can read its database: 200, or an error.
pub async fn get_ready(State(api): State<Api>) -> Result<&'static str, ApiError> {
    api.app.store.look_for_news().await?;
    Ok("ready\n")
}

/// Devices, jobs, disk and version.
#[utoipa::path(get, path = "/system", tag = "program", responses((status = 200, body = SystemInfo)))]
pub async fn get_system(State(api): State<Api>) -> Result<Json<SystemInfo>, ApiError> {
    let jobs = api.app.queue.with_waits(api.app.store.jobs(MOST_JOBS).await?);
    let schedules = api.app.queue.schedules();
    let paused = api.app.store.is_queue_paused().await?;
    let devices = api.app.paced_devices().await?;
    let app = api.app.clone();
    let info = blocking(move || {
        let data_dir = &app.data_dir;
        let free_bytes = data_dir.disk_space().map_err(ApiError::internal)?.free;
        let length = |file: &PathBuf| std::fs::metadata(file).map_or(0, |file| file.len());
        let store_bytes = data_dir.store_files().iter().map(length).sum();
        Ok(SystemInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            data_dir: data_dir.root().display().to_string(),
            devices,
            cluster: app.queue.cluster(),
            store_bytes,
            free_bytes,
            jobs,
            schedules,
            paused,
        })
    })
    .await?;
    Ok(Json(info))
}

/// The devices with what runs on them now, and NVIDIA's libraries.
#[utoipa::path(get, path = "/devices", tag = "program", responses((status = 200, body = DeviceList)))]
pub async fn list_devices(State(api): State<Api>) -> Result<Json<DeviceList>, ApiError> {
    let app = api.app.clone();
    let offered = app.paced_devices().await?;
    let list = blocking(move || Ok(devices::list(offered, &app.machine, &app.gauges)));
    Ok(Json(list.await?))
}
