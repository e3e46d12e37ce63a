//! A data folder with everything that a request can name: studies of every kind of run, finished and not, an added data set, a key
//! image, an imported checkpoint. It is made once, and copied for each server.

use std::{
    cell::LazyCell,
    collections::VecDeque,
    fs,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use engine::{compute::Machine, decode::encode_png, files::LAST_CHECKPOINT};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use server::{
    App,
    access::Roots,
    api::{self, Serving},
    clock::Clock,
    ids::IdSource,
};
use shared::{
    Rgb8, RunKind, RunOrder, Stamped, StudySpec,
    dataset::DataSource,
    settings::ImplantMethod,
    study::{Axis, TransformerSpec, presets},
    trigger::{BlendedSpec, TriggerSpec},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;
use tracing_subscriber::filter::LevelFilter;

use super::document::Document;
use crate::draw::Draw;

/// The time at which the data folder is made: 14 November 2023.
const NOW: u64 = 1_700_000_000_000;
/// The time at which its copies are opened: names that were given before are not given again.
const LATER: u64 = NOW + 86_400_000;
/// Inputs that a server answers.
const INPUTS: u64 = 2_000;
/// Studies that a server may get: each is up to 2,000 runs, and lists become long.
const STUDIES: usize = 60;
/// The key image of every trigger.
const KEY: &str = "stripes";

/// A server, and what can be named in requests to it.
pub struct World {
    pub router: Router,
    pub document: Rc<Document>,
    pub runtime: Rc<Runtime>,
    /// Studies that are right.
    pub specs: Vec<Value>,
    /// The last requests.
    pub sent: VecDeque<String>,
    studies: Vec<String>,
    runs: Vec<String>,
    paths: Vec<String>,
    inputs: u64,
    _folder: TempDir,
}

/// The data folder that is copied, with the files beside it that requests may name.
struct Template {
    folder: TempDir,
    runtime: Rc<Runtime>,
    document: Rc<Document>,
}

impl World {
    /// A new server on a copy of the data folder.
    pub fn new() -> Self {
        thread_local!(static TEMPLATE: LazyCell<Template> = LazyCell::new(Template::new));
        TEMPLATE.with(|template| {
            let folder = tempfile::tempdir().expect("a temporary folder");
            copy(template.folder.path(), folder.path());
            let runtime = template.runtime.clone();
            let (router, app) = runtime.block_on(opened(folder.path(), LATER));
            let known = runtime.block_on(async {
                let studies = get(&router, "/api/v1/studies?limit=1000").await;
                let runs = get(&router, "/api/v1/runs?limit=1000").await;
                (ids(&studies["items"]), ids(&runs["items"]))
            });
            drop(app);
            let path = |name: &str| folder.path().join(name).display().to_string();
            let paths =
                ["images", "data", "none", "", "images/train/a/0.png", "weights.safetensors"];
            Self {
                router,
                document: template.document.clone(),
                runtime,
                specs: specs(),
                sent: VecDeque::new(),
                studies: known.0,
                runs: known.1,
                paths: paths.map(path).into(),
                inputs: 0,
                _folder: folder,
            }
        })
    }

    /// Whether another server is to take its place.
    pub fn is_old(&mut self) -> bool {
        self.inputs += 1;
        self.inputs > INPUTS || self.studies.len() > STUDIES
    }

    /// Notes what an answer says was made.
    pub fn learn(&mut self, made: &Value) {
        if let Some(id) = made["id"].as_str() {
            self.studies.push(id.to_owned());
        }
    }

    /// The last requests, one a line.
    pub fn listed(&self) -> String {
        self.sent.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// A run.
    pub fn run(&self, draw: &mut Draw<'_>) -> String {
        self.runs[draw.below(self.runs.len())].clone()
    }

    /// A file or folder that may be read.
    pub fn path(&self, draw: &mut Draw<'_>) -> String {
        self.paths[draw.below(self.paths.len())].clone()
    }

    /// A value for the variable of a path below the part `before`.
    pub fn named(&self, before: &str, name: &str, draw: &mut Draw<'_>) -> Option<String> {
        let words: &[&str] = match (before, name) {
            _ if draw.once_in(16) => return None,
            ("studies", _) => return Some(self.studies[draw.below(self.studies.len())].clone()),
            ("runs", _) => return Some(self.run(draw)),
            ("datasets", _) => &["shapes", "photos", "photos@2"],
            ("imported", _) => &["mae", "none"],
            ("keys", _) => &[KEY, "checkerboard", "none"],
            (_, "split") => &["train", "test"],
            ("figures", _) => {
                &["accuracy.svg", "asr-by-poison.png", "curve.csv", "plot.svg", "tradeoff.pdf"]
            }
            (_, "file") => &["0.png", "1.png", "99.png"],
            _ => return None,
        };
        Some(draw.of(words).to_owned())
    }

    /// A value for a parameter that names a study or a run.
    pub fn known(&self, name: &str, draw: &mut Draw<'_>) -> Option<String> {
        match name {
            "study" | "studies" | "run" | "runs" if !draw.once_in(8) => {
                let all = if name.starts_with("study") || name == "studies" {
                    &self.studies
                } else {
                    &self.runs
                };
                Some(all[draw.below(all.len())].clone())
            }
            _ => None,
        }
    }
}

impl Template {
    fn new() -> Self {
        // Why the server failed stands in its log alone.
        let log = tracing_subscriber::fmt().with_max_level(LevelFilter::ERROR);
        let _ = log.with_writer(std::io::stderr).try_init();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a temporary folder");
        for split in ["train", "val"] {
            for class in ["a", "b"] {
                let images = folder.path().join("images").join(split).join(class);
                fs::create_dir_all(&images).expect("a folder");
                for at in 0..2 {
                    let image = encode_png(&Rgb8::filled(8, 8, [at, 99, 7]));
                    fs::write(images.join(format!("{at}.png")), image).expect("a file");
                }
            }
        }
        let document = runtime.block_on(filled(folder.path()));
        Self { folder, runtime: Rc::new(runtime), document: Rc::new(Document::new(&document)) }
    }
}

/// The server of the data folder in a folder.
async fn opened(folder: &Path, from: u64) -> (Router, App) {
    let time = Arc::new(AtomicU64::new(from));
    let clock = Clock::from_fn(move || time.fetch_add(1, Ordering::Relaxed));
    let ids = IdSource::seeded(clock.clone(), 1);
    let machine = Machine::with_threads(1);
    let app = App::open(&folder.join("data"), machine, clock, ids).await.expect("a data folder");
    let roots = Roots::only(&[folder.to_owned()]).expect("a folder");
    (api::router(app.clone(), Serving { roots, ..Serving::open(&app) }), app)
}

/// Makes the data folder, and returns the document of the API.
async fn filled(folder: &Path) -> Value {
    let (router, app) = opened(folder, NOW).await;
    let images = json!({ "name": "photos", "path": folder.join("images").display().to_string() });
    post(&router, "/api/v1/datasets", &images).await;
    post(&router, "/api/v1/studies", &serde_json::to_value(micro()).expect("text keys")).await;
    while train_next(&app).await {}
    let trained = app.store.stored_runs().await.expect("a database");
    let encoder = trained.iter().map(|run| app.data_dir.folder(&run.folder).join(LAST_CHECKPOINT));
    let encoder = encoder.into_iter().find(|path| path.exists()).expect("a checkpoint");
    let weights = folder.join("weights.safetensors");
    fs::copy(encoder, &weights).expect("a file");
    let import = json!({ "name": "mae", "path": weights.display().to_string() });
    post(&router, "/api/v1/checkpoints/imported", &import).await;
    // A study that waits in the queue.
    let waiting =
        serde_json::to_value(StudySpec { name: "waits".into(), ..presets().remove(0).spec });
    post(&router, "/api/v1/studies", &waiting.expect("text keys")).await;
    let document = get(&router, "/api/v1/openapi.json").await;
    app.store.close().await;
    document
}

/// Trains the next run of the queue here, as a worker does; `false` if there is none.
async fn train_next(app: &App) -> bool {
    let Some(ready) = app.store.next_ready(&[]).await.expect("a database") else { return false };
    assert!(app.store.start_run(ready.key, "cpu", NOW).await.expect("a database"));
    let order = RunOrder {
        run: ready.run,
        kind: ready.kind,
        digest: ready.digest,
        settings: ready.settings,
        source: DataSource::Builtin,
        encoder: ready.start.map(|it| app.data_dir.folder(&it).display().to_string()),
        restorer: ready.restorer.map(|it| app.data_dir.folder(&it).display().to_string()),
        program: "0.1.0".into(),
    };
    let place = app.data_dir.folder(&ready.folder);
    fs::create_dir_all(&place).expect("a folder");
    fs::write(place.join("run.json"), serde_json::to_vec(&order).expect("text keys"))
        .expect("a file");
    let key = engine::keys::builtin(KEY).expect("a key image").file;
    fs::write(place.join("key.png"), key).expect("a file");
    let mut events = Vec::new();
    let machine = Machine::with_threads(1);
    engine::run::run(&order, &place, None, &[], &machine, &mut (), &mut |event| {
        let seq = events.len() as u64 + 1;
        events.push(Stamped { seq, at: NOW + seq, event });
        Ok(())
    })
    .expect("a run that finishes");
    let running = app.store.running().await.expect("a database");
    let running = running.iter().find(|it| it.run == ready.run).expect("a running run");
    app.store.take_in(running, &events, 1, NOW).await.expect("a database");
    true
}

/// A study of tiny models with a run of each kind.
fn micro() -> StudySpec {
    let mut spec = presets().remove(0).spec;
    spec.name = "micro".into();
    spec.runs = RunKind::ALL.to_vec();
    spec.axes = vec![Axis::of("pretrain.poisons", [0u32, 1])];
    let settings = &mut spec.settings;
    settings.attack.trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, KEY));
    settings.dataset.train_per_class = Some(4);
    settings.dataset.test_per_class = Some(2);
    settings.knn.poisons = 0;
    settings.probe.poisons = 1;
    settings.finetune.poisons = 1;
    settings.model.patch_size = 8;
    settings.model.encoder = TransformerSpec { dim: 16, depth: 1, heads: 2 };
    settings.model.decoder = TransformerSpec { dim: 16, depth: 1, heads: 2 };
    settings.pretrain.epochs = 1;
    settings.pretrain.warmup_epochs = 0;
    settings.pretrain.batch_size = 20;
    settings.implant.method = ImplantMethod::BadEncoder;
    settings.implant.epochs = 1;
    settings.probe.epochs = 1;
    settings.probe.warmup_epochs = 0;
    settings.finetune.epochs = 1;
    settings.finetune.warmup_epochs = 0;
    settings.finetune.batch_size = 20;
    spec
}

/// Studies that are right, of few runs: the first preset, and the tiny one with other seeds.
fn specs() -> Vec<Value> {
    let seeds = StudySpec { axes: vec![Axis::of("seed", 1..=3u32)], ..micro() };
    let all = [micro(), seeds, presets().remove(0).spec];
    all.iter().map(|spec| serde_json::to_value(spec).expect("text keys")).collect()
}

async fn post(router: &Router, path: &str, body: &Value) {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(body.to_string())).expect("a request");
    let Ok(response) = router.clone().oneshot(request).await;
    let (status, body) = (response.status(), response.into_body().collect().await);
    let body = body.expect("an answer").to_bytes();
    assert_eq!(status, StatusCode::CREATED, "{path}: {}", String::from_utf8_lossy(&body));
}

async fn get(router: &Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let Ok(response) = router.clone().oneshot(request).await;
    let body = response.into_body().collect().await.expect("an answer").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

fn ids(items: &Value) -> Vec<String> {
    let items = items.as_array().into_iter().flatten();
    items.filter_map(|item| item["id"].as_str()).map(str::to_owned).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir_all(&to).expect("a folder");
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("a file");
        }
    }
}
