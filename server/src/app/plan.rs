//! What a study would run: its graph, which of its runs the data folder already has, and what the rest costs.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use engine::data::{DataError, Index};
use shared::{
    DeviceKind, DeviceWish, Digest, FieldError, RunKind, RunState, StudySpec,
    api::{DatasetInfo, DeviceInfo, PlannedRun, StudyPlan},
    run::{DataSource, RunPoint},
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
            let first = node.kind == RunKind::Probe && probed.insert(node.inputs.clone());
            let speed = speed(node.device, &devices).unwrap_or_else(|| Speed::of_threads(threads));
            let cost = run_cost(node.kind, settings, dataset, &speed, first);
            let memory = run_memory(node.kind, settings, dataset, threads, image_memory);
            let described = node.described();
            let reused = known.get(&node.digest).map(|known| known.run.clone());
            if reused.is_none() {
                plan.seconds += cost.seconds;
                plan.bytes += cost.bytes;
                plan.is_paced &= speed.pace.factor(node.kind, settings.precision).is_some();
                needs.add(node.kind, settings, cost, memory);
                gpus.add(node.kind, settings, dataset.classes.len(), node.device);
            }
            let images = settings.dataset.train_images(&dataset.train_counts);
            plan.runs.push(PlannedRun {
                kind: node.kind,
                digest: node.digest.clone(),
                point: RunPoint::of(node.kind, settings),
                varied: varied(spec, &described),
                settings: described,
                inputs: node.inputs.iter().map(|&at| graph.nodes[at].digest.clone()).collect(),
                reused,
                poisoned: settings.attack.poisoned_images(&images, settings.poisons(node.kind)),
                seconds: cost.seconds,
                bytes: cost.bytes,
                memory: memory.total(),
            });
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
        plan.refused.extend(gpus.refused(&self.offered_devices()));
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
        for key in keys.into_iter().filter(|key| !key.is_empty()) {
            if let Some(error) = check_key(&self.data_dir, key) {
                errors.push(error);
                continue;
            }
            let file = key_file(&self.data_dir, key)
                .map_err(|error| CreateError::Dataset(DatasetError::Internal(error.to_string())))?;
            content.keys.insert(key.to_owned(), sha256(&file));
        }
        for point in &points {
            let Some(name) = point.encoder.as_ref().filter(|name| !name.is_empty()) else {
                continue;
            };
            if content.checkpoints.contains_key(name) {
                continue;
            }
            match self.store.get_import(name).await {
                Ok(checkpoint) => {
                    errors.extend(point.check_encoder(&checkpoint));
                    content.checkpoints.insert(name.clone(), checkpoint.sha256.clone());
                    if spec.settings.encoder.as_ref() == Some(name) {
                        // Its folder has the name in its original spelling.
                        content.checkpoints.insert(checkpoint.name.clone(), checkpoint.sha256);
                        spec.settings.encoder = Some(checkpoint.name);
                    }
                }
                Err(missing @ StoreError::NotFound { .. }) => {
                    errors.push(FieldError::new("encoder", missing.to_string()));
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

/// How fast the device trains that a run asks for: the first that would take it.
fn speed(wish: DeviceWish, devices: &[DeviceInfo]) -> Option<Speed> {
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
