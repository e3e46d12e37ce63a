//! A whole run: from its order to its last event.
//!
//! A run's folder holds `run.json` (the order) and, for a trigger with a key image, `key.png`, before the run starts. The run
//! adds `manifest.json`, `poison.json`, `poisons.txt` and its checkpoints, each written whole or not at all.

mod finetune;
mod key;
mod manifest;
mod place;

use std::path::{Path, PathBuf};

use kernel::{Kernels, Precision};
use serde::Serialize;
use shared::{
    PoisonPlan, RunEvent, Stage, StudySpec, Trigger,
    poison::format_list,
    run::{Phase, RunOrder},
};

use crate::{
    EngineError,
    data::{Index, Pixels, load_all},
    device,
    model::{Classifier, Mae},
    nn::tensor_file::serialize,
    train::{
        batches::Batches,
        checkpoint::{self, CheckpointInfo, PROGRAM},
        features::{Encoder, Kept},
        linprobe::LinearProbe,
        neighbours::{self, Neighbours},
        poisons::{self, AttackedSet, Poisons},
        pretrain::Pretraining,
        report::{Emit, Reporter},
        resume::ResumePoint,
    },
};
use key::Key;

/// Name of the file that lists the poisoned images of a run, one a line.
pub const POISON_LIST: &str = "poisons.txt";
/// Name of the file with a classifier's last evaluation.
pub const EVALUATION: &str = "evaluation.json";

/// Does a run. The first event is `Started`, the last `Finished`; an error is for the caller to emit as `Failed`.
/// With a place to `resume` from, the events up to there were sent before and those behind it follow.
///
/// # Errors
/// Whatever keeps the run from its end, in words for the person who ordered it.
pub fn run(
    order: &RunOrder,
    folder: &Path,
    resume: Option<&ResumePoint>,
    emit: &mut Emit<'_>,
) -> Result<(), EngineError> {
    let mut report = Reporter::new(emit);
    if let Some(point) = resume {
        report = report.resumed(point.events, point.seconds);
    }
    let index = Index::open(&order.source)?.limited(&order.spec.dataset);
    let (point, attack) = (order.point, &order.spec.attack);
    let draw = |phase, per_class| poisons::plan(attack, &index.train, phase, per_class, point.seed);
    let plan = draw(point.phase, point.poisons_per_class())?;
    let threads = device::threads();
    let batches = batches(order, index.train.len() + plan.added())?;
    kernel::Path::chosen().map_err(EngineError::Order)?;
    let kernels = Kernels::new(match order.spec.precision {
        shared::study::Precision::F32 => Precision::F32,
        shared::study::Precision::Bf16 => Precision::Bf16,
    });
    let job = Job { order, folder, resume, threads, kernels, batches };
    // Whoever hears that the run started may ask for its plan.
    write_json(&folder.join("poison.json"), &plan)?;
    let poisoned =
        plan.samples.iter().map(|sample| index.train[sample.index as usize].name.as_str());
    checkpoint::write(&folder.join(POISON_LIST), format_list(poisoned).as_bytes())?;
    match resume {
        None => report.send(job.started(&plan))?,
        Some(point) => report.log(format!("goes on after epoch {}", point.epoch))?,
    }

    let side = order.spec.model.image_size as usize;
    let key = Key::read(order, folder)?;
    let prepare = |stage| Trigger::prepare(&attack.trigger, key.image.as_ref(), side, stage);
    let trigger = prepare(Stage::Train)?;
    let pixels = load_all(&index, side, &mut report)?;
    write_json(&folder.join("manifest.json"), &job.manifest(&plan, &key, &pixels))?;
    let poisons = Poisons { plan: &plan, trigger: &trigger, train: &pixels.train };
    match point.phase {
        Phase::Pretrain => {
            let per_class = neighbours::poisons_per_class(order, index.classes.len());
            let bank = draw(Phase::Probe, per_class)?;
            let neighbours = Neighbours {
                pixels: &pixels,
                poisons: Poisons { plan: &bank, ..poisons },
                trigger: &prepare(Stage::Test)?,
                target_class: attack.target_class,
                seed: point.seed,
                threads,
                kernels,
            };
            job.pretrain(&pixels, poisons, &neighbours, &mut report)
        }
        Phase::Probe => job.probe(&pixels, poisons, &prepare(Stage::Test)?, &key, &mut report),
        Phase::Finetune => job.finetune(&pixels, poisons, &prepare(Stage::Test)?, &mut report),
    }
}

