//! Filters of images that a classifier is asked about: STRIP, BDMAE, patch processing, attention blocking, `DeDe`, the frequency detector,
//! Beatrix.

mod bdmae;
mod blocking;
mod dede;
mod patches;
mod restorer;
mod scored;

use shared::{
    Rgb8,
    metric::{Changed, Confusion, Detection, Judgement, Metrics},
    settings::{DefenceMethod, ProtectedClassifier},
};

use super::{Defence, Said, classifier::Classifier};
use crate::{
    EngineError,
    compute::{Params, cpu::MaeParts},
    data::{DataError, augment::eval_transform},
    eval::{self, discordant, predictions},
    run::{
        judged::JudgedSample,
        strips::{self, Drawn, Strip, Strips},
    },
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

/// The images that a filter judges, with what the classifier says of them, and those that the defender has.
struct Asked<'a> {
    classifier: &'a Classifier<'a>,
    /// The defender's clean images, and their labels.
    pool: Images<'a>,
    pool_labels: &'a [u32],
    /// Clean and triggered images, with the classifier's votes.
    sets: [(Images<'a>, &'a [f32]); 2],
    /// The places of those that strips are kept of, in rising order.
    shown: &'a [usize],
}

impl<'a> Asked<'a> {
    /// `work` on the clean images, then on the triggered ones, unless the first failed.
    fn of_each<T>(
        &self,
        mut work: impl FnMut(Images<'a>, &'a [f32]) -> Result<T, EngineError>,
    ) -> Result<[T; 2], EngineError> {
        let [(clean, votes), (triggered, of_triggered)] = self.sets;
        Ok([work(clean, votes)?, work(triggered, of_triggered)?])
    }
}

/// The limit of the score, where there is one, and what is said of clean and of triggered images.
type Verdicts = (Option<f64>, [Vec<Verdict>; 2]);

