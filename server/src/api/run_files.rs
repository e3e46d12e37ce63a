//! The files in a run's folder: log, manifest, poison plan and list, evaluation.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path as FilePath, PathBuf},
};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use engine::files::{EVALUATION, INVERTED, MANIFEST, OUTPUT, POISON_LIST, POISON_PLAN};
use serde::Deserialize;
use shared::{
    PoisonPlan, RunEvent, RunId, Stamped,
    metric::{Evaluation, Metrics},
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    error::ApiError,
    extract::{Path, Query},
    files::read_json,
    pixels::png_unless_known,
};

/// Kinds of events that appear in the log.
const LINES: [&str; 7] = ["started", "log", "evaluated", "knn", "checkpoint", "finished", "failed"];
/// Maximum number of these events to read.
const MOST_LINES: u32 = 100_000;
/// Bytes to read from the end of the worker's output.
const OUTPUT_BYTES: u64 = 256 << 10;

/// How much of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Number of lines from the end; defaults to 200.
    tail: Option<usize>,
}

/// A run's log: its events, then its worker's output.
#[utoipa::path(get, path = "/runs/{id}/log", tag = "studies",
    params(("id" = RunId, Path, description = "Run"), LogQuery),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn get_log(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    Query(query): Query<LogQuery>,
) -> Result<Response, ApiError> {
    let folder = run_folder(&api, run).await?;
    let kinds = LINES.map(str::to_owned);
    let events = api.app.store.run_events(run, 0, MOST_LINES, &kinds).await?;
    let output =
        blocking(move || read_end(&folder.join(OUTPUT), OUTPUT_BYTES).map_err(ApiError::internal))
            .await?;
    let text = last_lines(&log(&events, &output), query.tail.unwrap_or(200));
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Everything needed to repeat a run, as its worker recorded it.
#[utoipa::path(get, path = "/runs/{id}/manifest", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = Object)))]
pub async fn get_manifest(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let folder = run_folder(&api, run).await?;
    Ok(Json(blocking(move || read_json(&folder.join(MANIFEST))).await?))
}

/// The images that a run poisons.
#[utoipa::path(get, path = "/runs/{id}/poison", tag = "studies", params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, body = PoisonPlan)))]
pub async fn get_poison(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<PoisonPlan>, ApiError> {
    let folder = run_folder(&api, run).await?;
    Ok(Json(blocking(move || read_json(&folder.join(POISON_PLAN))).await?))
}

/// The last evaluation of a classifier: its metrics, and the confusion matrices of clean and triggered images.
#[utoipa::path(get, path = "/runs/{id}/evaluation", tag = "studies",
    params(("id" = RunId, Path, description = "Run")), responses((status = 200, body = Evaluation)))]
pub async fn get_evaluation(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Json<Evaluation>, ApiError> {
    let folder = run_folder(&api, run).await?;
    Ok(Json(blocking(move || read_json(&folder.join(EVALUATION))).await?))
}

/// The names of the images that a run poisons, one per line: a poison list for another study.
#[utoipa::path(get, path = "/runs/{id}/poisons.txt", tag = "studies",
    params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn get_poison_list(
    State(api): State<Api>,
    Path(run): Path<RunId>,
) -> Result<Response, ApiError> {
    let folder = run_folder(&api, run).await?;
    let text = blocking(move || match std::fs::read(folder.join(POISON_LIST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ApiError::NotFound("the run has stored no poison list (yet)".into()))
        }
        other => other.map_err(ApiError::internal),
    })
    .await?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// The smallest trigger that a defence found in an encoder, as a PNG file: its mask, and beside it the trigger on black.
#[utoipa::path(get, path = "/runs/{id}/inverted.png", tag = "studies",
    params(("id" = RunId, Path, description = "Run")),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_inverted(
    State(api): State<Api>,
    Path(run): Path<RunId>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let folder = run_folder(&api, run).await?;
    let file = blocking(move || match std::fs::read(folder.join(INVERTED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ApiError::NotFound("the run has found no trigger".into()))
        }
        other => other.map_err(ApiError::internal),
    })
    .await?;
    Ok(png_unless_known(&headers, file))
}

