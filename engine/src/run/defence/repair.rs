//! Repairs of a fine-tuned classifier with clean images of the defender: fine-tuning, alone, after pruning, or with a teacher (NAD).

use shared::{
    RunEvent, Trigger,
    metric::{Judgement, Repaired},
    settings::{DefenceMethod, DefenceSpec, FinetuneSpec, Pooling},
};

use super::{Said, changed};
use crate::{
    EngineError,
    checkpoint::{self, CheckpointInfo},
    compute::{Classify, FinetuningTrainer, Params, cpu, features_as_scores},
    data::{Index, Pixels, Sample, augment::eval_transform},
    defence::pruning,
    eval::{Evaluated, Evaluator},
    files,
    model::last_norm,
    run::Run,
    train::{
        batches::Batches,
        finetune::Finetuning,
        neighbours::clean_set,
        poisons::{AttackedSet, Poisons},
        report::Reporter,
    },
};

/// Images of a batch; all, where the defender has fewer.
const BATCH: u32 = 32;

/// The recipe of a repair: the paper's fine-tuning is short and plain, so nothing is mixed, erased or skipped, and all blocks train alike.
fn recipe(defence: &DefenceSpec, pooling: Pooling) -> FinetuneSpec {
    FinetuneSpec {
        epochs: defence.repair_epochs,
        warmup_epochs: 0,
        batch_size: BATCH,
        accumulate: 1,
        base_lr: defence.repair_lr,
        layer_decay: 1.0,
        clip_norm: 0.0,
        pooling,
        drop_path: 0.0,
        label_smoothing: 0.0,
        mixup: 0.0,
        cutmix: 0.0,
        rand_augment: 0.0,
        erase_probability: 0.0,
        crop_min_scale: 0.6,
        flip: true,
        ..FinetuneSpec::default()
    }
}

/// The batches of a repair on this number of clean images.
pub(in crate::run) fn batches(defence: &DefenceSpec, images: usize, seed: u64) -> Batches {
    Batches {
        samples: images,
        size: images.min(BATCH as usize),
        epochs: defence.repair_epochs,
        seed,
    }
}

/// How many clean images the defender has: [`clean_set`] takes as many of each class.
pub(in crate::run) fn clean_images(index: &Index, per_class: u32) -> usize {
    let mut counts = vec![0; index.classes.len()];
    for entry in &index.test {
        counts[entry.class as usize] += 1;
    }
    counts.into_iter().map(|count: usize| (count / 2).min(per_class as usize)).sum()
}

/// A classifier to repair.
struct Victim {
    params: Params,
    info: CheckpointInfo,
    pooling: Pooling,
}

impl Run<'_> {
    /// The fine-tuned classifier that this run starts from.
    fn victim(&self, classes: usize) -> Result<Victim, EngineError> {
        let folder = self.order.encoder.as_ref().ok_or_else(|| {
            EngineError::Order(
                "a repair needs the folder of the fine-tuning that it repairs".into(),
            )
        })?;
        let path = std::path::Path::new(folder).join(files::LAST_CHECKPOINT);
        let (params, info, pooling) = checkpoint::open_classifier(&path, classes)?;
        if !info.model.has_encoder_of(&self.order.settings.model) {
            let asked = self.order.settings.model;
            let reason = format!("it holds {:?}, the study asks for {asked:?}", info.model);
            return Err(EngineError::Checkpoint { path, reason });
        }
        Ok(Victim { params, info, pooling })
    }

    /// Repairs the classifier that this run starts from. Returns the epochs that it was trained for, and what the repair changed.
    pub(super) fn repair(
        &self,
        pixels: &Pixels,
        poisons: Poisons<'_>,
        trigger: &Trigger,
        report: &mut Reporter<'_>,
    ) -> Result<(u32, Said), EngineError> {
        let settings = &self.order.settings;
        let spec = &settings.defence;
        let victim = self.victim(pixels.classes.len())?;
        let chosen = clean_set(pixels, spec.clean_per_class, settings.seed);
        if chosen.is_empty() {
            let message = "a repair needs at least two validation images of some class: half of them are the defender's";
            return Err(EngineError::Order(message.into()));
        }
        let of = |wanted: bool| -> Vec<Sample> {
            let all = pixels.test.iter().enumerate();
            all.filter(|(i, _)| chosen.contains(i) == wanted).map(|(_, one)| one.clone()).collect()
        };
        let split = Pixels { train: of(true), train_kept: true, test: of(false), ..pixels.clone() };
        // A repair has no poisons.
        let clean = Poisons { train: &split.train, ..poisons };
        let Victim { params, info, pooling } = victim;
        let epoch = info.epoch;
        let repair = Repair { run: self, pixels: &split, clean, trigger, pooling };

        let before = repair.evaluate(params.clone())?;
        let mut params = params;
        let width = settings.model.encoder.dim;
        let pruned = match spec.method {
            DefenceMethod::FinePruning => repair.prune(&mut params, report)?,
            _ => 0,
        };
        let trainer = repair.finetuned(params, report)?;
        let after = repair.evaluated(trainer.view())?;
        self.keep_repaired(&*trainer, &info, pooling, report)?;
        let changed = changed(&before, &after)?;
        let judgement = Judgement {
            before: Some(before.counts.metrics),
            after: Some(after.counts.metrics),
            repaired: Some(Repaired { pruned, channels: width, changed }),
            ..Judgement::default()
        };
        let (method, clean_images) = (spec.method, chosen.len());
        Ok((epoch, Said { method, judgement, clean_images, ..Said::default() }))
    }
}

