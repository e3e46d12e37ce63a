//! Which classifiers are compared with which, image by image.

use std::collections::HashMap;

use crate::{
    Ratio, RunId, RunKind, RunState,
    api::{PairedRuns, RunRow},
    metric::{Difference, Discordant, Metrics},
    run::RunPoint,
};

/// The pairs of a study's classifiers that a verdict or a table compares: each with the same training on the clean encoder, and with the
/// classifier without any poison, of the same seed and the same other settings. The clean one comes first.
pub fn compared(rows: &[RunRow]) -> Vec<(RunId, RunId)> {
    let classifier = |row: &&RunRow| {
        matches!(row.point.kind, RunKind::Probe | RunKind::Finetune)
            && !row.point.scratch
            && row.state == RunState::Done
            && row.metrics.is_some()
    };
    let key = |row: &RunRow, point: RunPoint| {
        let besides = row.varied_beside_attack().map(|(path, value)| format!("{path} {value}"));
        (point, besides.collect::<Vec<_>>())
    };
    let known: HashMap<_, RunId> =
        rows.iter().filter(classifier).map(|row| (key(row, row.point), row.id)).collect();
    let mut pairs = Vec::new();
    for row in rows.iter().filter(classifier) {
        let clean = row.point.on_clean_encoder();
        for clean in [key(row, clean), key(row, RunPoint { lpr: 0, ..clean })] {
            if let Some(&first) = known.get(&clean).filter(|&&first| first != row.id)
                && !pairs.contains(&(first, row.id))
            {
                pairs.push((first, row.id));
            }
        }
    }
    pairs
}

/// What is known of pairs of runs, image by image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs(HashMap<(RunId, RunId), PairedRuns>);

impl From<&[PairedRuns]> for Pairs {
    fn from(pairs: &[PairedRuns]) -> Self {
        Self(pairs.iter().map(|pair| ((pair.first, pair.second), *pair)).collect())
    }
}

impl Pairs {
    /// The second run's ASR less the first one's: by McNemar's test where the predictions of both are known by image, else of two
    /// independent shares.
    pub fn asr(&self, first: (RunId, &Metrics), second: (RunId, &Metrics)) -> Option<Difference> {
        let known = self.0.get(&(first.0, second.0)).map(|pair| pair.asr);
        one(known, first.1.asr, second.1.asr)
    }

    /// The second run's CA less the first one's, as [`asr`](Self::asr).
    pub fn ca(&self, first: (RunId, &Metrics), second: (RunId, &Metrics)) -> Option<Difference> {
        let known = self.0.get(&(first.0, second.0)).map(|pair| pair.ca);
        one(known, first.1.ca, second.1.ca)
    }
}

/// Predictions that give other counts than the results are not of these results.
fn one(known: Option<Discordant>, first: Ratio, second: Ratio) -> Option<Difference> {
    let fits = |known: &Discordant| {
        known.total == first.total
            && known.total == second.total
            && i64::from(known.second) - i64::from(known.first)
                == i64::from(second.hits) - i64::from(first.hits)
    };
    match known.filter(fits) {
        Some(known) => known.difference(),
        None => Difference::of(&[(first, second)]),
    }
}
