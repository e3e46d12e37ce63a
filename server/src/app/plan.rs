//! What a study would run: its graph, which of its runs the data folder already has, and what the rest costs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use engine::{
    data::{DataError, Index},
    keys,
};
use shared::{
    DeviceKind, DeviceWish, Digest, FieldError, RunKind, RunState, Settings, StudySpec,
    api::{DatasetInfo, DeviceInfo, ImportedCheckpoint, PlannedRun, StudyPlan},
    param::Value,
    run::{DataSource, RunPoint},
    settings::AttackSpec,
    study::{Content, Graph, Images, Node, Speed, run_cost, run_memory},
};

use super::{
    datasets::DatasetError,
    gpu_space::GpuNeeds,
    keys::{check_key, key_file},
    placement::unmet,
    space::{Needs, Space},
    studies::CreateError,
};
use crate::{
    app::{App, keys::sha256},
    data_dir::DataDir,
    store::{
        StoreError,
        studies::{KnownRun, varied},
    },
};

/// A valid study with everything that its names refer to.
pub(super) struct Prepared {
    pub spec: StudySpec,
    pub graph: Graph,
    pub datasets: Vec<DatasetInfo>,
}

/// Replaces the name of an imported checkpoint by its original spelling wherever the study has it.
fn spell(spec: &mut StudySpec, name: &str, original: &str) {
    let Settings { encoder, defence, .. } = &mut spec.settings;
    for named in [encoder, &mut defence.restorer_checkpoint].into_iter().flatten() {
        if named == name {
            original.clone_into(named);
        }
    }
    for axis in &mut spec.axes {
        let is_name: Vec<bool> =
            axis.paths.iter().map(|path| IMPORTS.contains(&path.as_str())).collect();
        for step in &mut axis.values {
            for (value, _) in step.iter_mut().zip(&is_name).filter(|(_, is_name)| **is_name) {
                if *value == Value::Text(name.to_owned()) {
                    *value = Value::Text(original.to_owned());
                }
            }
        }
    }
}

/// The settings that name an imported checkpoint.
const IMPORTS: [&str; 2] = ["encoder", "defence.restorer_checkpoint"];

/// Whether a finished run's folder still holds what other runs start from.
pub(crate) fn is_whole(data_dir: &DataDir, kind: RunKind, folder: &str) -> bool {
    let folder = data_dir.folder(folder);
    let checkpoint = engine::files::LAST_CHECKPOINT;
    folder.join(engine::files::MANIFEST).exists()
        && (!kind.makes_encoder() || folder.join(checkpoint).exists())
}

impl App {
    /// What a study would run, without starting it. With `fresh`, no existing run is reused.
    ///
    /// # Errors
    /// When the specification is invalid (with every wrong field), or the store fails.
    pub async fn plan(&self, spec: StudySpec, fresh: bool) -> Result<StudyPlan, CreateError> {
        let prepared = self.prepare(spec).await?;
        Ok(self.planned(&prepared, fresh).await?)
    }

    /// What a valid study would run, and whether this machine can run it.
    pub(super) async fn planned(
        &self,
        Prepared { spec, graph, datasets }: &Prepared,
        fresh: bool,
    ) -> Result<StudyPlan, StoreError> {
        let digests: Vec<Digest> = if fresh {
            Vec::new()
        } else {
            graph.nodes.iter().map(|node| node.digest.clone()).collect()
        };
        let mut known = self.store.known_runs(&digests).await?;
        known.retain(|_, known| {
            known.run.state != RunState::Done
                || !known.is_tidied && is_whole(&self.data_dir, known.kind, &known.folder)
        });
        let threads = self.threads();
        let devices = self.paced_devices().await?;
        let image_memory = self.machine.image_memory();
        let mut needs = Needs::default();
        let mut gpus = GpuNeeds::default();
        let mut plan = StudyPlan { is_paced: true, ..StudyPlan::default() };
        let mut probed = HashSet::new();
        for node in &graph.nodes {
            let settings = &node.settings;
            let dataset = datasets.iter().find(|known| known.name == settings.dataset.name);
            let missing = DatasetInfo::default();
            let dataset = dataset.unwrap_or(&missing);
            let first = settings.trains_probe(node.kind) && probed.insert(node.encoder());
            let speed = speed(node.device, &devices).unwrap_or_else(|| Speed::of_threads(threads));
            let cost = run_cost(node.kind, settings, dataset, &speed, first);
            let memory = run_memory(node.kind, settings, dataset, threads, image_memory);
            let described = node.described();
            let images = settings.dataset.train_images(&dataset.train_counts);
            let run = PlannedRun {
                kind: node.kind,
                digest: node.digest.clone(),
                point: RunPoint::of(node.kind, settings),
                varied: varied(spec, &described),
                settings: described,
                inputs: node.inputs.iter().map(|&at| graph.nodes[at].digest.clone()).collect(),
                restorer: node.restorer.map(|at| graph.nodes[at].digest.clone()),
                reused: known.get(&node.digest).map(|known| known.run.clone()),
                poisoned: settings.attack.poisoned_images(&images, settings.poisons(node.kind)),
                seconds: cost.seconds,
                bytes: cost.bytes,
                memory: memory.total(),
            };
            if run.is_to_run() {
                plan.seconds += cost.seconds;
                plan.bytes += cost.bytes;
                plan.is_paced &= speed.pace.factor(node.kind, settings.precision).is_some();
                needs.add(node.kind, settings, cost, memory);
                gpus.add(node.kind, settings, dataset.classes.len(), node.device);
            }
            plan.runs.push(run);
        }
        plan.memory = needs.memory();
        // A cluster refuses a job that asks for more than its nodes have.
        let in_cluster =
            self.queue.devices().iter().any(|device| device.kind == DeviceKind::Cluster);
        let space = Space {
            memory: if in_cluster { 0 } else { self.machine.memory() },
            disk: self.data_dir.disk_space().ok().map(|space| space.free),
        };
        plan.refused = needs.refused(space);
        plan.refused.extend(self.refused_devices(graph, &known));
        plan.refused.extend(self.refused_precisions(graph, &known));
        let (gpu_memory, refused) = gpus.weigh(&self.offered_devices());
        plan.gpu_memory = gpu_memory.map(|bytes| bytes as f64);
        plan.refused.extend(refused);
        Ok(plan)
    }