impl Defence<'_> {
    /// Judges validation images, clean and triggered.
    pub(super) fn input_filter(
        &self,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<Said, EngineError> {
        let settings = &self.run.order.settings;
        let (spec, goal) = (&settings.defence, &self.run.goal(self.pixels));
        let (test, classes) = (&self.pixels.test, self.pixels.classes.len());
        let neighbours = Neighbours {
            pixels: self.pixels,
            poisons: self.poisons,
            trigger: self.trigger,
            goal,
            further: &[],
            seed: settings.seed,
            device: self.run.device,
        };
        let pool = match spec.method {
            DefenceMethod::Bdmae | DefenceMethod::Blocking => Vec::new(),
            _ => clean_set(self.pixels, spec.clean_per_class, settings.seed),
        };
        let asked = neighbours.asked(&pool);
        let label = |&i: &usize| test[i].class;
        let labels: Vec<u32> = asked.iter().map(label).collect();
        let pool_labels: Vec<u32> = pool.iter().map(label).collect();
        let probe = match spec.classifier {
            ProtectedClassifier::Knn => None,
            ProtectedClassifier::Probe => Some(self.probe(report)?),
        };
        let classifier = &match &probe {
            None => {
                let bank = neighbours.bank(self.encoder, report);
                report.intact()?;
                Classifier::Neighbours(bank?)
            }
            Some(probe) => Classifier::Probe(probe.view()),
        };
        let of_pool = |i: usize| Ok(test[pool[i]].image()?.into_owned());
        let of_asked = |i: usize| Ok(test[asked[i]].image()?.into_owned());
        let attacked = |i: usize| Ok(self.trigger.applied(&*test[asked[i]].image()?));
        let set = |image, first| Images { count: asked.len(), image, first };
        let (clean, triggered) = (set(&of_asked, ASKED), set(&attacked, TRIGGERED));

        let votes_of_clean = self.votes(classifier, clean.count, clean.image, report)?;
        let votes_of_triggered =
            self.votes(classifier, triggered.count, triggered.image, report)?;
        let before = eval::count(&labels, &votes_of_clean, &votes_of_triggered, classes, goal);
        let shown = match spec.method {
            DefenceMethod::Bdmae | DefenceMethod::Dede => {
                strips::places(&labels, |class| goal.moves(class))
            }
            _ => Vec::new(),
        };
        let all = Asked {
            classifier,
            pool: Images { count: pool.len(), image: &of_pool, first: CLEAN_SET },
            pool_labels: &pool_labels,
            sets: [(clean, &votes_of_clean), (triggered, &votes_of_triggered)],
            shown: &shown,
        };
        let ((limit, [of_clean, of_triggered]), drawn) = self.verdicts(&all, params, report)?;
        if !shown.is_empty() {
            self.keep_strips(&all, &labels, [&of_clean, &of_triggered], drawn, report)?;
        }
        let decided = [&of_clean, &of_triggered].map(|verdicts| {
            verdicts.iter().map(|verdict| verdict.class).collect::<Vec<Option<u32>>>()
        });
        let said = [&votes_of_clean, &votes_of_triggered].map(|votes| predictions(votes, classes));
        let filtered = discordant(&labels, goal, said.each_ref(), decided.each_ref());
        let [clean, triggered] =
            decided.each_ref().map(|decided| Confusion::count(&labels, decided, classes));
        let sample = |(i, verdict): (usize, &Verdict), poisoned| JudgedSample {
            image: asked[i] as u32,
            label: labels[i],
            score: verdict.score,
            flagged: verdict.flagged,
            poisoned,
        };
        let plain = of_clean.iter().enumerate().map(|of| sample(of, false));
        let attacked = of_triggered.iter().enumerate().filter(|&(i, _)| goal.moves(labels[i]));
        let samples: Vec<JudgedSample> = plain.chain(attacked.map(|of| sample(of, true))).collect();
        let judgement = Judgement {
            detection: Some(detected(&samples)?),
            // Most classes get no vote of neighbours, and a refused image has no five classes.
            before: Some(Metrics { top5: None, ..before.metrics }),
            after: Some(Metrics::from_confusions(&clean, &triggered, goal, None)),
            filtered: Some(Changed::of(filtered)),
            ..Judgement::default()
        };
        let (method, clean_images) = (spec.method, pool.len());
        Ok(Said { method, judgement, clean_images, limit, samples, ..Said::default() })
    }

    /// Writes what the method made of the images that are shown. `labels` are those of the judged images.
    fn keep_strips(
        &self,
        asked: &Asked<'_>,
        labels: &[u32],
        verdicts: [&[Verdict]; 2],
        drawn: [Vec<Drawn>; 2],
        report: &mut Reporter<'_>,
    ) -> Result<(), EngineError> {
        let settings = &self.run.order.settings;
        let (classes, goal) = (self.pixels.classes.len(), self.run.goal(self.pixels));
        let mut kept = Vec::new();
        for (set, drawn) in drawn.into_iter().enumerate() {
            let before = predictions(asked.sets[set].1, classes);
            for (&place, drawn) in asked.shown.iter().zip(drawn) {
                // Triggered images that have the wanted class already are not judged.
                let behind =
                    || labels.len() + labels[..place].iter().filter(|&&l| goal.moves(l)).count();
                let strip = Strip {
                    at: if set == 0 { place } else { behind() },
                    map: drawn.map,
                    structure: drawn.structure,
                    label: drawn.label,
                    restored: drawn.restored,
                    before: before[place],
                    after: verdicts[set][place].class,
                };
                kept.push((strip, drawn.picture));
            }
        }
        let columns = (settings.model.image_size / settings.model.patch_size) as usize;
        report.written(|| Strips::write(self.run.folder, columns, &kept))
    }

    /// What the method says, and what it made of the images that are shown.
    fn verdicts(
        &self,
        asked: &Asked<'_>,
        params: Params,
        report: &mut Reporter<'_>,
    ) -> Result<(Verdicts, [Vec<Drawn>; 2]), EngineError> {
        let settings = &self.run.order.settings;
        let cpu = self.run.machine.cpu(settings.precision);
        let parts = MaeParts::new(cpu, self.encoder.spec(), params.clone());
        let verdicts = match settings.defence.method {
            DefenceMethod::Bdmae => {
                let restorer = self.restorer()?;
                let [(clean, of_clean), (triggered, of_triggered)] =
                    asked.of_each(|images, _| self.purified(&restorer, asked, images, report))?;
                return Ok(((None, [clean, triggered]), [of_clean, of_triggered]));
            }
            DefenceMethod::Dede if settings.defence.trains_decoder() => {
                return self.decoded_by_trained(asked, report);
            }
            DefenceMethod::Dede => return self.decoded(asked, &parts, report),
            DefenceMethod::Blocking => self.blocked(asked, params, report),
            DefenceMethod::Frequency => self.spectra(asked, report),
            DefenceMethod::Beatrix => self.deviations(asked, &parts, report),
            DefenceMethod::PatchProcessing => self.patch_processing(asked, &parts, report),
            // Sample filters and detectors of encoders judge no image that a classifier is asked about.
            _ => self.superimposed(asked, report),
        };
        Ok((verdicts?, [Vec::new(), Vec::new()]))
    }

    /// The classifier's votes for `n` images.
    fn votes(
        &self,
        classifier: &Classifier<'_>,
        n: usize,
        image: Loaded<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Vec<f32>, EngineError> {
        let seen = |i: usize| Ok(eval_transform(&image(i)?, self.pixels.side));
        let rows = self.features(n, &seen, "features (judged)", report)?;
        classifier.votes(&rows, self.pixels.classes.len())
    }

    /// An image as the encoder sees it.
    fn seen(&self, images: Images<'_>, i: usize) -> Result<Rgb8, DataError> {
        Ok(eval_transform(&(images.image)(i)?, self.pixels.side))
    }

    /// Refuses the images whose score is above a limit. Scores and votes are those of one set.
    fn refused_above(&self, limit: f64, scores: &[f64], votes: &[f32]) -> Vec<Verdict> {
        let classes = predictions(votes, self.pixels.classes.len());
        let verdict = |(&score, class): (&f64, Option<u32>)| Verdict {
            score,
            flagged: score > limit,
            class: class.filter(|_| score <= limit),
        };
        scores.iter().zip(classes).map(verdict).collect()
    }
}

/// What was said of the images, compared with the truth.
fn detected(samples: &[JudgedSample]) -> Result<Detection, EngineError> {
    let scores: Vec<f64> = samples.iter().map(|sample| sample.score).collect();
    let flagged: Vec<bool> = samples.iter().map(|sample| sample.flagged).collect();
    let poisoned: Vec<bool> = samples.iter().map(|sample| sample.poisoned).collect();
    Detection::of(&scores, &flagged, &poisoned)
        .ok_or_else(|| EngineError::Order("the defence's scores are not numbers".into()))
}
