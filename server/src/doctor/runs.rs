//! Takes in runs whose folders exist but which the database does not have.
//!
//! A run's folder has its order (settings, digest, images), and its events, from which the database gets progress, results and state.
//! It does not say which study the run belonged to, so the runs become one study, *recovered*.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use engine::files::{MANIFEST, earlier_events};
use serde::Deserialize;
use shared::{
    DeviceWish, Progress, RunId, RunKind, RunOrder, RunState, StudySpec, param::Value, study::Node,
};

use super::MendError;
use crate::{
    app::App,
    queue::{
        executor::{local, slurm},
        ingest,
    },
    run_folder::RunFolder,
    store::{
        check::FoundRun,
        studies::{NewRun, NewStudy, Role},
    },
};

/// Name of the study of such runs.
const STUDY: &str = "recovered";

/// A run that a folder holds.
#[derive(Clone, Debug)]
pub struct FolderRun {
    /// The folder.
    pub folder: PathBuf,
    /// The run's order.
    pub order: RunOrder,
    /// What its events say.
    pub progress: Progress,
}

/// The field of a manifest that is read.
#[derive(Deserialize)]
struct Manifest {
    classes: Vec<String>,
}

impl FolderRun {
    /// Reads the order and the events of a folder. An event file that is damaged counts up to the damage.
    ///
    /// # Errors
    /// In words, when there is no valid order.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let files = RunFolder::new(folder);
        let order = files.order().map_err(|error| error.to_string())?;
        let (mut progress, mut from) = (Progress::default(), 0);
        while let Ok(lines) = files.read_events(from, progress.seq) {
            if lines.events.is_empty() {
                break;
            }
            lines.events.iter().for_each(|stamped| progress.apply(stamped));
            from = lines.to_bytes;
        }
        Ok(Self { folder: folder.to_owned(), order, progress })
    }

    /// How the run ended, or that it did not.
    pub fn ending(&self) -> RunState {
        match &self.progress {
            progress if progress.finished => RunState::Done,
            progress if progress.error.is_some() => RunState::Failed,
            progress if progress.seq == 0 => RunState::Cancelled,
            _ => RunState::Interrupted,
        }
    }

    /// The runs that it needs, by the names of their folders.
    fn inputs(&self) -> Vec<(RunId, Role)> {
        let RunOrder { encoder, restorer, .. } = &self.order;
        let named = |(folder, role): (&Option<String>, Role)| {
            let run = Path::new(folder.as_deref()?).file_name()?.to_str()?.parse().ok()?;
            Some((run, role))
        };
        [(encoder, Role::Start), (restorer, Role::Restorer)].into_iter().filter_map(named).collect()
    }

    fn node(&self) -> Node {
        let RunOrder { kind, digest, settings, .. } = &self.order;
        let (kind, digest, settings) = (*kind, digest.clone(), settings.clone());
        let (inputs, restorer, device) = (Vec::new(), None, DeviceWish::default());
        Node { kind, settings, digest, inputs, restorer, device }
    }
}

/// Takes runs in as one study, with their events.
///
/// # Errors
/// When the store fails. A scheduler then takes in the missing events.
pub(super) async fn take_in(app: &App, mut runs: Vec<FolderRun>) -> Result<(), MendError> {
    // Identifiers sort by the time of creation.
    runs.sort_by_key(|run| run.order.run);
    let Some(first) = runs.first() else { return Ok(()) };
    let manifest = |run: &FolderRun| {
        let text = fs::read(run.folder.join(MANIFEST)).ok()?;
        serde_json::from_slice::<Manifest>(&text).ok()
    };
    let manifest = runs.iter().find_map(manifest);
    let nodes: Vec<Node> = runs.iter().map(FolderRun::node).collect();
    let varied = varied(&nodes);
    let found: Vec<FoundRun> = runs
        .iter()
        .zip(varied)
        .map(|(run, varied)| {
            let earlier = earlier_events(&run.folder).unwrap_or_default();
            let last = earlier.first().map_or(0, |(attempt, _)| *attempt);
            let started = run.progress.seq > 0;
            let progress = &run.progress;
            FoundRun {
                folder: app.data_dir.below(&run.folder),
                attempt: last + 1,
                // One that failed before it started has the time of its failure only.
                started_at: started
                    .then(|| progress.started_at.or(progress.updated_at).unwrap_or_default()),
                inputs: run.inputs(),
                varied,
            }
        })
        .collect();
    let study = NewStudy {
        id: app.ids.study(),
        created_at: app.clock.now_ms(),
        classes: manifest.map(|manifest| manifest.classes).unwrap_or_default(),
        spec: spec(first, &runs),
        runs: runs
            .iter()
            .zip(nodes)
            .map(|(run, node)| NewRun { id: run.order.run, node })
            .collect(),
        fresh: true,
    };
    app.store.take_in_study(&study, &found).await?;

    for mut running in app.store.running().await? {
        let Some(run) = runs.iter().find(|run| run.order.run == running.run) else { continue };
        let folder = RunFolder::new(&run.folder);
        let ended = run.progress.updated_at.unwrap_or_default();
        // The next scheduler follows it.
        if local::is_alive(&folder).unwrap_or(false)
            || slurm::has(&app.data_dir.slurm(), folder.path())
        {
            continue;
        }
        let why = "its worker had ended when it was taken in again from its folder";
        ingest::take_in_rest(&app.store, &folder, &mut running, why, ended).await?;
    }
    Ok(())
}

/// The specification of the study: the settings of its first run, and the kinds of all of them. The axes of the studies that the runs
/// belonged to are not known.
fn spec(first: &FolderRun, runs: &[FolderRun]) -> StudySpec {
    let mut kinds: Vec<RunKind> = runs.iter().map(|run| run.order.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    StudySpec {
        name: STUDY.into(),
        tags: Vec::new(),
        settings: first.order.settings.clone(),
        runs: kinds,
        axes: Vec::new(),
    }
}

/// The settings of each run in which the runs differ.
fn varied(nodes: &[Node]) -> Vec<BTreeMap<String, Value>> {
    let all: Vec<BTreeMap<String, Value>> = nodes.iter().map(Node::described).collect();
    let mut values: BTreeMap<&String, Vec<&Value>> = BTreeMap::new();
    for (path, value) in all.iter().flatten() {
        let known = values.entry(path).or_default();
        if !known.contains(&value) {
            known.push(value);
        }
    }
    let differs = |path: &String| values.get(path).is_some_and(|known| known.len() > 1);
    let of_run = |run: &BTreeMap<String, Value>| {
        run.iter()
            .filter(|(path, _)| differs(path))
            .map(|(path, value)| (path.clone(), value.clone()))
            .collect()
    };
    all.iter().map(of_run).collect()
}