/// The batches of the run's phase.
fn batches(order: &RunOrder, samples: usize) -> Result<Batches, EngineError> {
    let StudySpec { pretrain, probe, finetune, .. } = &order.spec;
    let (size, accumulate, epochs) = match order.point.phase {
        Phase::Pretrain => (pretrain.batch_size, pretrain.accumulate, pretrain.epochs),
        Phase::Probe => (probe.batch_size, probe.accumulate, probe.epochs),
        Phase::Finetune => (finetune.batch_size, finetune.accumulate, finetune.epochs),
    };
    if samples == 0 || size == 0 || epochs == 0 {
        let message = "a run needs at least one image, one image a batch and one epoch";
        return Err(EngineError::Order(message.into()));
    }
    let batches = Batches { samples, size: size as usize, epochs, seed: order.point.seed };
    let steps = batches.steps_per_epoch();
    if steps < accumulate as usize {
        return Err(EngineError::Order(format!(
            "an epoch has {steps} batches, too few for a step of {accumulate}: take a smaller accumulate or batch_size"
        )));
    }
    Ok(batches)
}

/// A run at work.
struct Job<'a> {
    order: &'a RunOrder,
    folder: &'a Path,
    resume: Option<&'a ResumePoint>,
    threads: usize,
    kernels: Kernels,
    batches: Batches,
}

impl Job<'_> {
    fn started(&self, plan: &PoisonPlan) -> RunEvent {
        RunEvent::Started {
            device: device::CPU.into(),
            threads: self.threads as u32,
            program: PROGRAM.into(),
            epochs: self.batches.epochs,
            steps: self.batches.steps(),
            samples: self.batches.samples as u32,
            poisoned: plan.samples.len() as u32,
        }
    }

    fn pretrain(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        neighbours: &Neighbours<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.spec;
        let seed = self.order.point.seed;
        let images = AttackedSet::new(pixels, poisons)?;
        let mut mae = Mae::new(&spec.model, seed);
        let training = Pretraining {
            recipe: &spec.pretrain,
            images: &images,
            seed,
            threads: self.threads,
            kernels: self.kernels,
        };
        let mut adamw = training.optimizer(&mae);
        let done = self.resume_into(mae.params_mut(), &mut adamw, pixels)?;
        let mut place = self.place(pixels);
        training.train(&mut mae, &mut adamw, done, report, |end, report| {
            if end.knn {
                report.send(neighbours.ask(end.model, end.epoch)?)?;
            }
            if end.checkpoint {
                let info = CheckpointInfo {
                    model: spec.model,
                    phase: Phase::Pretrain,
                    epoch: end.epoch,
                    norm_pix_loss: spec.pretrain.norm_pix_loss,
                    has_decoder: true,
                };
                let file = checkpoint::save(self.folder, end.model.params(), &info, &[])?;
                report.send(RunEvent::Checkpoint { epoch: end.epoch, file })?;
            }
            place.keep(end.model.params(), &end, report)
        })?;
        place.remove()?;
        report.finish(None)
    }

    /// The encoder that this run starts from.
    fn encoder(&self) -> Result<(PathBuf, Mae, CheckpointInfo), EngineError> {
        let spec = &self.order.spec;
        let folder = self.order.encoder.as_ref().map(PathBuf::from).ok_or_else(|| {
            EngineError::Order(format!(
                "a {} needs the folder of its pre-training",
                self.order.point.phase.title().to_lowercase()
            ))
        })?;
        let path = folder.join(checkpoint::LAST);
        let (mae, info) = checkpoint::open(&path)?;
        if !info.model.has_encoder_of(&spec.model) {
            let reason = format!("it holds {:?}, the study asks for {:?}", info.model, spec.model);
            return Err(EngineError::Checkpoint { path, reason });
        }
        Ok((folder, mae, info))
    }

    fn probe(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        key: &Key,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.spec;
        let seed = self.order.point.seed;
        let (encoder_folder, mae, info) = self.encoder()?;
        let dataset = format!("{} {}", pixels.fingerprint, json(&spec.dataset));
        let encoder = Encoder { mae: &mae, threads: self.threads, kernels: self.kernels };
        let kept = Kept::new(&encoder_folder, &encoder, &dataset);
        let key_hash = key.sha256.as_deref().unwrap_or_default();
        let probe = LinearProbe {
            recipe: &spec.probe,
            encoder,
            pixels,
            poisons,
            trigger,
            trigger_name: &format!("{} {key_hash}", json(&spec.attack.trigger)),
            target_class: spec.attack.target_class,
            seed,
        };
        let mut classifier = Classifier::new(
            probe.encoder.width(),
            pixels.classes.len(),
            spec.probe.head_init,
            seed,
        );
        let evaluation = probe.train(&mut classifier, &kept, report)?;
        write_json(&self.folder.join(EVALUATION), &evaluation)?;
        let epoch = spec.probe.epochs;
        let info = CheckpointInfo { phase: Phase::Probe, epoch, ..info };
        let bytes = serialize(&classifier.tensors(), &info.metadata())?;
        checkpoint::write(&self.folder.join(checkpoint::HEAD), &bytes)?;
        report.send(RunEvent::Checkpoint { epoch, file: checkpoint::HEAD.into() })?;
        report.finish(Some(evaluation.metrics))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a study's parts have text keys only")
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EngineError> {
    let text = serde_json::to_vec_pretty(value).expect("a run's files have text keys only");
    checkpoint::write(path, &text)
}
