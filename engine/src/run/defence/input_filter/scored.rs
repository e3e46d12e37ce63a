//! Filters that give each image a score and refuse it above a limit: STRIP, the frequency detector, Beatrix; and what `DeDe` is scored by.

use std::ops::Range;

use super::{Asked, Images, Verdicts};
use crate::{
    EngineError,
    compute::cpu::MaeParts,
    defence::{
        DefenceError, Features,
        beatrix::{Beatrix, Channels, Projection},
        frequency::FrequencyDetector,
        limit::limit,
        strip,
    },
    eval::predictions,
    parallel::in_parallel,
    run::defence::{Defence, classifier::Classifier},
    stop::Watch as _,
    train::report::Reporter,
};

/// Channels of Beatrix: the first principal components of the tokens. All pairs of them are compared at eight powers.
const CHANNELS: usize = 64;
/// Images whose progress is told together.
const TOLD: usize = 64;

impl Defence<'_> {
    /// STRIP: the entropy of predictions under overlays.
    pub(super) fn superimposed(
        &self,
        asked: &Asked<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Verdicts, EngineError> {
        let refused = self.run.order.settings.defence.refused;
        let (classifier, pool) = (asked.classifier, asked.pool);
        let limit = strip::bound(&self.entropies(classifier, pool, pool, report)?, refused)?;
        let verdicts = asked.of_each(|images, votes| {
            let entropies = self.entropies(classifier, images, pool, report)?;
            let scores: Vec<f64> = entropies.iter().map(|entropy| -entropy).collect();
            Ok(self.refused_above(-limit, &scores, votes))
        });
        Ok((Some(limit), verdicts?))
    }

    /// The entropy of each image under overlays from the pool.
    fn entropies(
        &self,
        classifier: &Classifier<'_>,
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
        let votes = self.votes(classifier, images.count * each, &mixed, report)?;
        let entropy = |(image, votes): (usize, &[f32])| {
            let error = DefenceError::NotFinite { what: "features", image };
            strip::entropy(votes, classes).ok_or(error)
        };
        let of_image = votes.chunks((each * classes).max(1)).enumerate();
        Ok(of_image.map(entropy).collect::<Result<Vec<f64>, DefenceError>>()?)
    }

    /// The frequency detector, which no model is needed for. Its limit is of clean images that the scoring model was not trained on.
    pub(super) fn spectra(
        &self,
        asked: &Asked<'_>,
        report: &mut Reporter<'_>,
    ) -> Result<Verdicts, EngineError> {
        let (pool, threads) = (asked.pool, self.run.machine.threads());
        let clean = in_parallel(pool.count, threads, |i| self.seen(pool, i))?;
        report.progress("training the frequency detector", 0, 1);
        let settings = &self.run.order.settings;
        let held_out = FrequencyDetector::held_out(&clean, settings.seed)?;
        let limit = limit("the frequency detector", &held_out, settings.defence.refused)?;
        let model = FrequencyDetector::train(&clean, settings.seed)?;
        let verdicts = asked.of_each(|images, votes| {
            let scores = in_parallel(images.count, threads, |i| {
                Ok::<_, EngineError>(model.score(&self.seen(images, i)?))
            })?;
            Ok(self.refused_above(limit, &scores, votes))
        });
        report.intact()?;
        Ok((Some(limit), verdicts?))
    }

    /// Beatrix: products of the encoder's tokens that leave the range of the predicted class.
    pub(super) fn deviations(
        &self,
        asked: &Asked<'_>,
        parts: &MaeParts,
        report: &mut Reporter<'_>,
    ) -> Result<Verdicts, EngineError> {
        let (settings, pool) = (&self.run.order.settings, asked.pool);
        let classes = self.pixels.classes.len();
        let clean = self.tokens(parts, pool, 0..pool.count)?;
        let all: Vec<f64> = clean.iter().flat_map(Features::rows).flatten().copied().collect();
        let projection = Projection::of(&Features::new(all, self.encoder.width())?, CHANNELS);
        let channels: Vec<Vec<f64>> =
            clean.iter().map(|tokens| projection.channels(tokens)).collect();
        let positions = parts.grid().count();
        let of_class = |class: u32| {
            let own = channels.iter().zip(asked.pool_labels).filter(move |of| *of.1 == class);
            own.map(|(values, _)| Channels { values, positions }).collect::<Vec<_>>()
        };
        let by_class: Vec<Vec<Channels<'_>>> = (0..classes as u32).map(of_class).collect();
        let ranges = Beatrix::of(&by_class)?;
        let limit = limit("Beatrix", &ranges.clean, settings.defence.refused)?;
        let verdicts = asked.of_each(|images, votes| {
            let predicted = predictions(votes, classes);
            let scores = by_parts(images, report, |at| {
                let tokens = self.tokens(parts, images, at.clone())?;
                let threads = self.run.machine.threads();
                in_parallel(at.len(), threads, |i| {
                    let image = at.start + i;
                    let values = projection.channels(&tokens[i]);
                    let class = predicted[image]
                        .ok_or(DefenceError::NotFinite { what: "features", image })?;
                    Ok::<_, EngineError>(
                        ranges.deviation(class, &Channels { values: &values, positions })?,
                    )
                })
            })?;
            Ok(self.refused_above(limit, &scores, votes))
        });
        Ok((Some(limit), verdicts?))
    }

    /// The tokens of the patches of these images, each `(patches, width)`.
    fn tokens(
        &self,
        parts: &MaeParts,
        images: Images<'_>,
        at: Range<usize>,
    ) -> Result<Vec<Features>, EngineError> {
        let (patches, width) = (parts.grid().count(), self.encoder.width());
        let order: Vec<u32> = (0..patches as u32).collect();
        let tokens = parts.tokens(at.len(), patches, |i| {
            Ok::<_, EngineError>((self.seen(images, at.start + i)?, order.clone()))
        })?;
        let of_image = tokens.chunks_exact((1 + patches) * width);
        let features = of_image.map(|tokens| Features::of_encoder(&tokens[width..], width));
        Ok(features.collect::<Result<_, DefenceError>>()?)
    }

    /// Scores of clean images for the limit, then of all sets.
    pub(super) fn scored(
        &self,
        asked: &Asked<'_>,
        method: &'static str,
        report: &mut Reporter<'_>,
        score: impl Fn(Images<'_>, Range<usize>) -> Result<Vec<f64>, EngineError>,
    ) -> Result<Verdicts, EngineError> {
        let pool = asked.pool;
        let clean = by_parts(pool, report, |at| score(pool, at))?;
        let limit = limit(method, &clean, self.run.order.settings.defence.refused)?;
        let verdicts = asked.of_each(|images, votes| {
            let scores = by_parts(images, report, |at| score(images, at))?;
            Ok(self.refused_above(limit, &scores, votes))
        });
        Ok((Some(limit), verdicts?))
    }
}

/// `work` of all images of a set, some after the others, so that progress is told in between.
pub(super) fn by_parts<T>(
    images: Images<'_>,
    report: &mut Reporter<'_>,
    work: impl Fn(Range<usize>) -> Result<Vec<T>, EngineError>,
) -> Result<Vec<T>, EngineError> {
    let mut done = Vec::with_capacity(images.count);
    for first in (0..images.count).step_by(TOLD) {
        done.extend(work(first..images.count.min(first + TOLD))?);
        report.progress("judging images", done.len() as u64, images.count as u64);
        report.intact()?;
    }
    Ok(done)
}
