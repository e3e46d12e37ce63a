//! A whole run: from its order to its last event.
//!
//! A run's folder holds `run.json` (the order) and, for a trigger with a key image, `key.png`, before the run starts. The run
//! adds `manifest.json`, `poison.json`, `poisons.txt` and its checkpoints, each written whole or not at all.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use candle_core::DType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::{
    PoisonPlan, Rgb8, RunEvent, Stage, Trigger,
    poison::format_list,
    run::{Phase, RunOrder},
};

use crate::{
    EngineError,
    data::{Index, Pixels, load_all},
    decode::{Limits, decode},
    device,
    hash::hex,
    keys,
    model::{Classifier, Mae},
    nn::tensor_file::serialize,
    optim::AdamW,
    train::{
        batches::Batches,
        checkpoint::{self, CheckpointInfo, PROGRAM},
        features::{Encoder, Kept},
        linprobe::LinearProbe,
        poisons::{self, AttackedSet, Poisons},
        pretrain::{EpochEnd, Pretraining},
        report::{Emit, Reporter},
        resume::{self, ResumePoint},
    },
};

/// Name of the file that lists the poisoned images of a run, one a line.
pub const POISON_LIST: &str = "poisons.txt";
/// A pre-training keeps a place to go on from at each checkpoint, and at the end of an epoch when this long has passed.
const KEEP_EVERY: Duration = Duration::from_mins(1);

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
    let per_class = point.poisons_per_class();
    let plan = poisons::plan(attack, &index.train, point.phase, per_class, point.seed)?;
    let threads = device::threads();
    let batches = batches(order, index.train.len() + plan.added())?;
    let job = Job { order, folder, resume, threads, batches };
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
        Phase::Pretrain => job.pretrain(&pixels, poisons, &mut report),
        Phase::Probe => job.probe(&pixels, poisons, &prepare(Stage::Test)?, &key, &mut report),
        Phase::Finetune => unreachable!("`batches` refused it"),
    }
}

/// The batches of the run's phase.
fn batches(order: &RunOrder, samples: usize) -> Result<Batches, EngineError> {
    let (size, epochs) = match order.point.phase {
        Phase::Pretrain => (order.spec.pretrain.batch_size, order.spec.pretrain.epochs),
        Phase::Probe => (order.spec.probe.batch_size, order.spec.probe.epochs),
        Phase::Finetune => {
            return Err(EngineError::Order("this version does not fine-tune yet".into()));
        }
    };
    if samples == 0 || size == 0 || epochs == 0 {
        let message = "a run needs at least one image, one image a batch and one epoch";
        return Err(EngineError::Order(message.into()));
    }
    Ok(Batches { samples, size: size as usize, epochs, seed: order.point.seed })
}

/// The key image of the run's trigger.
struct Key {
    image: Option<Rgb8>,
    /// SHA-256 of the file in hex.
    sha256: Option<String>,
}

impl Key {
    /// Reads `key.png`; a key that came with the program needs no file.
    fn read(order: &RunOrder, folder: &Path) -> Result<Self, EngineError> {
        let Some(id) = order.spec.attack.trigger.key() else {
            return Ok(Self { image: None, sha256: None });
        };
        let path = folder.join("key.png");
        let bytes = match (fs::read(&path), keys::builtin(id)) {
            (Ok(bytes), _) => bytes,
            (Err(error), Some(key)) if error.kind() == io::ErrorKind::NotFound => key.file.to_vec(),
            (Err(error), _) => return Err(EngineError::file(path)(error)),
        };
        let image = decode(&bytes, Limits::default());
        let image = image.map_err(|source| EngineError::Key { path, source })?;
        Ok(Self { image: Some(image), sha256: Some(hex(&Sha256::digest(&bytes))) })
    }
}

/// What is enough, with the program of that version, to repeat the run.
#[derive(Serialize)]
struct Manifest<'a> {
    order: &'a RunOrder,
    poison: PoisonSummary,
    key_sha256: Option<&'a str>,
    dataset_fingerprint: &'a str,
    classes: &'a [String],
    train_images: usize,
    test_images: usize,
    steps: u64,
    program: &'a str,
    device: String,
    threads: usize,
}

/// The plan in short; `poison.json` lists its samples.
#[derive(Serialize)]
struct PoisonSummary {
    phase: Phase,
    seed: u64,
    target_class: u32,
    per_class: u32,
    samples: usize,
    covers: usize,
}

