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
                let seen = without(&order(place, k % trials), spec.dropped);
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

/// The patches that stay, by their places in the image, and behind them those that are left out.
fn without(order: &[u32], drop: f64) -> Vec<u32> {
    let mut seen = patch_processing::kept(order, drop);
    seen.extend(&order[seen.len()..]);
    seen
}

#[cfg(test)]
mod tests {
    use shared::{
        Rgb8,
        settings::{ModelSpec, Precision, TransformerSpec},
        stream::{Purpose, stream, uniform},
    };

    use super::*;
    use crate::{
        compute::{Device as _, Machine, Params},
        model::mae,
    };

    #[test]
    fn with_all_patches_in_their_places_no_bit_of_the_features_changes() {
        let transformer = TransformerSpec { dim: 16, depth: 2, heads: 2 };
        let spec =
            ModelSpec { image_size: 16, patch_size: 4, encoder: transformer, decoder: transformer };
        let (cpu, params) =
            (Machine::with_threads(2).cpu(Precision::F32), Params::draw(mae(&spec), 3));
        let parts = MaeParts::new(cpu, &spec, params.clone());
        let encoder = cpu.encoder(&spec, params).unwrap();
        let image = |i: usize| {
            let mut rng = stream(2, Purpose::Draw, 0, i as u64);
            Rgb8::from_fn(16, 16, |_, _| [0; 3].map(|_| (255.0 * uniform(&mut rng)) as u8))
        };
        let n = 40;
        let bits = |rows: Vec<f32>| rows.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let plain = bits(encoder.features(0..n, &|i| Ok(image(i))).unwrap());
        let dropped = |drop: f64| {
            let orders: Vec<Vec<u32>> =
                (0..n).map(|i| without(&patch_processing::order(16, 1, 0, i), drop)).collect();
            let visible = patch_processing::kept(&orders[0], drop).len();
            let rows =
                parts.features(n, visible, |i| Ok::<_, EngineError>((image(i), orders[i].clone())));
            bits(rows.unwrap())
        };
        assert_eq!(dropped(0.0), plain);
        assert_ne!(dropped(0.25), plain);
        let shuffled = |order: &dyn Fn(usize) -> Vec<u32>| {
            let turned: Vec<Rgb8> =
                (0..n).map(|i| patch_processing::shuffled(&image(i), 4, &order(i))).collect();
            bits(encoder.features(0..n, &|i| Ok(turned[i].clone())).unwrap())
        };
        assert_eq!(shuffled(&|_| (0..16).collect()), plain);
        assert_ne!(shuffled(&|i| patch_processing::order(16, 1, 1, i)), plain);
    }
}
