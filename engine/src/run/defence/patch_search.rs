//! `PatchSearch`: the search for patches that act as triggers, and a small classifier that finds images with such patches.

use rayon::prelude::*;
use shared::{
    Rgb8, RunKind,
    settings::{FinetuneSpec, ModelSpec, PATCH_BATCH, PATCH_CLASSIFIER, Pooling},
};

use super::Defence;
use crate::{
    EngineError,
    compute::{Descend, Device as _, LabelledBatch, Load, Params, Targets},
    data::{
        DataError,
        augment::{Crop, normalise, seen},
        mix::Mix,
    },
    defence::{
        Features, Filtered, Groups,
        patch_search::{self, Clustered, Searched},
    },
    eval::Evaluator,
    model::{layer_groups, vit},
    parallel::in_parallel,
    train::{
        batches::{Batch, Batches},
        fit::{Course, fit_beside},
        report::Reporter,
        schedule::Schedule,
    },
};

/// Images whose patches the classifier learns (the authors' value).
const PATCHES: usize = 20;
/// One image in so many, those with the highest scores, is left out of the training (the authors' value).
const ONE_OF: usize = 10;
/// Peak of the learning rate, for 256 images.
const RATE: f64 = 4e-3;
/// Smallest share of a training image's area that is seen (the authors' value).
const LEAST_SEEN: f64 = 0.2;

/// The patch of an image that gets most attention.
type Candidate<'a> = &'a (dyn Fn(usize) -> Result<Rgb8, EngineError> + Sync);

/// What `PatchSearch` says of a set.
pub(super) struct Said {
    pub(super) filtered: Filtered,
    pub(super) groups: Groups,
    pub(super) searched: Searched,
}