async fn run_folder(api: &Api, run: RunId) -> Result<PathBuf, ApiError> {
    Ok(api.app.data_dir.folder(&api.app.store.run_folder(run).await?))
}

/// The last `bytes` of a file as text; empty if it does not exist.
fn read_end(path: &FilePath, bytes: u64) -> io::Result<String> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let from = file.metadata()?.len().saturating_sub(bytes);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// One line for each event, with the seconds since the first, then the worker's output.
fn log(events: &[Stamped], output: &str) -> String {
    let first = events.first().map_or(0, |event| event.at);
    let lines = events.iter().map(|stamped| {
        let seconds = stamped.at.saturating_sub(first) as f64 / 1000.0;
        format!("{seconds:9.1} s  {}\n", line(&stamped.event))
    });
    lines.collect::<Vec<_>>().concat() + output
}

fn line(event: &RunEvent) -> String {
    match event {
        RunEvent::Started { device, threads, program, epochs, steps, samples, poisoned } => {
            format!(
                "started by {program} on {device} with {threads} threads: {epochs} epochs of {samples} images, \
             {poisoned} of them poisoned, {steps} steps"
            )
        }
        RunEvent::Log { message } => message.clone(),
        RunEvent::Evaluated { epoch, metrics, .. } => {
            format!("epoch {epoch}: {}", shares(metrics))
        }
        RunEvent::Knn { epoch, metrics } => {
            format!("epoch {epoch}: nearest neighbours have {}", shares(metrics))
        }
        RunEvent::Judged { epoch, judgement } => {
            format!("epoch {epoch}: {}", judgement.in_words())
        }
        RunEvent::Checkpoint { epoch, file } => format!("epoch {epoch}: wrote {file}"),
        RunEvent::Finished { images_per_second, seconds, .. } => {
            format!("finished after {seconds:.1} s, {images_per_second:.0} images/s")
        }
        RunEvent::Failed { message } => format!("failed: {message}"),
        other => other.kind().to_owned(),
    }
}

/// `CA 61.0 %, ASR 2.0 %, RA 59.1 %`.
fn shares(metrics: &Metrics) -> String {
    let percent = |ratio: shared::Ratio| {
        ratio.percent().map_or_else(|| "-".into(), |percent| format!("{percent:.1} %"))
    };
    let [ca, asr, ra] = [metrics.ca, metrics.asr, metrics.ra].map(percent);
    format!("CA {ca}, ASR {asr}, RA {ra}")
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut end = lines[lines.len().saturating_sub(count)..].join("\n");
    if !end.is_empty() {
        end.push('\n');
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_tells_events_with_their_time_and_the_output_behind_them() {
        let at = |seq, at, event| Stamped { seq, at, event };
        let events = [
            at(1, 1_000, RunEvent::Log { message: "drawing".into() }),
            at(
                2,
                3_500,
                RunEvent::Checkpoint { epoch: 10, file: "checkpoint-10.safetensors".into() },
            ),
        ];
        let text = log(&events, "warning: slow disk\n");
        assert_eq!(
            text,
            "      0.0 s  drawing\n      2.5 s  epoch 10: wrote checkpoint-10.safetensors\nwarning: slow disk\n"
        );
        assert_eq!(last_lines(&text, 1), "warning: slow disk\n");
        assert_eq!(last_lines(&text, 100), text);
        assert_eq!(last_lines("", 5), "");
    }

    #[test]
    fn the_end_of_a_long_file_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.log");
        assert_eq!(read_end(&path, 4).unwrap(), "");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read_end(&path, 4).unwrap(), "6789");
        assert_eq!(read_end(&path, 40).unwrap(), "0123456789");
    }
}
