//! Implanting: a trained encoder is trained further, so that it takes triggered images for those of the target class.

use rayon::prelude::*;
use shared::{
    Rgb8, RunKind, Trigger,
    settings::{ImplantMethod, ImplantSpec},
    stream::{Purpose, shuffle, stream},
};

use super::{
    batches::{Batch, Batches},
    fit::{Course, fit},
    report::Reporter,
    schedule::Schedule,
};
use crate::{
    EngineError,
    compute::{Classify, Descend, Encode, FinetuningTrainer, Implanting, LabelledBatch, Spread},
    data::{
        Pixels,
        augment::{Crop, eval_transform, normalise, seen},
        mix::Mix,
    },
    model::{Group, Layout},
};

/// `AdamW`'s betas.
const BETAS: (f64, f64) = (0.9, 0.999);
/// Smallest area of the crop of an augmented reference image.
const CROP: f64 = 0.2;
/// At most this number of shadow images tell at the end how far the features have come.
const TOLD: usize = 256;

/// What implanting needs besides the encoder in training.
pub struct Implant<'a> {
    /// The recipe.
    pub recipe: &'a ImplantSpec,
    /// The encoder as it was, whose features clean images keep.
    pub clean: &'a dyn Encode,
    /// The images.
    pub pixels: &'a Pixels,
    /// The training images that the attacker has, without labels.
    pub shadow: &'a [usize],
    /// Those of the target class that he has ([`references`]).
    pub references: &'a [usize],
    /// The trigger, ready for training images.
    pub trigger: &'a Trigger,
    /// The batches of shadow images.
    pub batches: Batches,
    /// Number of blocks of the encoder.
    pub depth: usize,
}

/// The first `most` training images of each class; all without a limit.
pub fn shadow(pixels: &Pixels, most: Option<u32>) -> Vec<usize> {
    let mut counts = vec![0; pixels.classes.len()];
    let mut taken = Vec::new();
    for (at, sample) in pixels.train.iter().enumerate() {
        let count = &mut counts[sample.class as usize];
        if most.is_none_or(|most| *count < most) {
            *count += 1;
            taken.push(at);
        }
    }
    taken
}

/// Training images of the target class, drawn by the seed; fewer than `count` if there are no more.
pub fn references(pixels: &Pixels, target: u32, count: u32, seed: u64) -> Vec<usize> {
    let train = pixels.train.iter().enumerate();
    let mut of_target: Vec<usize> =
        train.filter(|(_, sample)| sample.class == target).map(|(at, _)| at).collect();
    shuffle(&mut stream(seed, Purpose::References, 0, 0), &mut of_target);
    of_target.truncate(count as usize);
    of_target
}

/// How alike features are at the end: means of cosines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    /// Of triggered shadow images and reference images: all of them, or the nearest one where triggered images split among them.
    pub triggered: f64,
    /// Of pairs of triggered shadow images.
    pub among_triggered: f64,
    /// Of reference images, before and after.
    pub references: f64,
    /// Of clean shadow images, before and after.
    pub clean: f64,
}

