//! Repeats a finished run from the data stored with it, and reports differences.
//!
//! The repeated run is an ordinary worker on a temporary folder beside the data folder. Of the first run it uses only the
//! manifest, the key image and the checkpoints of the encoder and the restorer that it had; cached features are computed again.

mod compare;
mod device;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::Duration,
};

use engine::{
    eval::ScoresError,
    files::{KEY, LAST_CHECKPOINT, MANIFEST, kept_checkpoints},
};
use serde::Deserialize;
use shared::{Progress, RunId, RunKind, RunOrder, RunState, Stamped, run::DataSource};
use tempfile::TempDir;

use crate::{
    app::{App, datasets::found_again},
    queue::executor::local::{self, last_words},
    run_folder::{EventFileError, RunFolder},
    store::StoreError,
};

pub use self::compare::Comparison;

/// Interval between polls for new events.
const LOOK: Duration = Duration::from_millis(100);

/// A run cannot be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It did not finish, so there is nothing to compare.
    #[error("the run is {0}; only a finished run can be repeated")]
    NotDone(RunState),
    /// A file of it is missing or cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// What it kept of its defence is damaged or cannot be read.
    #[error(transparent)]
    Said(#[from] ScoresError),
    /// Checkpoints that it needs were removed.
    #[error("{0}")]
    Removed(String),
    /// Its events.
    #[error(transparent)]
    Events(#[from] EventFileError),
    /// Its checkpoint.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    /// The repeated run did not finish.
    #[error("the repeated run failed: {0}")]
    Failed(String),
}

/// The fields of a manifest that are read.
#[derive(Debug, Deserialize)]
struct Manifest {
    order: RunOrder,
    key_sha256: Option<String>,
    dataset_fingerprint: String,
    program: String,
    /// `None` for manifests written before this field existed.
    #[serde(default)]
    bits: Option<String>,
    /// The names of its devices, separated by commas.
    #[serde(default = "processor")]
    device: String,
}

fn processor() -> String {
    "cpu".into()
}

/// The data of a run that is compared.
#[derive(Debug)]
struct Left {
    manifest: Manifest,
    events: Vec<Stamped>,
    folder: PathBuf,
}

impl Left {
    fn read(folder: &RunFolder) -> Result<Self, ReplayError> {
        let path = folder.path().join(MANIFEST);
        let manifest = fs::read(&path).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let manifest = manifest.map_err(|source| ReplayError::File { path, source })?;
        let mut events = Vec::new();
        let mut from = 0;
        loop {
            let lines = folder.read_events(from, events.len() as u64)?;
            if lines.events.is_empty() {
                return Ok(Self { manifest, events, folder: folder.path().to_owned() });
            }
            from = lines.to_bytes;
            events.extend(lines.events);
        }
    }
}

/// A worker that is killed when this value is dropped.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It is no error if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Repeats a run and compares both; `told` receives the progress.
///
/// # Errors
/// When there is no such finished run, its files are incomplete, or the repeated run fails.
pub async fn replay(
    app: &App,
    run: RunId,
    mut told: impl FnMut(&Progress),
) -> Result<Comparison, ReplayError> {
    let row = app.store.get_run(run).await?;
    if row.state != RunState::Done {
        return Err(ReplayError::NotDone(row.state));
    }
    if let Some(tidied) = row.tidied.filter(|tidied| !tidied.kept_last) {
        let text =
            format!("the run's checkpoint was {tidied}, so there is nothing to compare with");
        return Err(ReplayError::Removed(text));
    }
    // Nearest neighbours are asked on every checkpoint.
    let needs_all = row.point.kind == RunKind::Knn;
    let encoder = needed(app, row.parent, needs_all, "that the run starts from").await?;
    let restorer = needed(app, row.restorer, false, "of the run's restorer").await?;
    let first =
        Left::read(&RunFolder::new(app.data_dir.folder(&app.store.run_folder(run).await?)))?;
    let place = temporary(app.data_dir.root())?;
    let now = app.source_of(&first.manifest.order.settings.dataset.name).await;
    let source = found_again(first.manifest.order.source.clone(), now);
    let folder = prepare(&first, source, (encoder.as_deref(), restorer.as_deref()), place.path())?;

    let file = |source| ReplayError::File { path: folder.path().to_owned(), source };
    let lock = local::lock(&folder)
        .map_err(file)?
        .ok_or_else(|| file(io::ErrorKind::WouldBlock.into()))?;
    let program = local::own_program();
    let (resources, elsewhere) = match device::like(&app.machine, &first.manifest.device) {
        Ok(resources) => (Some(resources), None),
        Err(why) => (None, Some(why)),
    };
    let spawned = local::spawn(&program, &folder, lock, resources.as_ref());
    let mut worker = Worker(spawned.map_err(file)?);
    let (mut progress, mut from) = (Progress::default(), 0);
    loop {
        // Query this before reading, so that everything written before the end is seen.
        let ended: Option<ExitStatus> = worker.0.try_wait().map_err(file)?;
        let lines = folder.read_events(from, progress.seq)?;
        lines.events.iter().for_each(|stamped| progress.apply(stamped));
        from = lines.to_bytes;
        told(&progress);
        match ended {
            _ if !lines.events.is_empty() => {}
            Some(_) if progress.finished => break,
            Some(status) => {
                let words = progress.error.unwrap_or_else(|| last_words(Some(status), &folder));
                return Err(ReplayError::Failed(words));
            }
            None => tokio::time::sleep(LOOK).await,
        }
    }
    let comparison = compare::compare(&first, &Left::read(&folder)?)?;
    Ok(Comparison { elsewhere, ..comparison })
}

/// The folder of a run that the repeated one needs, where it needs one; `what` tells which checkpoints it has.
async fn needed(
    app: &App,
    run: Option<RunId>,
    needs_all: bool,
    what: &str,
) -> Result<Option<PathBuf>, ReplayError> {
    let Some(run) = run else { return Ok(None) };
    let tidied = app.store.get_run(run).await?.tidied;
    if let Some(tidied) = tidied.filter(|tidied| needs_all || !tidied.kept_last) {
        return Err(ReplayError::Removed(format!("the checkpoints {what} were {tidied}")));
    }
    Ok(Some(app.data_dir.folder(&app.store.run_folder(run).await?)))
}

/// A folder beside the data folder, or inside it if nothing can be written beside it.
fn temporary(root: &Path) -> Result<TempDir, ReplayError> {
    let make = |place: &Path| tempfile::Builder::new().prefix("maskdoor-replay-").tempdir_in(place);
    let beside = root.parent().map_or_else(|| Err(io::ErrorKind::NotFound.into()), make);
    let made = beside.or_else(|_| make(root));
    made.map_err(|source| ReplayError::File { path: root.to_owned(), source })
}

/// The repeated run's folder, with the first run's order on these images, its key image, and the checkpoints that it needs in folders beside it:
/// the last one of its encoder, or every one for nearest neighbours, and the last one of its restorer.
fn prepare(
    first: &Left,
    source: DataSource,
    (encoder, restorer): (Option<&Path>, Option<&Path>),
    place: &Path,
) -> Result<RunFolder, ReplayError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| ReplayError::File { path, source }
    };
    let mut order = RunOrder { source, ..first.manifest.order.clone() };
    let copied = |from: &Path, to: &str, needs_all: bool| -> Result<String, ReplayError> {
        let copy = place.join(to);
        fs::create_dir(&copy).map_err(file(&copy))?;
        let mut names = vec![LAST_CHECKPOINT.into()];
        if needs_all {
            names.extend(kept_checkpoints(from).map_err(file(from))?);
        }
        for name in names {
            let checkpoint = from.join(&name);
            fs::copy(&checkpoint, copy.join(&name)).map_err(file(&checkpoint))?;
        }
        Ok(copy.display().to_string())
    };
    if let Some(encoder) = encoder {
        order.encoder = Some(copied(encoder, "encoder", order.kind == RunKind::Knn)?);
    }
    if let Some(restorer) = restorer {
        order.restorer = Some(copied(restorer, "restorer", false)?);
    }
    let key = first.folder.join(KEY);
    let key = match fs::read(&key) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other.map_err(file(&key))?),
    };
    let folder = RunFolder::new(place.join("run"));
    folder.prepare(&order, key.as_deref(), 1).map_err(file(folder.path()))?;
    Ok(folder)
}
