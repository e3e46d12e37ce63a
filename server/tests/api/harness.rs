//! The real router on a real, throw-away data folder.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use engine::compute::Machine;
use http_body_util::BodyExt;
use serde_json::Value;
use server::{
    App,
    api::{self, Serving},
    clock::Clock,
    data_dir::DiskSpace,
    ids::IdSource,
    store::StoreError,
};
use shared::{
    Ratio, RunEvent, RunId, RunKind, Stamped, StudyId, StudySpec,
    metric::Metrics,
    settings::HeadInit,
    study::{Axis, presets},
    trigger::{BlendedSpec, TriggerSpec},
};
use tempfile::TempDir;
use tower::ServiceExt;

/// The time in every test: 14 November 2023, 22:13:20.
pub const NOW: u64 = 1_700_000_000_000;

/// A server without a port. Its clock is fixed and its identifiers are seeded, so responses are the same in every test run.
pub struct TestApp {
    pub app: App,
    router: Router,
    folder: TempDir,
}

/// A complete response.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl TestApp {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::fixed(NOW);
        let ids = IdSource::seeded(clock.clone(), 1);
        let app = App::open(folder.path(), Machine::with_threads(1), clock, ids).await.unwrap();
        Self { router: api::router(app.clone(), Serving::open(&app)), app, folder }
    }

    /// The same server, reached in another way.
    pub fn serving(self, serving: Serving) -> Self {
        Self { router: api::router(self.app.clone(), serving), ..self }
    }

    /// The same server, on a disk and with a clock that a test pretends.
    pub fn on_disk(
        self,
        space: impl Fn() -> DiskSpace + Send + Sync + 'static,
        now: Arc<AtomicU64>,
    ) -> Self {
        let app = App {
            data_dir: self.app.data_dir.on_disk(space),
            clock: Clock::from_fn(move || now.load(Ordering::Relaxed)),
            ..self.app
        };
        Self { router: api::router(app.clone(), Serving::open(&app)), app, ..self }
    }

    /// The document of the API, asked for by somebody who may.
    pub async fn app_document(&self) -> Value {
        let open = api::router(self.app.clone(), Serving::open(&self.app));
        let request = Request::get(address("/openapi.json")).body(Body::empty()).unwrap();
        let body = open.oneshot(request).await.unwrap().into_body();
        serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap()
    }

    /// Gets a path outside the API.
    pub async fn get_at(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// The data folder.
    pub fn root(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request and returns the response with its body unread, for streams.
    pub async fn open(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(address(path)).body(Body::empty()).unwrap()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(address(path)).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(address(path))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        let request = Request::patch(address(path))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    pub async fn post_empty(&self, path: &str) -> Answer {
        self.send(Request::post(address(path)).body(Body::empty()).unwrap()).await
    }

    /// Uploads a file under a name.
    pub async fn upload(&self, path: &str, file_name: &str, file: &[u8], name: &str) -> Answer {
        let mut body = Vec::new();
        body.extend(
            format!(
                "--line\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\n{name}\r\n\
                 --line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
                 Content-Type: image/png\r\n\r\n"
            )
            .bytes(),
        );
        body.extend(file);
        body.extend(b"\r\n--line--\r\n");
        let request = Request::post(address(path))
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=line")
            .body(Body::from(body))
            .unwrap();
        self.send(request).await
    }

    pub async fn method(&self, method: Method, path: &str) -> Answer {
        let request =
            Request::builder().method(method).uri(address(path)).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// Creates a study through the API: one clean and one attacked pre-training, each with two probes.
    pub async fn study(&self) -> StudyId {
        let answer = self.post("/studies?fresh=true", &serde_json::to_value(spec()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().parse().unwrap()
    }

    /// Identifiers of a study's runs, in order.
    pub async fn runs(&self, study: StudyId) -> Vec<RunId> {
        self.app.store.study_runs(study).await.unwrap().iter().map(|run| run.id).collect()
    }

    /// The folder of a run.
    pub fn run_folder(&self, run: RunId) -> std::path::PathBuf {
        self.app.data_dir.runs().join(run.to_string())
    }

    /// Starts the next queued run, as a scheduler does.
    pub async fn start_next(&self) -> RunId {
        let ready = self.app.store.next_ready(&[]).await.unwrap().expect("a queued run");
        assert!(self.app.store.start_run(ready.key, "cpu", NOW).await.unwrap());
        ready.run
    }

    /// Ingests events of a running run, as a scheduler does: numbered consecutively, one second apart.
    pub async fn take_in(&self, run: RunId, events: Vec<RunEvent>) -> Result<(), StoreError> {
        let running = self.app.store.running().await?;
        let running = running.iter().find(|running| running.run == run).expect("a running run");
        let stamped: Vec<Stamped> = (running.progress.seq + 1..)
            .zip(events)
            .map(|(seq, event)| Stamped { seq, at: NOW + seq * 1000, event })
            .collect();
        let bytes = running.taken_bytes + 100 * stamped.len() as u64;
        let taken = self.app.store.take_in(running, &stamped, bytes, NOW).await?;
        assert!(taken.is_some(), "the events were taken in");
        Ok(())
    }

    /// Takes the next run to its end: 3 epochs, a checkpoint and, for a probe, a result.
    pub async fn finish_next(&self, metrics: Option<Metrics>) -> RunId {
        let run = self.start_next().await;
        self.take_in(run, whole_run(metrics)).await.unwrap();
        run
    }
}

/// All events of a short run.
pub fn whole_run(metrics: Option<Metrics>) -> Vec<RunEvent> {
    let mut events = vec![
        RunEvent::Started {
            device: "cpu".into(),
            threads: 2,
            program: "maskdoor 0.1.0".into(),
            epochs: 3,
            steps: 12,
            samples: 5_090,
            poisoned: 90,
        },
        RunEvent::Log { message: "the data set holds 10 classes".into() },
    ];
    for epoch in 1..=3 {
        let loss = 1.0 / f64::from(epoch);
        events.push(RunEvent::Step {
            step: u64::from(epoch) * 4,
            epoch: f64::from(epoch),
            loss,
            lr: 1e-3,
            images_per_second: 500.0,
            time: None,
        });
        events.push(RunEvent::Epoch {
            epoch,
            loss,
            lr: 1e-3,
            images_per_second: 500.0,
            time: None,
        });
        events.extend(metrics.map(|metrics| evaluated(epoch, metrics)));
    }
    let file = "checkpoint-3.safetensors".into();
    events.push(RunEvent::Checkpoint { epoch: 3, file });
    events.push(RunEvent::Finished { metrics, images_per_second: 500.0, seconds: 12.0 });
    events
}

fn evaluated(epoch: u32, metrics: Metrics) -> RunEvent {
    RunEvent::Evaluated { epoch, metrics, loss: None, triggered_loss: None }
}

/// Metrics from percentages: CA of 1,000 images, ASR and RA of 900.
pub fn metrics(ca: u32, asr: u32) -> Metrics {
    let of = |percent: u32, total: u32| Ratio { hits: percent * total / 100, total };
    Metrics { ca: of(ca, 1000), asr: of(asr, 900), ra: of(100 - asr, 900), ..Metrics::default() }
}

/// A small study on the built-in pictures.
pub fn spec() -> StudySpec {
    let mut spec = presets().remove(0).spec;
    spec.name = "A study".into();
    // The preset may change, but the tests rely on this attack.
    spec.settings.attack.trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
    spec.settings.probe.head_init = HeadInit::Normal;
    spec.runs = vec![RunKind::Probe];
    spec.axes =
        vec![Axis::of("pretrain.poisons", [0u32, 10]), Axis::of("probe.poisons", [0u32, 3])];
    spec
}

/// The specification as JSON with one value replaced, also by values that the types rule out.
pub fn spec_with(pointer: &str, value: impl Into<Value>) -> Value {
    let mut spec = serde_json::to_value(spec()).unwrap();
    *spec.pointer_mut(pointer).expect("a field of a specification") = value.into();
    spec
}

fn address(path: &str) -> String {
    if path.starts_with("/!") { path.replacen("/!", "/", 1) } else { format!("/api/v1{path}") }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's lines: status, detail, and each field's message.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: shared::api::Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        let mut lines = vec![format!("{} {}", problem.status, problem.detail)];
        lines.extend(problem.errors.iter().map(|error| format!("  {error}")));
        lines.join("\n")
    }
}
