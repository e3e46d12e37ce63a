//! A whole run, from its order to its last event; one file per kind of run.
//!
//! Before the run starts, its folder holds the order and, for a trigger with a key image, that image. The run adds its manifest,
//! its poison plan and list, and its checkpoints ([`files`]), each written atomically.

mod defence;
mod finetune;
mod implant;
pub mod inverted;
pub mod judged;
mod key;
mod knn;
mod manifest;
mod place;
mod pretrain;
mod probe;
mod quality;
mod redrawn;
pub mod strips;

use std::path::{Path, PathBuf};

use serde::Serialize;
use shared::{
    PoisonPlan, RunEvent, Settings, Stage,
    api::Split,
    metric::Goal,
    order::RunOrder,
    poison::{Amount, format_list},
    run_kind::RunKind,
    settings::{AttackSpec, DefenceKind, ProbeSpec},
};

use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo, PROGRAM, resume::ResumePoint},
    compute::{Device, Machine, Params, program},
    data::{Entry, Index, Pixels, load_within},
    eval::Evaluated,
    files,
    nodes::Nodes,
    stop::Patience,
    train::{
        batches::Batches,
        neighbours,
        poisons::{self, Poisons},
        report::{Emit, Reporter},
    },
};
use key::Key;

/// Does a run on a machine. The first event is `Started`, the last `Finished`; the caller emits an error as `Failed`.
/// While nothing can be written, `patience` waits. With a point to `resume` from, only the events after it are sent; those before it were sent by an earlier attempt.
///
/// # Errors
/// Whatever keeps the run from finishing, with a message for the person who ordered it.
pub fn run(
    order: &RunOrder,
    folder: &Path,
    resume: Option<&ResumePoint>,
    notes: &[String],
    machine: &Machine,
    patience: &mut dyn Patience,
    emit: &mut Emit<'_>,
) -> Result<(), EngineError> {
    let mut report = Reporter::new(emit).patient(patience);
    if let Some(point) = resume {
        report = report.resumed(point.events, point.seconds);
    }
    beside_others(machine, || whole(order, folder, resume, notes, machine, &mut report))
}

/// Takes the steps of a run that another machine does, with this machine's part of every batch. Writes nothing.
///
/// # Errors
/// Whatever keeps this machine or another one from going on.
pub fn assist(order: &RunOrder, folder: &Path, machine: &Machine) -> Result<(), EngineError> {
    let mut emit = |_| Ok(());
    let mut report = Reporter::new(&mut emit);
    beside_others(machine, || whole(order, folder, None, &[], machine, &mut report))
}

/// Does work that other machines do their part of, and tells them how it ends.
fn beside_others(
    machine: &Machine,
    work: impl FnOnce() -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let outcome = work();
    let Some(nodes) = machine.nodes() else { return outcome };
    let Err(error) = outcome else {
        nodes.leave();
        return Ok(());
    };
    if let Some(ended) = nodes.ended() {
        return Err(ended.into());
    }
    nodes.end(&error.to_string());
    Err(error)
}