    /// The devices that runs to be started ask for and that the queue does not have.
    fn refused_devices(
        &self,
        graph: &Graph,
        known: &BTreeMap<Digest, KnownRun>,
    ) -> Vec<FieldError> {
        let wishes: BTreeSet<DeviceWish> = to_start(graph, known).map(|node| node.device).collect();
        if wishes.iter().all(DeviceWish::is_default) {
            return Vec::new();
        }
        let devices = self.offered_devices();
        let unmet = wishes.into_iter().filter_map(|wish| unmet(wish, &devices));
        unmet.map(|message| FieldError::new("device", message)).collect()
    }

    /// The precisions of runs to be started that only a GPU computes in, where they would get none.
    fn refused_precisions(
        &self,
        graph: &Graph,
        known: &BTreeMap<Digest, KnownRun>,
    ) -> Vec<FieldError> {
        let devices = self.offered_devices();
        let gets_gpu = |wish: DeviceWish| {
            devices.iter().any(|device| {
                // What a cluster's nodes have is not known here.
                let is_able = device.kind != DeviceKind::Cpu && device.refusal.is_none();
                is_able && wish.takes(&device.name, device.kind)
            })
        };
        let alone = to_start(graph, known).filter(|node| !gets_gpu(node.device));
        let refused = alone.filter_map(|node| node.settings.precision.on_processor().err());
        let refused: BTreeSet<String> = refused.collect();
        refused.into_iter().map(|message| FieldError::new("precision", message)).collect()
    }