/// A run at work.
struct Job<'a> {
    order: &'a RunOrder,
    folder: &'a Path,
    resume: Option<&'a ResumePoint>,
    threads: usize,
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

    fn manifest<'a>(&'a self, plan: &PoisonPlan, key: &'a Key, pixels: &'a Pixels) -> Manifest<'a> {
        let devices = device::devices();
        Manifest {
            order: self.order,
            poison: PoisonSummary {
                phase: plan.phase,
                seed: plan.seed,
                target_class: plan.target_class,
                per_class: plan.per_class,
                samples: plan.samples.len(),
                covers: plan.covers.len(),
            },
            key_sha256: key.sha256.as_deref(),
            dataset_fingerprint: &pixels.fingerprint,
            classes: &pixels.classes,
            train_images: pixels.train.len(),
            test_images: pixels.test.len(),
            steps: self.batches.steps(),
            program: PROGRAM,
            device: devices.first().map(|device| device.description.clone()).unwrap_or_default(),
            threads: self.threads,
        }
    }

    fn pretrain(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let spec = &self.order.spec;
        let seed = self.order.point.seed;
        let images = AttackedSet::new(pixels, poisons)?;
        let mae = Mae::new(&spec.model, seed, DType::F32)?;
        let training =
            Pretraining { recipe: &spec.pretrain, images: &images, seed, threads: self.threads };
        let mut adamw = training.optimizer(&mae);
        let done = self.resume_into(&mae, &mut adamw, pixels)?;
        let mut kept = Instant::now();
        training.train(&mae, &mut adamw, done, report, |end, report| {
            let EpochEnd { epoch, checkpoint, optimizer } = end;
            if checkpoint {
                let info = CheckpointInfo {
                    model: spec.model,
                    phase: Phase::Pretrain,
                    epoch,
                    norm_pix_loss: spec.pretrain.norm_pix_loss,
                };
                let file = checkpoint::save(self.folder, &mae, &info)?;
                report.send(RunEvent::Checkpoint { epoch, file })?;
            }
            if epoch < spec.pretrain.epochs && (checkpoint || kept.elapsed() >= KEEP_EVERY) {
                kept = Instant::now();
                let (events, seconds) = (report.sent(), report.seconds());
                let dataset = &pixels.fingerprint;
                let point = ResumePoint::new(self.order, dataset, epoch, events, seconds);
                resume::save(self.folder, mae.params(), optimizer, &point)?;
            }
            Ok(())
        })?;
        resume::remove(self.folder).map_err(EngineError::file(self.folder.join(resume::FILE)))?;
        report.finish(None)
    }

    /// Takes parameters and moments over from where the run stood. Returns the epochs done.
    fn resume_into(
        &self,
        mae: &Mae,
        adamw: &mut AdamW,
        pixels: &Pixels,
    ) -> Result<u32, EngineError> {
        let Some(point) = self.resume else { return Ok(0) };
        if point.dataset != pixels.fingerprint {
            return Err(EngineError::Checkpoint {
                path: self.folder.join(resume::FILE),
                reason: "the data set's files have changed since it was written; bring them back, or start a new study"
                    .into(),
            });
        }
        resume::load(self.folder, mae.params(), adamw)?;
        Ok(point.epoch)
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
        let encoder_folder = self.order.encoder.as_ref().map(PathBuf::from).ok_or_else(|| {
            EngineError::Order("a linear probe needs the folder of its pre-training".into())
        })?;
        let path = encoder_folder.join(checkpoint::LAST);
        let (mae, info) = checkpoint::open(&path)?;
        if info.model != spec.model {
            let reason = format!("it holds {:?}, the study asks for {:?}", info.model, spec.model);
            return Err(EngineError::Checkpoint { path, reason });
        }
        let dataset = format!("{} {}", pixels.fingerprint, json(&spec.dataset));
        let kept = Kept::new(&encoder_folder, &mae, &dataset)?;
        let key_hash = key.sha256.as_deref().unwrap_or_default();
        let probe = LinearProbe {
            recipe: &spec.probe,
            encoder: Encoder { mae: &mae, threads: self.threads },
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
        )?;
        let metrics = probe.train(&mut classifier, &kept, report)?;
        let epoch = spec.probe.epochs;
        let info = CheckpointInfo { phase: Phase::Probe, epoch, ..info };
        let bytes = serialize(&classifier.tensors()?, &info.metadata())?;
        checkpoint::write(&self.folder.join(checkpoint::HEAD), &bytes)?;
        report.send(RunEvent::Checkpoint { epoch, file: checkpoint::HEAD.into() })?;
        report.finish(Some(metrics))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a study's parts have text keys only")
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), EngineError> {
    let text = serde_json::to_vec_pretty(value).expect("a run's files have text keys only");
    checkpoint::write(path, &text)
}