/// A run from its beginning to its end.
fn whole(
    order: &RunOrder,
    folder: &Path,
    resume: Option<&ResumePoint>,
    notes: &[String],
    machine: &Machine,
    report: &mut Reporter<'_>,
) -> Result<(), EngineError> {
    let device = &*machine.device(order.settings.precision)?;
    let nodes = machine.nodes().map(|nodes| &**nodes);
    let told = nodes.map(|nodes| meet(nodes, order.kind, device, resume)).transpose()?;
    let resume = told.as_ref().map_or(resume, Option::as_ref);
    let index = Index::open(&order.source)?.limited(&order.settings.dataset);
    let (settings, attack) = (&order.settings, &order.settings.attack);
    let asks = match order.kind {
        RunKind::Knn => true,
        RunKind::Defence => {
            let filters = settings.defence.method.kind() == DefenceKind::InputFilter;
            filters && !settings.defence.protects_probe()
        }
        _ => false,
    };
    let most = if asks { neighbours::most_poisons(index.classes.len()) } else { u32::MAX };
    let amount = Amount { poisons: settings.poisons(order.kind), most };
    let phase = match order.kind {
        // The poisons of the set that it judges.
        RunKind::Defence if settings.judges_pretraining() => RunKind::Pretrain,
        kind => kind,
    };
    let classes = index.classes.len() as u32;
    let plan = poisons::plan(attack, &index.train, classes, phase, amount, settings.seed)?;
    let labels = poisons::labels(&index.train);
    let plan = plan.composed(attack, &labels, settings.model.image_size)?;
    let samples = match order.kind {
        _ if trains_on_clean(order) => {
            defence::clean_images(&index, settings.defence.clean_per_class)
        }
        RunKind::Implant => {
            settings.samples_per_epoch(RunKind::Implant, &index.counts(Split::Train)) as usize
        }
        _ => index.train.len() + plan.added(),
    };
    let batches = batches(order, samples)?;
    if let Some(count) = nodes.map(Nodes::count).filter(|&count| batches.images() < count) {
        return Err(EngineError::Order(format!(
            "a batch has {} images, too few for {count} nodes: take fewer nodes or a larger batch_size",
            batches.images()
        )));
    }
    let writes = nodes.is_none_or(Nodes::is_first);
    let run = Run { order, folder, resume, machine, device, batches, writes };
    if writes {
        // The plan must exist before the `Started` event, because readers of the event may ask for it.
        report.written(|| write_json(&folder.join(files::POISON_PLAN), &plan))?;
        let list = poison_list(&plan, attack, &index.train);
        report.written(|| checkpoint::write(&folder.join(files::POISON_LIST), list.as_bytes()))?;
    }
    match resume {
        None => report.send(run.started(&plan))?,
        Some(point) => report.log(format!("resumes after epoch {}", point.epoch))?,
    }

    let hosts = nodes.map(|nodes| format!("trains on {}", nodes.hosts().join(", ")));
    for note in notes.iter().cloned().chain(hosts).chain(device.note()) {
        report.log(note)?;
    }

    let side = order.settings.model.image_size as usize;
    let key = Key::read(order, folder)?;
    let prepare = |stage| key.triggers(attack, side, stage);
    let (triggers, test_triggers) = (prepare(Stage::Train)?, prepare(Stage::Test)?);
    let further = key::further(attack, &test_triggers, classes)?;
    let (trigger, test_trigger) = (&triggers[0], &test_triggers[0]);
    let pixels = load_within(&index, side, machine.image_memory(), report)?;
    if let Some(nodes) = nodes {
        same_images(nodes, &pixels)?;
    }
    if writes {
        let manifest = run.manifest(&plan, &key, &pixels);
        report.written(|| write_json(&folder.join(files::MANIFEST), &manifest))?;
    }
    let poisons = Poisons { plan: &plan, triggers: &triggers, train: &pixels.train };
    match order.kind {
        RunKind::Pretrain => run.pretrain(&pixels, poisons, report),
        RunKind::Implant => run.implant(&pixels, trigger, report),
        // It judges the main backdoor, in a set with the poisons of all.
        RunKind::Defence => run.defence(&pixels, poisons, test_trigger, &key, report),
        RunKind::Knn => run.knn(&pixels, poisons, test_trigger, &further, report),
        RunKind::Probe => run.probe(&pixels, poisons, test_trigger, &further, &key, report),
        RunKind::Finetune => run.finetune(&pixels, poisons, test_trigger, &further, report),
    }
}

/// The names of the poisoned images. Those of several backdoors follow a comment each.
fn poison_list(plan: &PoisonPlan, attack: &AttackSpec, train: &[Entry]) -> String {
    let of = |backdoor: u32| {
        let samples = plan.samples.iter().filter(move |sample| sample.backdoor == backdoor);
        format_list(samples.map(|sample| train[sample.index as usize].name.as_str()))
    };
    if attack.further.is_empty() {
        return of(0);
    }
    let parts = (0..).zip(attack.backdoors()).map(|(i, alone)| {
        let (trigger, target) = (alone.trigger.label(), alone.target_class);
        [format!("# backdoor {i}: {trigger} towards class {target}\n"), of(i)].concat()
    });
    parts.collect::<Vec<_>>().concat()
}

/// Waits for the other nodes. Gives the point that all resume from, which is the first one's.
fn meet(
    nodes: &Nodes,
    kind: RunKind,
    device: &dyn Device,
    resume: Option<&ResumePoint>,
) -> Result<Option<ResumePoint>, EngineError> {
    if !kind.trains_encoder() {
        let message = "only a pre-training and a fine-tuning run on several nodes";
        return Err(EngineError::Order(message.into()));
    }
    nodes.meet(&program(), &device.arithmetic())?;
    let told = nodes.tell(json(&resume).into_bytes())?;
    serde_json::from_slice(&told).map_err(|error| {
        EngineError::Order(format!("the first node's resume point cannot be read: {error}"))
    })
}

/// Checks that all nodes read the same images.
fn same_images(nodes: &Nodes, pixels: &Pixels) -> Result<(), EngineError> {
    let first = nodes.tell(pixels.fingerprint.clone().into_bytes())?;
    if first == pixels.fingerprint.as_bytes() {
        return Ok(());
    }
    let message = "the data set's files are others here than on node 1: all nodes need the same ones under the same path";
    Err(EngineError::Order(message.into()))
}