    /// Checks a study, and looks up everything that its names refer to.
    pub(super) async fn prepare(&self, mut spec: StudySpec) -> Result<Prepared, CreateError> {
        spec.name = spec.name.trim().to_owned();
        let datasets = self.list_datasets().await.map_err(CreateError::Dataset)?;
        let mut errors = spec.validate_with(&datasets);
        if errors.is_empty() && spec.settings.attack.poisons.is_some() {
            // With all skipped files, because a list may name them.
            let info = self.get_dataset(&spec.settings.dataset.name).await;
            let info = info.map_err(CreateError::Dataset)?;
            errors = check_poisons(&spec, self.source(&info)).await?;
        }
        let points =
            if errors.is_empty() { spec.points() } else { Ok(vec![spec.settings.clone()]) };
        let points = points.map_err(CreateError::Invalid)?;
        let mut content = Content::default();
        let keys: BTreeSet<&str> =
            points.iter().filter_map(|point| point.attack.trigger.key()).collect();
        let uploaded = points.iter().find_map(|point| uploaded_further(&point.attack));
        add_first(&mut errors, uploaded.into_iter());
        let further = points.iter().flat_map(|point| &point.attack.further);
        for key in further.filter_map(|backdoor| keys::builtin(backdoor.trigger.key()?)) {
            content.keys.insert(key.id.to_owned(), sha256(key.file));
        }
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            if let Some(error) = check_key(&self.data_dir, key) {
                errors.push(error);
                continue;
            }
            let file = key_file(&self.data_dir, key)
                .map_err(|error| CreateError::Dataset(DatasetError::Internal(error.to_string())))?;
            content.keys.insert(key.to_owned(), sha256(&file));
        }
        let mut imports: BTreeMap<String, ImportedCheckpoint> = BTreeMap::new();
        let named: Vec<(&Settings, Import<'_>)> =
            points.iter().flat_map(|point| Import::of(point).map(move |it| (point, it))).collect();
        for (point, import) in named {
            let name = import.name;
            if let Some(checkpoint) = imports.get(name) {
                add_first(&mut errors, import.unfit(point, checkpoint, &spec.runs));
                continue;
            }
            if content.checkpoints.contains_key(name) {
                continue;
            }
            match self.store.get_import(name).await {
                Ok(checkpoint) => {
                    add_first(&mut errors, import.unfit(point, &checkpoint, &spec.runs));
                    content.checkpoints.insert(name.clone(), checkpoint.sha256.clone());
                    // Its folder has the name in its original spelling.
                    content.checkpoints.insert(checkpoint.name.clone(), checkpoint.sha256.clone());
                    spell(&mut spec, name, &checkpoint.name);
                    imports.insert(name.clone(), checkpoint);
                }
                Err(missing @ StoreError::NotFound { .. }) => {
                    errors.push(FieldError::new(import.field, missing.to_string()));
                    content.checkpoints.insert(name.clone(), String::new());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !errors.is_empty() {
            return Err(CreateError::Invalid(errors));
        }
        content.datasets = images(&datasets);
        let graph = Graph::of(&spec, &content).map_err(CreateError::Invalid)?;
        Ok(Prepared { spec, graph, datasets })
    }
}

/// The error of a further backdoor whose key image was uploaded: a run's folder holds one key image, the main trigger's.
fn uploaded_further(attack: &AttackSpec) -> Option<FieldError> {
    attack.further.iter().enumerate().find_map(|(i, backdoor)| {
        let key = backdoor.trigger.key().filter(|key| keys::builtin(key).is_none())?;
        let known: Vec<_> = keys::BUILTIN.iter().map(|key| key.id).collect();
        let message = format!(
            "takes one of the key images {}, not {key:?}: only the main trigger's can be an uploaded one",
            known.join(", ")
        );
        Some(FieldError::new(format!("attack.further[{i}].trigger.key"), message))
    })
}

/// An imported checkpoint that a point names.
struct Import<'a> {
    /// The setting.
    field: &'static str,
    name: &'a String,
}

impl<'a> Import<'a> {
    /// Those of a point: the encoder that is judged, and the restorer of a defence.
    fn of(point: &'a Settings) -> impl Iterator<Item = Self> {
        let restorer = point.defence.restorer_checkpoint.as_ref();
        let restorer = restorer.filter(|_| point.takes_imported_restorer());
        let named =
            [("encoder", point.encoder.as_ref()), ("defence.restorer_checkpoint", restorer)];
        named.into_iter().filter_map(|(field, name)| {
            Some(Self { field, name: name.filter(|name| !name.is_empty())? })
        })
    }

    /// What the point asks of the checkpoint that it has not.
    fn unfit(
        &self,
        point: &Settings,
        checkpoint: &ImportedCheckpoint,
        runs: &[RunKind],
    ) -> impl Iterator<Item = FieldError> {
        let errors = if self.field == "encoder" {
            [point.check_encoder(checkpoint), point.check_decoder(checkpoint, runs)]
        } else {
            [point.check_restorer(checkpoint, runs), None]
        };
        errors.into_iter().flatten()
    }
}

/// Adds the errors of fields that have none yet.
fn add_first(errors: &mut Vec<FieldError>, more: impl Iterator<Item = FieldError>) {
    for error in more {
        if !errors.iter().any(|known| known.field == error.field) {
            errors.push(error);
        }
    }
}

/// How fast the device trains that a run asks for: the first that would take it.
pub(super) fn speed(wish: DeviceWish, devices: &[DeviceInfo]) -> Option<Speed> {
    let takes =
        |device: &&DeviceInfo| device.refusal.is_none() && wish.takes(&device.name, device.kind);
    let speed = devices.iter().find(takes)?.speed();
    let devices = if let DeviceWish::Gpus(count) = wish { count } else { 1 };
    Some(Speed { devices, ..speed })
}

/// The runs of a study that neither run nor are done.
fn to_start<'a>(
    graph: &'a Graph,
    known: &'a BTreeMap<Digest, KnownRun>,
) -> impl Iterator<Item = &'a Node> {
    let started = |node: &&Node| {
        let state = known.get(&node.digest).map(|known| known.run.state);
        matches!(state, Some(RunState::Running | RunState::Done))
    };
    graph.nodes.iter().filter(move |node| !started(node))
}

fn images(datasets: &[DatasetInfo]) -> BTreeMap<String, Images> {
    let most = |counts: &[u32]| counts.iter().copied().max().unwrap_or(0);
    datasets
        .iter()
        .map(|dataset| {
            let images = Images {
                fingerprint: dataset.fingerprint.clone(),
                most_train: most(&dataset.train_counts),
                most_test: most(&dataset.test_counts),
            };
            (dataset.name.clone(), images)
        })
        .collect()
}

/// Checks a study's poison list. Lists the data set's folder.
async fn check_poisons(
    spec: &StudySpec,
    source: DataSource,
) -> Result<Vec<FieldError>, CreateError> {
    let spec = spec.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let index = Index::open(&source)?.limited(&spec.settings.dataset);
        let images = index.train.iter().map(|entry| (entry.name.as_str(), entry.class));
        Ok(spec.validate_poisons(images))
    });
    let checked = checked.await.map_err(|error| DatasetError::Internal(error.to_string()));
    checked.map_err(CreateError::Dataset)?.map_err(|error: DataError| {
        CreateError::Invalid(vec![FieldError::new("dataset.name", error.to_string())])
    })
}
