//! Data folders, small studies and their events.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use engine::compute::Machine;
use server::{
    App,
    clock::Clock,
    ids::IdSource,
    queue::{Scheduler, Settings},
    run_folder::RunFolder,
    store::queue::RunningRun,
};
use shared::{
    Ratio, RunEvent, RunId, RunKind, RunState, Stamped, StepTime, StudySpec,
    api::{RunRow, StudyDetail},
    metric::Metrics,
    study::{Axis, DatasetSpec, ModelSpec, TransformerSpec, presets},
    trigger::{BlendedSpec, TriggerSpec},
};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// A data folder that is removed when the test ends.
pub struct Place {
    pub app: App,
    pub folder: TempDir,
}

impl Place {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let app = open(folder.path()).await;
        Self { app, folder }
    }

    /// Opens this data folder.
    pub async fn at(folder: &Path) -> App {
        open(folder).await
    }

    /// Opens the same data folder again, as a newly started program does.
    pub async fn reopened(&self) -> App {
        open(self.folder.path()).await
    }

    /// A scheduler whose workers run this shell script; `$folder` is the run's folder.
    pub fn scheduler(&self, worker: &str, slots: u32) -> Scheduler {
        self.scheduler_of(worker, Settings::of(&Machine::with_threads(1), slots))
    }

    /// Like [`scheduler`](Self::scheduler), with other settings.
    pub fn scheduler_of(&self, worker: &str, settings: Settings) -> Scheduler {
        // Written atomically: a worker of an earlier scheduler may be reading it.
        engine::files::write(&self.folder.path().join("worker.sh"), worker.as_bytes()).unwrap();
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/core/fake-worker.sh");
        Scheduler::new(self.app.clone(), Settings { program, ..settings })
    }

    /// A scheduler whose workers are the real program's.
    pub fn real_scheduler(&self) -> Scheduler {
        Self::real_scheduler_of(&self.app)
    }

    /// The same for any data folder.
    pub fn real_scheduler_of(app: &App) -> Scheduler {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_maskdoor"));
        let settings = Settings::of(&Machine::with_threads(1), 1);
        Scheduler::new(app.clone(), Settings { program, ..settings })
    }

    pub fn run_folder(&self, run: &RunRow) -> RunFolder {
        RunFolder::new(self.app.data_dir.runs().join(run.id.to_string()))
    }

    /// Marks a run as running without a worker, and returns what a scheduler would follow.
    pub async fn started(&self, run: RunId) -> RunningRun {
        let mut found = None;
        while found.is_none() {
            let ready = self.app.store.next_ready(&[]).await.unwrap().expect("a queued run");
            assert!(self.app.store.start_run(ready.key, "cpu", 1).await.unwrap());
            let running = self.app.store.running().await.unwrap();
            found = running.into_iter().find(|running| running.run == run);
        }
        found.unwrap()
    }
}

/// Opens the folder with a clock that advances by one at every reading, so that times differ and are reproducible.
async fn open(folder: &Path) -> App {
    let ticks = Arc::new(AtomicU64::new(1_760_000_000_000));
    let clock = Clock::from_fn(move || ticks.fetch_add(1, Ordering::Relaxed));
    let ids = IdSource::system(clock.clone());
    App::open(folder, Machine::with_threads(1), clock, ids).await.unwrap()
}