/// Whether the run trains on clean images of the defender.
fn trains_on_clean(order: &RunOrder) -> bool {
    order.kind == RunKind::Defence && order.settings.defence.method.repairs()
}

/// The batches of the run; for a run that trains nothing, or only beside what it is about, one batch of all images and no epochs.
fn batches(order: &RunOrder, samples: usize) -> Result<Batches, EngineError> {
    let Settings { pretrain, implant, probe, finetune, seed, .. } = &order.settings;
    let recipe = match order.kind {
        RunKind::Defence if trains_on_clean(order) => {
            return Ok(defence::batches(&order.settings.defence, samples, *seed));
        }
        RunKind::Knn | RunKind::Defence => {
            return Ok(Batches { samples, size: samples.max(1), epochs: 0, seed: *seed });
        }
        RunKind::Pretrain => (pretrain.batch_size, pretrain.accumulate, pretrain.epochs),
        RunKind::Implant => (implant.batch_size, 1, implant.epochs),
        RunKind::Probe => of_probe(probe),
        RunKind::Finetune => (finetune.batch_size, finetune.accumulate, finetune.epochs),
    };
    training(samples, recipe, *seed)
}

/// Images of a batch, batches of a step, and epochs of a linear probe.
fn of_probe(probe: &ProbeSpec) -> (u32, u32, u32) {
    (probe.batch_size, probe.accumulate, probe.epochs)
}

/// The batches of a training: its number of epochs and of samples.
fn training(
    samples: usize,
    (size, accumulate, epochs): (u32, u32, u32),
    seed: u64,
) -> Result<Batches, EngineError> {
    if samples == 0 || size == 0 || epochs == 0 {
        let message = "a run needs at least one image, one image per batch and one epoch";
        return Err(EngineError::Order(message.into()));
    }
    let batches = Batches { samples, size: size as usize, epochs, seed };
    let steps = batches.steps_per_epoch();
    if steps < accumulate as usize {
        return Err(EngineError::Order(format!(
            "an epoch has {steps} batches, too few for a step of {accumulate}: take a smaller accumulate or batch_size"
        )));
    }
    Ok(batches)
}

/// A run in progress.
struct Run<'a> {
    order: &'a RunOrder,
    folder: &'a Path,
    resume: Option<&'a ResumePoint>,
    machine: &'a Machine,
    device: &'a dyn Device,
    batches: Batches,
    /// Whether this machine evaluates and writes the run's files.
    writes: bool,
}

impl Run<'_> {
    fn started(&self, plan: &PoisonPlan) -> RunEvent {
        RunEvent::Started {
            device: self.machine.device_name(),
            threads: self.machine.threads() as u32,
            program: PROGRAM.into(),
            epochs: self.batches.epochs,
            steps: self.batches.steps(),
            samples: self.batches.samples as u32,
            poisoned: plan.samples.len() as u32,
        }
    }

    /// What triggered images should be taken for.
    fn goal(&self, pixels: &Pixels) -> Goal {
        self.order.settings.attack.goal_among(pixels.classes.len() as u32)
    }

    /// Writes a classifier's evaluation, and its predictions by image.
    fn keep(&self, evaluated: &Evaluated, report: &mut Reporter<'_>) -> Result<(), EngineError> {
        let Evaluated { counts, predicted } = evaluated;
        report.written(|| predicted.write(&self.folder.join(files::PREDICTIONS)))?;
        report.written(|| write_json(&self.folder.join(files::EVALUATION), counts))
    }

    /// The folder of the encoder that this run starts from, its parameters, and its checkpoint's information.
    fn encoder(&self) -> Result<(PathBuf, Params, CheckpointInfo), EngineError> {
        let spec = &self.order.settings;
        let folder = self.order.encoder.as_ref().map(PathBuf::from).ok_or_else(|| {
            EngineError::Order(format!(
                "a {} needs the folder of its pre-training",
                self.order.kind.title().to_lowercase()
            ))
        })?;
        let path = folder.join(files::LAST_CHECKPOINT);
        let (params, info) = checkpoint::open(&path)?;
        if !info.model.has_encoder_of(&spec.model) {
            let reason = format!("it holds {:?}, the study asks for {:?}", info.model, spec.model);
            return Err(EngineError::Checkpoint { path, reason });
        }
        Ok((folder, params, info))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a study's parts have text keys only")
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EngineError> {
    let text = serde_json::to_vec_pretty(value).expect("a run's files have text keys only");
    checkpoint::write(path, &text)
}
