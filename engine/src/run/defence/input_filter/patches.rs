//! Patch processing: predictions without some patches, and with shuffled ones.

use super::{Asked, Images, Verdict, Verdicts, scored::by_parts};
use crate::{
    EngineError,
    compute::cpu::MaeParts,
    defence::patch_processing::{self, Changes, Limits},
    eval::predictions,
    run::defence::{Defence, classifier::Classifier},
    train::report::Reporter,
};

impl Defence<'_> {
    /// Patch processing.
    pub(super) fn patch_processing(
        &self,
        asked: &Asked<'_>,
        parts: &MaeParts,
        report: &mut Reporter<'_>,
    ) -> Result<Verdicts, EngineError> {
        let (pool, classifier) = (asked.pool, asked.classifier);
        let votes = self.votes(classifier, pool.count, pool.image, report)?;
        let clean = self.changes(classifier, parts, (pool, &votes), report)?;
        let limits = Limits::of(&clean, self.run.order.settings.defence.refused)?;
        let verdicts = asked.of_each(|images, votes| {
            let changes = self.changes(classifier, parts, (images, votes), report)?;
            let classes = predictions(votes, self.pixels.classes.len());
            let verdict = |(&changes, class): (&Changes, Option<u32>)| {
                let flagged = limits.suspects(changes);
                Verdict { score: limits.score(changes), flagged, class: class.filter(|_| !flagged) }
            };
            Ok(changes.iter().zip(classes).map(verdict).collect())
        });
        Ok((None, verdicts?))
    }

    /// How often each image's prediction changes.
    fn changes(
        &self,
        classifier: &Classifier<'_>,
        parts: &MaeParts,
        (images, votes): (Images<'_>, &[f32]),
        report: &mut Reporter<'_>,
    ) -> Result<Vec<Changes>, EngineError> {
        let settings = &self.run.order.settings;
        let (spec, seed) = (&settings.defence, settings.seed);
        let (grid, trials, classes) =
            (parts.grid(), spec.trials as usize, self.pixels.classes.len());
        let plain = predictions(votes, classes);
        // The trials of shuffling are behind those of dropping.
        let order = |place: usize, trial: usize| {
            patch_processing::order(grid.count(), seed, trial, images.first + place)
        };
        by_parts(images, report, |at| {
            let kept = patch_processing::kept(&order(at.start, 0), spec.dropped).len();
            let cls = parts.features(at.len() * trials, kept, |k| {
                let place = at.start + k / trials;
                let order = order(place, k % trials);
                let mut seen = patch_processing::kept(&order, spec.dropped);
                seen.extend(&order[kept..]);
                Ok::<_, EngineError>((self.seen(images, place)?, seen))
            })?;
            let dropped = predictions(&classifier.votes(&cls, classes)?, classes);
            let turned = |k: usize| {
                let place = at.start + k / trials;
                let order = order(place, trials + k % trials);
                Ok(patch_processing::shuffled(&self.seen(images, place)?, grid.patch, &order))
            };
            let rows = self.encoder.features(0..at.len() * trials, &turned)?;
            let shuffled = predictions(&classifier.votes(&rows, classes)?, classes);
            let of_image = |i: usize| {
                let (plain, trials) = (plain[at.start + i], i * trials..(i + 1) * trials);
                Changes {
                    dropped: patch_processing::changed(plain, &dropped[trials.clone()]),
                    shuffled: patch_processing::changed(plain, &shuffled[trials]),
                }
            };
            Ok((0..at.len()).map(of_image).collect())
        })
    }
}