impl Defence<'_> {
    /// Searches a set with these features for patches that act as triggers, and looks for images with such patches.
    pub(super) fn patch_search(
        &self,
        set: &[f32],
        image: Load<'_>,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Said, EngineError> {
        let settings = &self.run.order.settings;
        let spec = &settings.defence;
        let features = Features::of_encoder(set, self.encoder.width())?;
        let clustered = Clustered::of(&features, spec.clusters as usize, settings.seed);
        // Only the processor tells what an encoder attends to.
        let looker =
            self.run.machine.cpu(settings.precision).encoder(self.encoder.spec(), params)?;
        let candidate = |i: usize| {
            let seen = image(i)?;
            let map = looker.roll_out(&seen)?;
            Ok(patch_search::candidate(&seen, &map, settings.model.patch_size as usize))
        };
        let searched = self.search(&clustered, image, &candidate, report)?;
        report.log(format!("{} patches were pasted on other images", searched.images.len()))?;
        let top = searched.highest(PATCHES);
        let patches = top.iter().map(|&i| candidate(i)).collect::<Result<_, EngineError>>()?;
        let mut trained_on = vec![true; features.len()];
        for image in searched.highest(features.len() / ONE_OF) {
            trained_on[image] = false;
        }
        let rest = (0..features.len()).filter(|&image| trained_on[image]).collect();
        let training = Training { rest: features.sorted(rest), patches, image };
        let scores = self.classified(&training, features.len(), report)?;
        let filtered = Filtered {
            flagged: scores.iter().map(|&score| score > 0.0).collect(),
            scores,
            indices: searched.clusters.clone(),
        };
        Ok(Said { filtered, groups: clustered.groups, searched })
    }

    /// Scores images by how many others their patch moves into their cluster.
    fn search(
        &self,
        clustered: &Clustered,
        image: Load<'_>,
        candidate: Candidate<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Searched, EngineError> {
        let settings = &self.run.order.settings;
        let central = clustered.central(settings.defence.pasted_on as usize);
        let others: Vec<Rgb8> = central.iter().map(|&i| image(i)).collect::<Result<_, _>>()?;
        let own = clustered.groups.of_images();
        let (width, threads) = (self.encoder.width(), self.run.machine.threads());
        let nearest = |rows: &[f32]| -> Vec<usize> {
            rows.chunks_exact(width).map(|row| clustered.nearest(row)).collect()
        };
        let plain = |i: usize| Ok(others[i].clone());
        let before = nearest(&self.features(others.len(), &plain, "features (central)", report)?);
        let inside = |clusters: &[usize], cluster: usize| {
            clusters.iter().filter(|&&other| other == cluster).count() as f64
        };
        patch_search::search(&clustered.groups, settings.seed, |images, first| {
            let patches = in_parallel(images.len(), threads, |i| candidate(images[i]))?;
            let (side, n) = (self.pixels.side, others.len());
            let places: Vec<_> = (0..images.len())
                .map(|i| {
                    patch_search::places(first + i, n, side, patches[i].width(), settings.seed)
                })
                .collect();
            let pasted = |k: usize| {
                let (candidate, other) = (k / n, k % n);
                let at = places[candidate][other];
                Ok(patch_search::pasted(others[other].clone(), &patches[candidate], at))
            };
            let rows = self.features(images.len() * n, &pasted, "pasting patches", report)?;
            let after = nearest(&rows);
            let score = |(&image, after): (&usize, &[usize])| {
                inside(after, own[image]) - inside(&before, own[image])
            };
            Ok(images.iter().zip(after.chunks_exact(n)).map(score).collect())
        })
    }

    /// Trains a classifier that tells images with one of the patches pasted on them from others, and returns its logit for each of `n` images.
    fn classified(
        &self,
        training: &Training<'_>,
        n: usize,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<f64>, EngineError> {
        let settings = &self.run.order.settings;
        let model =
            ModelSpec { encoder: PATCH_CLASSIFIER, decoder: PATCH_CLASSIFIER, ..settings.model };
        let layout = vit(&model, 2, Pooling::Mean);
        let descend = Descend {
            betas: (0.9, 0.999),
            weight_decay: FinetuneSpec::default().weight_decay,
            groups: layer_groups(&layout, PATCH_CLASSIFIER.depth as usize, 1.0),
            accumulate: 1,
            clip_norm: 0.0,
        };
        let params = Params::draw(layout, settings.seed);
        let mut trainer = self.run.device.finetuner(&model, Pooling::Mean, params, &descend)?;
        let samples = training.rest.len();
        let size = samples.min(PATCH_BATCH as usize);
        let of_epoch = (samples / size.max(1)).max(1);
        let epochs = (settings.defence.patch_steps as usize).div_ceil(of_epoch) as u32;
        let batches = Batches { samples, size, epochs, seed: settings.seed };
        let schedule = Schedule::new(RATE, 0.0, size as u32, epochs.div_ceil(10), epochs);
        let course = Course { phase: RunKind::Defence, batches, accumulate: 1, schedule };
        let make = |batch: &Batch| training.batch(batch, self.pixels.side, settings.seed);
        fit_beside(&course, &mut *trainer, make, "training the patch classifier", report)?;
        let evaluator =
            Evaluator { classifier: trainer.view(), threads: self.run.machine.threads() };
        let logits = evaluator.scores(n, training.image, &mut *report, 0)?;
        report.intact()?;
        Ok(logits.chunks_exact(2).map(|pair| f64::from(pair[1]) - f64::from(pair[0])).collect())
    }
}

/// What the classifier of patches is trained on.
struct Training<'a> {
    /// Images without those that have the highest scores.
    rest: Vec<usize>,
    patches: Vec<Rgb8>,
    image: Load<'a>,
}

impl Training<'_> {
    /// Crops of images, on half of which a patch is pasted.
    fn batch(&self, batch: &Batch, side: usize, seed: u64) -> Result<LabelledBatch, DataError> {
        let one = 3 * side * side;
        let mut planes = vec![0.0; batch.samples.len() * one];
        let labels = planes
            .par_chunks_exact_mut(one)
            .zip(&batch.samples)
            .map(|(planes, &sample)| {
                let mut rng = patch_search::drawn(seed, batch.epoch, sample);
                let crop = Crop::draw(sample, (side, side), LEAST_SEEN, true, &mut rng);
                let image = seen(&crop, &(self.image)(self.rest[sample as usize])?, side);
                let (image, is_pasted) = patch_search::maybe_pasted(image, &self.patches, &mut rng);
                normalise(&image, planes);
                Ok(u32::from(is_pasted))
            })
            .collect::<Result<Vec<u32>, DataError>>()?;
        let drops = vec![vec![1.0; labels.len()]; 2 * PATCH_CLASSIFIER.depth as usize];
        let targets = Targets::new(&labels, 2, 0.0, 1.0).shares;
        Ok(LabelledBatch { planes, crops: (Vec::new(), Mix::NONE), targets, drops })
    }
}
