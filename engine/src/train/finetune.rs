//! Fine-tuning: encoder and classifier are trained together.

use kernel::Kernels;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use shared::{
    Rgb8, RunEvent, Trigger,
    metric::Evaluation,
    run::Phase,
    stream::{Purpose, stream, uniform},
    study::FinetuneSpec,
};

use super::{
    batches::{Batch, Batches},
    descent::Descent,
    poisons::AttackedSet,
    pretrain::EpochEnd,
    replicas::{self, Replicas},
    report::Reporter,
};
use crate::{
    EngineError,
    data::{
        DataError, Pixels,
        augment::{
            EraseBox, Filter, RandAugment, erase, eval_transform, normalise, random_flip,
            random_resized_crop,
        },
        mix::Mix,
    },
    device::pool,
    eval::Evaluator,
    model::{LabelledImages, PatchGrid, Targets, Vit, VitRun, VitWith, WholeImages},
    nn::{drop_factor, drop_rate, normal},
    optim::{AdamW, Schedule, layer_groups},
};

/// Betas of fine-tuning.
const BETAS: (f64, f64) = (0.9, 0.999);

/// What a fine-tuning needs besides its model.
pub struct Finetuning<'a> {
    /// The recipe.
    pub recipe: &'a FinetuneSpec,
    /// Training and test images.
    pub pixels: &'a Pixels,
    /// The training images with what the attacker adds.
    pub images: &'a AttackedSet<'a>,
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// The attacker's class.
    pub target_class: u32,
    /// Seed of order, augmentation, mixing and dropped paths.
    pub seed: u64,
    /// Threads to train on.
    pub threads: usize,
    /// How to multiply.
    pub kernels: Kernels,
}