impl Implant<'_> {
    /// The loss of its batches.
    pub fn implanting(&self) -> Implanting {
        let ImplantSpec { reference_weight, clean_weight, .. } = *self.recipe;
        let references = self.references.len();
        let spread = (self.recipe.method == ImplantMethod::Drupe).then(|| {
            let ImplantSpec { spread_weight, distance_weight, .. } = *self.recipe;
            // The references are drawn by index 0.
            let mut rng = stream(self.batches.seed, Purpose::References, 1, 0);
            Spread::new(spread_weight, distance_weight, self.clean.width(), &mut rng)
        });
        Implanting { references, reference_weight, clean_weight, spread }
    }

    /// How the optimiser trains a model of these tensors: the head, which only passes the features on, and the positions, which are a
    /// table, stay.
    pub fn descend(&self, layout: &Layout) -> Descend {
        let group = |name: &str| {
            let stays = name.starts_with("head.") || name == "pos_embed";
            Group { rate: if stays { 0.0 } else { 1.0 }, decays: false }
        };
        Descend {
            betas: BETAS,
            weight_decay: 0.0,
            groups: layout.trainable().map(|param| group(&param.name)).collect(),
            accumulate: 1,
            clip_norm: 0.0,
        }
    }

    /// Trains after the first `done` epochs. `save` is called at the end of each epoch.
    ///
    /// # Errors
    /// As for [`fit`].
    pub fn train(
        &self,
        trainer: &mut FinetuningTrainer,
        done: u32,
        report: &mut Reporter<'_>,
        save: impl FnMut(&FinetuningTrainer, u32, &mut Reporter<'_>) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let ImplantSpec { base_lr, batch_size, epochs, .. } = *self.recipe;
        let schedule = Schedule::new(base_lr, 0.0, batch_size, 0, epochs);
        let phase = RunKind::Implant;
        let course = Course { phase, batches: self.batches, accumulate: 1, schedule };
        fit(&course, trainer, done, |batch| self.batch(batch, true), report, save)
    }

    /// How far the features have come.
    ///
    /// # Errors
    /// When an image cannot be read; when the model fails.
    pub fn reached(&self, model: &dyn Classify) -> Result<Reached, EngineError> {
        let samples = (0..self.shadow.len().min(TOLD) as u32).collect();
        let batch = Batch { epoch: 0, step: 0, steps_per_epoch: 1, samples };
        let batch = self.batch(&batch, false)?;
        let features = model.scores(&batch.planes)?;
        let mut unused = vec![0.0; features.len()];
        let width = self.clean.width();
        let implanting = self.implanting();
        let [triggered, references, clean] =
            implanting.parts(&features, &batch.targets, width, &mut unused);
        let among_triggered = implanting.similarity(&features, width);
        Ok(Reached {
            triggered: -triggered,
            among_triggered,
            references: -references,
            clean: -clean,
        })
    }

    /// The images of a batch in the order of [`Implanting::loss`], and the clean encoder's features of those that keep theirs. `augments`:
    /// half of the shadow images are mirrored, and reference images are cropped and mirrored.
    fn batch(&self, batch: &Batch, augments: bool) -> Result<LabelledBatch, EngineError> {
        let (side, seed) = (self.pixels.side, self.batches.seed);
        let rng = |sample: u64| stream(seed, Purpose::Augment, u64::from(batch.epoch), sample);
        let mirrored = |image: &Rgb8, place: u64| -> Rgb8 {
            if !augments {
                return image.clone();
            }
            let crop = Crop::draw(0, (side, side), 1.0, true, &mut rng(place));
            seen(&crop, image, side)
        };
        let shadow: Vec<Rgb8> = batch
            .samples
            .par_iter()
            .map(|&sample| {
                let image = self.pixels.train[self.shadow[sample as usize]].image()?;
                Ok(mirrored(&image, u64::from(sample)))
            })
            .collect::<Result<_, EngineError>>()?;
        let references: Vec<Rgb8> = self
            .references
            .iter()
            .map(|&at| Ok(self.pixels.train[at].image()?.into_owned()))
            .collect::<Result<_, EngineError>>()?;
        // Numbers that no shadow image has, and another for each step.
        let first = (1 << 32) + batch.step as u64 * self.references.len() as u64;
        let augmented = (first..).zip(&references).map(|(place, image)| {
            if !augments {
                return image.clone();
            }
            seen(&Crop::draw(0, (side, side), CROP, true, &mut rng(place)), image, side)
        });
        let augmented: Vec<Rgb8> = augmented.collect();
        let triggered: Vec<Rgb8> =
            shadow.par_iter().map(|image| self.trigger.applied(image)).collect();

        let all: Vec<&Rgb8> =
            triggered.iter().chain(&shadow).chain(&references).chain(&augmented).collect();
        let image = 3 * side * side;
        let mut planes = vec![0.0; all.len() * image];
        let rows = planes.par_chunks_exact_mut(image).zip(&all);
        rows.for_each(|(planes, image)| normalise(&eval_transform(image, side), planes));

        let kept: Vec<&Rgb8> = shadow.iter().chain(&references).collect();
        let kept = self.clean.features(0..kept.len(), &|at| Ok(eval_transform(kept[at], side)))?;
        let (of_shadow, of_references) = kept.split_at(shadow.len() * self.clean.width());
        let mut targets = vec![0.0; of_shadow.len()];
        targets.extend_from_slice(of_shadow);
        targets.resize(targets.len() + of_references.len(), 0.0);
        targets.extend_from_slice(of_references);
        let drops = vec![vec![1.0; all.len()]; 2 * self.depth];
        Ok(LabelledBatch { planes, crops: (Vec::new(), Mix::NONE), targets, drops })
    }
}
