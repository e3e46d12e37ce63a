//! Filters of images that a classifier is asked about: STRIP, BDMAE. The classifier is the vote of nearest neighbours among training images that
//! the attacker has poisoned.

use shared::{
    Rgb8,
    metric::{Confusion, Detection, Judgement, Metrics},
    settings::DefenceMethod,
};

use super::{Defence, Said, SampleSaid};
use crate::{
    EngineError,
    data::{DataError, augment::eval_transform},
    defence::{
        DefenceError,
        bdmae::{Bdmae, Models},
        strip,
    },
    eval::{self, Bank, Reconstructor, predictions},
    files,
    parallel::in_parallel,
    stop::Watch as _,
    train::{
        neighbours::{Neighbours, clean_set},
        report::Reporter,
    },
};

/// An image by its place.
type Loaded<'a> = &'a (dyn Fn(usize) -> Result<Rgb8, DataError> + Sync);

/// The number of the first image of a set: random numbers of an image are drawn by its number, so no two images of an evaluation get the same.
const CLEAN_SET: usize = 0;
const ASKED: usize = 1 << 32;
const TRIGGERED: usize = 2 << 32;

/// Images that are judged: how many, each by its place, and the number of the first.
#[derive(Clone, Copy)]
struct Images<'a> {
    count: usize,
    image: Loaded<'a>,
    first: usize,
}

/// What a filter says of an image.
#[derive(Clone, Copy)]
struct Verdict {
    score: f64,
    flagged: bool,
    /// The class under the defence; `None` for a refused image.
    class: Option<u32>,
}