impl Run<'_> {
    /// Writes the repaired classifier, a fine-tuned one of as many epochs as the repair has.
    fn keep_repaired(
        &self,
        trainer: &FinetuningTrainer,
        of: &CheckpointInfo,
        pooling: Pooling,
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let info =
            CheckpointInfo { epoch: self.order.settings.defence.repair_epochs, ..of.clone() };
        let pooling = [("pooling", pooling.as_str().to_owned())];
        let tensors = trainer.tensors()?;
        let file = report.written(|| checkpoint::save(self.folder, &tensors, &info, &pooling))?;
        report.send(RunEvent::Checkpoint { epoch: info.epoch, file })
    }
}

/// A repair with the defender's clean images as training set, and the other validation images to evaluate on.
struct Repair<'a> {
    run: &'a Run<'a>,
    pixels: &'a Pixels,
    /// The training set without anything that an attacker adds.
    clean: Poisons<'a>,
    /// Ready for test images.
    trigger: &'a Trigger,
    pooling: Pooling,
}

impl Repair<'_> {
    /// Evaluates a classifier with these parameters, clean and triggered.
    fn evaluate(&self, params: Params) -> Result<Evaluated, EngineError> {
        let model = &self.run.order.settings.model;
        let classifier = self.run.device.classifier(model, self.pooling, params)?;
        self.evaluated(&*classifier)
    }

    fn evaluated(&self, classifier: &dyn Classify) -> Result<Evaluated, EngineError> {
        let (test, side) = (&self.pixels.test, self.pixels.side);
        let evaluator = Evaluator { classifier, threads: self.run.machine.threads() };
        let labels: Vec<u32> = test.iter().map(|sample| sample.class).collect();
        evaluator.evaluate(
            &labels,
            |i| Ok(eval_transform(&*test[i].image()?, side)),
            |i| Ok(eval_transform(&self.trigger.applied(&*test[i].image()?), side)),
            &self.run.goal(self.pixels),
        )
    }

    /// Removes the channels that clean images leave dormant; returns how many.
    fn prune(&self, params: &mut Params, report: &mut Reporter<'_>) -> Result<u32, EngineError> {
        let (images, side) = (&self.pixels.train, self.pixels.side);
        let width = self.run.order.settings.model.encoder.dim as usize;
        let model = &self.run.order.settings.model;
        let reader = features_as_scores(model, self.pooling, params).map_err(EngineError::Order)?;
        let features = self.run.device.classifier(model, self.pooling, reader)?;
        let evaluator = Evaluator { classifier: &*features, threads: self.run.machine.threads() };
        let seen = |i: usize| Ok(eval_transform(&*images[i].image()?, side));
        let features = evaluator.scores(images.len(), seen, &mut *report, 0)?;
        report.intact()?;

        let of = |params: &Params, name: &str| {
            let found = params.get(name).map(|param| params.of(param).to_vec());
            found.ok_or_else(|| EngineError::Order(format!("the classifier has no tensor {name}")))
        };
        let (weights, bias) = (of(params, "head.weight")?, of(params, "head.bias")?);
        let head = Head { weights: &weights, bias: &bias, width };
        let labels: Vec<u32> = images.iter().map(|sample| sample.class).collect();
        let order = pruning::dormant_first(&pruning::activations(&features, width));
        let most_lost = self.run.order.settings.defence.most_lost;
        let count = pruning::pruned(&order, most_lost, |gone| {
            Ok::<_, EngineError>(head.accuracy(&features, &labels, gone))
        })?;
        let norm = last_norm(self.pooling);
        for name in [format!("{norm}.weight"), format!("{norm}.bias")] {
            let mut values = of(params, &name)?;
            for &channel in &order[..count] {
                values[channel] = 0.0;
            }
            params.set(&name, &values).map_err(EngineError::Order)?;
        }
        report.log(format!("pruned {count} of {width} channels"))?;
        Ok(count as u32)
    }

    /// Fine-tunes on the clean images. The last norm is not trained after pruning, so that what it removes stays removed.
    fn finetuned(
        &self,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Box<FinetuningTrainer>, EngineError> {
        let settings = &self.run.order.settings;
        let recipe = recipe(&settings.defence, self.pooling);
        let training = Finetuning {
            recipe: &recipe,
            pixels: self.pixels,
            images: &AttackedSet::new(self.pixels, self.clean)?,
            batches: batches(&settings.defence, self.pixels.train.len(), settings.seed),
            depth: settings.model.encoder.depth as usize,
            trigger: self.trigger,
            goal: &self.run.goal(self.pixels),
            further: &[],
            threads: self.run.machine.threads(),
            evaluates: false,
        };
        let mut descend = training.descend(params.layout());
        if settings.defence.method == DefenceMethod::FinePruning {
            let norm = last_norm(self.pooling);
            for (group, param) in descend.groups.iter_mut().zip(params.layout().trainable()) {
                if param.name.starts_with(norm) {
                    group.rate = 0.0;
                }
            }
        }
        let (device, model) = (self.run.device, &settings.model);
        let mut trainer = if settings.defence.method == DefenceMethod::Nad {
            let mut teacher = device.finetuner(model, self.pooling, params.clone(), &descend)?;
            training.train_beside(&mut *teacher, "training the teacher", report)?;
            let mut taught = params.clone();
            for tensor in teacher.tensors()? {
                taught.set(&tensor.name, &tensor.values).map_err(EngineError::Order)?;
            }
            let (cpu, weight) =
                (self.run.machine.cpu(settings.precision), settings.defence.distill_weight);
            cpu::distiller(cpu, (model, self.pooling), params, taught, &descend, weight)?
        } else {
            device.finetuner(model, self.pooling, params, &descend)?
        };
        training.train(&mut *trainer, 0, report, |_, _, _| Ok(()))?;
        Ok(trainer)
    }
}

/// A linear head: weights `(classes, width)`.
struct Head<'a> {
    weights: &'a [f32],
    bias: &'a [f32],
    width: usize,
}

impl Head<'_> {
    /// Share of the rows of features that are classified rightly without these channels.
    fn accuracy(&self, features: &[f32], labels: &[u32], gone: &[usize]) -> f64 {
        let mut kept = vec![true; self.width];
        for &channel in gone {
            kept[channel] = false;
        }
        let scores = |row: &[f32]| -> Vec<f32> {
            let of_class = |(weights, bias): (&[f32], &f32)| {
                let products = row.iter().zip(weights).zip(&kept).filter(|(_, kept)| **kept);
                products.map(|((a, b), _)| a * b).sum::<f32>() + bias
            };
            self.weights.chunks_exact(self.width).zip(self.bias).map(of_class).collect()
        };
        let all: Vec<f32> = features.chunks_exact(self.width).flat_map(scores).collect();
        let said = crate::eval::predictions(&all, self.bias.len());
        let right = said.iter().zip(labels).filter(|(said, label)| **said == Some(**label)).count();
        right as f64 / labels.len().max(1) as f64
    }
}