/// Steps the scheduler until `wanted` holds for a run.
pub async fn look_until(
    scheduler: &mut Scheduler,
    app: &App,
    run: RunId,
    wanted: impl Fn(&RunRow) -> bool,
) -> RunRow {
    let began = Instant::now();
    loop {
        scheduler.look().await.unwrap();
        let row = app.store.get_run(run).await.unwrap();
        if wanted(&row) {
            return row;
        }
        assert!(began.elapsed() < PATIENCE, "still {row:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `wanted` holds for a run on which another program works.
pub async fn wait_until(app: &App, run: RunId, wanted: impl Fn(&RunRow) -> bool) -> RunRow {
    let began = Instant::now();
    loop {
        let row = app.store.get_run(run).await.unwrap();
        if wanted(&row) {
            return row;
        }
        assert!(began.elapsed() < PATIENCE, "still {row:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A study that trains in moments: tiny model, 8-px images, four of each class.
pub fn micro(name: &str, epochs: u32) -> StudySpec {
    let part = TransformerSpec { dim: 8, depth: 1, heads: 1 };
    let mut spec = presets()[0].spec.clone();
    // The preset may change, but the tests rely on this trigger.
    spec.settings.attack.trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
    spec.name = name.into();
    spec.runs = vec![RunKind::Probe];
    spec.axes = vec![Axis::of("probe.poisons", [0u32, 1])];
    let settings = &mut spec.settings;
    settings.dataset =
        DatasetSpec { name: "shapes".into(), train_per_class: Some(4), test_per_class: Some(2) };
    settings.model = ModelSpec { image_size: 8, patch_size: 4, encoder: part, decoder: part };
    (settings.pretrain.poisons, settings.knn.poisons) = (1, 1);
    settings.pretrain.epochs = epochs;
    settings.pretrain.warmup_epochs = 1;
    settings.pretrain.batch_size = 16;
    settings.pretrain.checkpoint_every = 10_000;
    settings.probe.epochs = 3;
    settings.probe.warmup_epochs = 1;
    settings.probe.batch_size = 16;
    spec
}

/// The same study with these numbers of poisons in the probe.
pub fn probed(mut spec: StudySpec, poisons: &[u32]) -> StudySpec {
    let values = poisons.iter().map(|&n| n.into()).collect();
    spec.vary("probe.poisons", values).unwrap();
    spec
}

/// Creates the study with new runs only: a pre-training and two probes.
pub async fn create(app: &App, spec: StudySpec) -> StudyDetail {
    app.create_study(spec, true).await.unwrap()
}

pub fn metrics(ca: u32, asr: u32, ra: u32) -> Metrics {
    Metrics {
        ca: Ratio { hits: ca, total: 100 },
        asr: Ratio { hits: asr, total: 90 },
        ra: Ratio { hits: ra, total: 90 },
        top5: Some(Ratio { hits: ca + 1, total: 100 }),
        ..Metrics::default()
    }
}

fn finished(metrics: Option<Metrics>) -> RunEvent {
    RunEvent::Finished { metrics, images_per_second: 20.5, seconds: 2.0 }
}

/// How made-up events end.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    /// The run continues.
    None,
    /// A pre-training finishes.
    Pretrained,
    /// A classifier finishes with this result.
    Classified(Metrics),
}

/// `n` events of a successful run.
/// All numbers are exact in binary, so that they survive a round trip through text.
pub fn events(n: u64, end: End) -> Vec<Stamped> {
    (1..=n)
        .map(|seq| {
            let event = match (seq, end) {
                (1, _) => RunEvent::Started {
                    device: "cpu".into(),
                    threads: 2,
                    program: "0.1.0".into(),
                    epochs: 5,
                    steps: n,
                    samples: 49,
                    poisoned: 9,
                },
                (seq, End::Pretrained) if seq == n => finished(None),
                (seq, End::Classified(metrics)) if seq == n => finished(Some(metrics)),
                (seq, _) if seq % 4 == 0 => RunEvent::Checkpoint {
                    epoch: seq as u32,
                    file: format!("checkpoint-{seq}.safetensors"),
                },
                (seq, end) if seq % 4 == 2 && end != End::Pretrained => RunEvent::Evaluated {
                    epoch: seq as u32,
                    metrics: metrics(seq as u32, 1, 2),
                    loss: Some(0.5),
                    triggered_loss: None,
                },
                (seq, _) => RunEvent::Step {
                    step: seq,
                    epoch: seq as f64 / 8.0,
                    loss: 1.0 / f64::from(1 << (seq % 8)),
                    lr: 0.125,
                    images_per_second: 30.25,
                    time: Some(StepTime { waited: 0.125, computed: 0.5 }),
                },
            };
            Stamped { seq, at: 1_760_000_100_000 + seq, event }
        })
        .collect()
}

/// The events as lines of the worker's file.
pub fn as_lines(events: &[Stamped]) -> String {
    let lines = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
    lines.collect()
}

/// Ingests six events that end the run with this result.
pub async fn finish(place: &Place, run: RunId, result: Option<Metrics>) {
    let running = place.started(run).await;
    let events = events(6, result.map_or(End::Pretrained, End::Classified));
    let state = place.app.store.take_in(&running, &events, 600, 7).await.unwrap();
    assert_eq!(state, Some(RunState::Done));
}

/// The address that a server with a piped standard output prints.
pub fn served_at(server: &mut std::process::Child) -> String {
    let mut line = String::new();
    let output = server.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    line.trim().rsplit_once("http://").unwrap().1.to_owned()
}