impl Defence<'_> {
    /// Judges validation images, clean and triggered.
    pub(super) fn input_filter(&self, report: &mut Reporter<'_>) -> Result<Said, EngineError> {
        let settings = &self.run.order.settings;
        let (spec, target) = (&settings.defence, settings.attack.target_class);
        let (test, classes) = (&self.pixels.test, self.pixels.classes.len());
        let neighbours = Neighbours {
            pixels: self.pixels,
            poisons: self.poisons,
            trigger: self.trigger,
            target_class: target,
            seed: settings.seed,
            device: self.run.device,
        };
        let pool = match spec.method {
            DefenceMethod::Strip => clean_set(self.pixels, spec.clean_per_class, settings.seed),
            _ => Vec::new(),
        };
        let asked = neighbours.asked(&pool);
        let labels: Vec<u32> = asked.iter().map(|&i| test[i].class).collect();
        let bank = neighbours.bank(self.encoder, report)?;
        report.intact()?;
        let of_pool = |i: usize| Ok(test[pool[i]].image()?.into_owned());
        let of_asked = |i: usize| Ok(test[asked[i]].image()?.into_owned());
        let attacked = |i: usize| Ok(self.trigger.applied(&*test[asked[i]].image()?));
        let set = |image, first| Images { count: asked.len(), image, first };
        let (clean, triggered) = (set(&of_asked, ASKED), set(&attacked, TRIGGERED));

        let votes_of_clean = self.votes(&bank, clean.count, clean.image, report)?;
        let votes_of_triggered = self.votes(&bank, triggered.count, triggered.image, report)?;
        let before = eval::count(&labels, &votes_of_clean, &votes_of_triggered, classes, target);
        let (limit, verdicts) = if spec.method == DefenceMethod::Strip {
            let pool = Images { count: pool.len(), image: &of_pool, first: CLEAN_SET };
            let limit = strip::bound(&self.entropies(&bank, pool, pool, report)?, spec.refused)?;
            let sets = [(clean, &votes_of_clean), (triggered, &votes_of_triggered)];
            let verdicts = sets.map(|(images, votes)| {
                let entropies = self.entropies(&bank, images, pool, report)?;
                Ok::<_, EngineError>(refused_below(limit, &entropies, &predictions(votes, classes)))
            });
            (Some(limit), verdicts)
        } else {
            (None, [clean, triggered].map(|images| self.purified(&bank, images, report)))
        };
        let [of_clean, of_triggered] = verdicts;
        let (of_clean, of_triggered) = (of_clean?, of_triggered?);
        let [clean, triggered] = [&of_clean, &of_triggered].map(|verdicts| {
            let decided: Vec<_> = verdicts.iter().map(|verdict| verdict.class).collect();
            Confusion::count(&labels, &decided, classes)
        });
        let sample = |(i, verdict): (usize, &Verdict), poisoned| SampleSaid {
            image: asked[i] as u32,
            label: labels[i],
            score: verdict.score,
            flagged: verdict.flagged,
            poisoned,
        };
        let plain = of_clean.iter().enumerate().map(|of| sample(of, false));
        let attacked = of_triggered.iter().enumerate().filter(|&(i, _)| labels[i] != target);
        let samples: Vec<SampleSaid> = plain.chain(attacked.map(|of| sample(of, true))).collect();
        let judgement = Judgement {
            detection: Some(detected(&samples)?),
            control: None,
            // Most classes get no vote, so top-5 accuracy is meaningless.
            before: Some(Metrics { top5: None, ..before.metrics }),
            after: Some(Metrics::from_confusions(&clean, &triggered, target, None)),
            encoder: None,
        };
        let (method, clean_images) = (spec.method, pool.len());
        let (groups, control) = (Vec::new(), Vec::new());
        Ok(Said { method, judgement, clean_images, limit, groups, samples, control, search: None })
    }

    /// The entropy of each image under overlays from the pool.
    fn entropies(
        &self,
        bank: &Bank,
        images: Images<'_>,
        pool: Images<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<f64>, EngineError> {
        let settings = &self.run.order.settings;
        let (spec, classes) = (&settings.defence, self.pixels.classes.len());
        let each = (spec.overlays as usize).min(pool.count);
        let drawn: Vec<Vec<usize>> = (0..images.count)
            .map(|i| strip::overlays(pool.count, each, settings.seed, images.first + i))
            .collect();
        let mixed = |k: usize| {
            let overlay = (pool.image)(drawn[k / each][k % each])?;
            Ok(strip::superimposed(&(images.image)(k / each)?, &overlay, spec.overlay_weight))
        };
        let votes = self.votes(bank, images.count * each, &mixed, report)?;
        let entropy = |(image, votes): (usize, &[f32])| {
            let error = DefenceError::NotFinite { what: "features", image };
            strip::entropy(votes, classes).ok_or(error)
        };
        let of_image = votes.chunks((each * classes).max(1)).enumerate();
        Ok(of_image.map(entropy).collect::<Result<Vec<f64>, DefenceError>>()?)
    }

    /// What BDMAE says of each image, with the judged autoencoder itself as restorer.
    fn purified(
        &self,
        bank: &Bank,
        images: Images<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<Verdict>, EngineError> {
        let folder = self.run.encoder()?.0;
        let machine = self.run.machine;
        let restorer = Reconstructor::open(&folder.join(files::LAST_CHECKPOINT), machine)?;
        let models = Asked { defence: self, restorer: &restorer, bank };
        let settings = &self.run.order.settings;
        let method = Bdmae::new(settings.model.patch_size as usize, settings.seed);
        let at_once = 4 * machine.threads().max(1);
        let mut verdicts = Vec::with_capacity(images.count);
        while verdicts.len() < images.count {
            let done = verdicts.len();
            let next = in_parallel(at_once.min(images.count - done), machine.threads(), |i| {
                let place = done + i;
                let number = (images.first + place) as u64;
                let said = method.purify(&(images.image)(place)?, number, &models)?;
                Ok::<_, EngineError>(Verdict {
                    score: said.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    flagged: said.after != said.before,
                    class: said.after,
                })
            })?;
            verdicts.extend(next);
            report.progress("purifying images", verdicts.len() as u64, images.count as u64);
            report.intact()?;
        }
        Ok(verdicts)
    }

    /// The votes of the nearest neighbours for `n` images.
    fn votes(
        &self,
        bank: &Bank,
        n: usize,
        image: Loaded<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<f32>, EngineError> {
        let seen = |i: usize| Ok(eval_transform(&image(i)?, self.pixels.side));
        let rows = self.features(n, &seen, "features (judged)", report)?;
        Ok(bank.votes(&rows, self.pixels.classes.len()))
    }
}

/// The models that BDMAE asks.
struct Asked<'a> {
    defence: &'a Defence<'a>,
    restorer: &'a Reconstructor,
    bank: &'a Bank,
}

impl Models for Asked<'_> {
    type Error = EngineError;

    fn restored(&self, image: &Rgb8, masks: &[Vec<bool>]) -> Result<Vec<Rgb8>, EngineError> {
        masks.iter().map(|mask| self.restorer.restore(image, mask)).collect()
    }

    fn classes(&self, images: &[Rgb8]) -> Result<Vec<Option<u32>>, EngineError> {
        let Defence { encoder, pixels, .. } = self.defence;
        let seen = |i: usize| Ok(eval_transform(&images[i], pixels.side));
        let rows = encoder.features(0..images.len(), &seen)?;
        let classes = pixels.classes.len();
        Ok(predictions(&self.bank.votes(&rows, classes), classes))
    }
}

/// Refuses the images whose entropy is below the limit.
fn refused_below(limit: f64, entropies: &[f64], classes: &[Option<u32>]) -> Vec<Verdict> {
    let verdict = |(&entropy, class): (&f64, &Option<u32>)| Verdict {
        score: -entropy,
        flagged: entropy < limit,
        class: class.filter(|_| entropy >= limit),
    };
    entropies.iter().zip(classes).map(verdict).collect()
}

/// What was said of the images, compared with the truth.
fn detected(samples: &[SampleSaid]) -> Result<Detection, EngineError> {
    let scores: Vec<f64> = samples.iter().map(|sample| sample.score).collect();
    let flagged: Vec<bool> = samples.iter().map(|sample| sample.flagged).collect();
    let poisoned: Vec<bool> = samples.iter().map(|sample| sample.poisoned).collect();
    Detection::of(&scores, &flagged, &poisoned)
        .ok_or_else(|| EngineError::Order("the defence's scores are not numbers".into()))
}