impl Finetuning<'_> {
    /// The batches to train on.
    pub fn batches(&self) -> Batches {
        let FinetuneSpec { batch_size, epochs, .. } = *self.recipe;
        Batches { samples: self.images.len(), size: batch_size as usize, epochs, seed: self.seed }
    }

    /// The optimiser, before the first step.
    pub fn optimizer(&self, vit: &Vit) -> AdamW {
        let depth = vit.spec().encoder.depth as usize;
        let groups = layer_groups(vit.params(), depth, self.recipe.layer_decay);
        AdamW::new(vit.params(), BETAS, self.recipe.weight_decay).with_groups(groups)
    }

    /// Trains the model behind the first `done` epochs and returns its last evaluation. `save` is called at the end of each epoch.
    ///
    /// # Errors
    /// When the loss is no number any more; when `save` or an event fails.
    pub fn train(
        &self,
        vit: &mut Vit,
        adamw: &mut AdamW,
        done: u32,
        report: &mut Reporter<'_>,
        mut save: impl FnMut(EpochEnd<'_, Vit>, &mut Reporter<'_>) -> Result<(), EngineError>,
    ) -> Result<Evaluation, EngineError> {
        let recipe = self.recipe;
        let FinetuneSpec { base_lr, min_lr, warmup_epochs, epochs, .. } = *recipe;
        let step_size = recipe.batch_size * recipe.accumulate;
        let schedule = Schedule::new(base_lr, min_lr, step_size, warmup_epochs, epochs);
        let parameters = vit.params().values().len();
        let mut descent = Descent::new(recipe.accumulate, recipe.clip_norm, parameters);
        let mut evaluation = None;
        let batches = self.batches();
        report.begin(&batches);
        let pool = pool(self.threads)?;
        let mut replicas = Replicas::new(vec![VitRun::new(self.kernels)], parameters);
        let (grid, depth) = (vit.grid(), vit.spec().encoder.depth as usize);
        batches.prefetched(
            done,
            |batch| self.shards(grid, depth, batch),
            |batch, shards| {
                report.computes();
                let shards = shards?;
                let lr = schedule.at(descent.epochs_done(&batch));
                let size = batch.samples.len() as f64;
                let weights: Vec<f64> =
                    shards.iter().map(|shard| shard.images.images as f64 / size).collect();
                let toward = &mut descent.toward(adamw);
                let loss = pool.install(|| replicas.gradients(vit, &shards, &weights, toward));
                if !loss.is_finite() {
                    let epoch = batch.epoch + 1;
                    return Err(EngineError::Diverged { phase: Phase::Finetune, loss, epoch, lr });
                }
                pool.install(|| descent.step(&batch, adamw, vit.params_mut(), lr));
                report.step(&batch, loss, lr)?;
                if batch.ends_epoch() {
                    let epoch = batch.epoch + 1;
                    let checkpoint = epoch == epochs;
                    let milestone = checkpoint || epoch % recipe.evaluate_every.max(1) == 0;
                    if milestone {
                        let counts = self.evaluate(vit)?;
                        report.send(RunEvent::evaluated(epoch, &counts))?;
                        evaluation = Some(counts);
                    }
                    let (model, optimizer) = (&*vit, &*adamw);
                    save(
                        EpochEnd { model, epoch, checkpoint, milestone, knn: false, optimizer },
                        report,
                    )?;
                    report.waits();
                }
                Ok(())
            },
        )?;
        evaluation.ok_or_else(|| EngineError::Order("a fine-tuning has at least one epoch".into()))
    }

    fn evaluate(&self, vit: &Vit) -> Result<Evaluation, EngineError> {
        let Pixels { side, test, .. } = self.pixels;
        let classifier = &VitWith { vit, kernels: self.kernels };
        let evaluator = Evaluator { classifier, threads: self.threads };
        let clean = |i: usize| Ok(eval_transform(&*test[i].image()?, *side));
        let triggered =
            |i: usize| Ok(eval_transform(&self.trigger.applied(&*test[i].image()?), *side));
        let labels: Vec<u32> = test.iter().map(|sample| sample.class).collect();
        evaluator.evaluate(&labels, clean, triggered, self.target_class)
    }

    /// Augments and mixes the samples of a batch and draws what they skip. What happens to a sample alone depends on the seed, the
    /// epoch and the sample; the mixing on the seed and the step.
    fn shards(
        &self,
        grid: PatchGrid,
        depth: usize,
        batch: &Batch,
    ) -> Result<Vec<LabelledImages>, DataError> {
        let side = self.pixels.side;
        let Batch { epoch, ref samples, .. } = *batch;
        let mut planes = vec![0.0; samples.len() * grid.image_len()];
        let images = planes.par_chunks_exact_mut(grid.image_len()).zip(samples);
        images.try_for_each(|(planes, &sample)| -> Result<(), DataError> {
            let mut rng = stream(self.seed, Purpose::Augment, u64::from(epoch), u64::from(sample));
            normalise(&self.augmented(sample, &mut rng)?, planes);
            self.erase(planes, &mut rng);
            Ok(())
        })?;
        let step = batch.steps_done();
        let mix = Mix::draw(self.recipe, side, &mut stream(self.seed, Purpose::Mix, step, 0));
        mix.apply(&mut planes, side);
        let labels: Vec<u32> =
            samples.iter().map(|&sample| self.images.label(sample as usize)).collect();
        let classes = self.pixels.classes.len();
        let targets = Targets::new(&labels, classes, self.recipe.label_smoothing, mix.lambda);
        let shards = replicas::shards(samples.len()).into_iter().map(|range| {
            let mut images = WholeImages::default();
            for image in planes.chunks_exact(grid.image_len()).skip(range.start).take(range.len()) {
                images.push(grid, image);
            }
            LabelledImages {
                images,
                targets: targets.rows(range.clone()).to_vec(),
                drops: Some(self.drops(depth, epoch, &samples[range])),
            }
        });
        Ok(shards.collect())
    }

    /// The factors of every block's two parts for these samples.
    fn drops(&self, depth: usize, epoch: u32, samples: &[u32]) -> Vec<Vec<f32>> {
        let mut drops = vec![Vec::with_capacity(samples.len()); 2 * depth];
        for &sample in samples {
            let mut rng = stream(self.seed, Purpose::DropPath, u64::from(epoch), u64::from(sample));
            for (part, factors) in drops.iter_mut().enumerate() {
                let rate = drop_rate(self.recipe.drop_path, part / 2, depth);
                factors.push(drop_factor(rate, &mut rng));
            }
        }
        drops
    }

    fn augmented(&self, sample: u32, rng: &mut ChaCha8Rng) -> Result<Rgb8, DataError> {
        let (side, recipe) = (self.pixels.side, self.recipe);
        let image = self.images.image(sample as usize)?;
        let image = random_resized_crop(&image, side, recipe.crop_min_scale, Filter::Bicubic, rng);
        let image = if recipe.flip { random_flip(image, rng) } else { image };
        if !recipe.augments() {
            return Ok(image);
        }
        let (magnitude, deviation) = (recipe.rand_augment, recipe.rand_augment_deviation);
        Ok(RandAugment { magnitude, deviation, ..RandAugment::default() }.apply(image, rng))
    }

    /// Replaces a part of some images by noise.
    fn erase(&self, planes: &mut [f32], rng: &mut ChaCha8Rng) {
        let side = self.pixels.side;
        if f64::from(uniform(rng)) < self.recipe.erase_probability
            && let Some(part) = EraseBox::draw(side, side, rng)
        {
            erase(planes, side, side, part, || normal(rng) as f32);
        }
    }
}
