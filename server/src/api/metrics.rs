//! `/metrics`, as Prometheus reads them.

use std::fmt::Write as _;

use axum::{
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
};
use shared::RunState;

use super::{Api, error::ApiError, health};
use crate::VERSION;

/// The program's numbers in Prometheus' text format.
pub async fn get_metrics(State(api): State<Api>) -> Result<impl IntoResponse, ApiError> {
    let counts = api.app.store.count_runs().await?;
    let space = api.app.data_dir.disk_space().map_err(ApiError::internal)?;
    let mut text = String::new();
    let mut metric = |name: &str, help: &str, rows: &[(String, f64)]| {
        let _ = writeln!(text, "# HELP maskdoor_{name} {help}\n# TYPE maskdoor_{name} gauge");
        for (labels, value) in rows {
            let _ = writeln!(text, "maskdoor_{name}{labels} {value}");
        }
    };
    let one = |value: f64| [(String::new(), value)];
    metric("info", "The program.", &[(format!("{{version=\"{VERSION}\"}}"), 1.0)]);
    let runs: Vec<(String, f64)> = RunState::ALL
        .into_iter()
        .map(|state| {
            let count = counts.iter().find(|(of, _)| *of == state).map_or(0, |(_, count)| *count);
            (format!("{{state=\"{}\"}}", state.as_str()), count as f64)
        })
        .collect();
    metric("runs", "Runs by state.", &runs);
    metric("disk_free_bytes", "Free space of the data folder.", &one(space.free as f64));
    metric("disk_total_bytes", "Size of the data folder's disk.", &one(space.size as f64));
    metric(
        "disk_low",
        "Whether less than a tenth of the disk is free, and less than 20 GB.",
        &one(f64::from(u8::from(space.is_low()))),
    );
    metric(
        "last_event",
        "Number of the last event; it grows while runs report.",
        &one(*api.app.store.news().borrow() as f64),
    );
    let (code, _) = health::checked(&api).await;
    metric(
        "writable",
        "Whether the data folder can be written.",
        &one(f64::from(u8::from(code == StatusCode::OK))),
    );
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
}
