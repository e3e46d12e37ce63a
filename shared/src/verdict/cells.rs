//! The finished classifiers of a study by poison counts, over their seeds.

use std::{cmp::Ordering, collections::BTreeMap};

use super::Pairs;
use crate::{
    Ratio, RunId, RunKind, RunState,
    api::RunRow,
    metric::{Difference, Metrics},
    param::told,
    run::RunPoint,
};

/// The kinds that speak for a study, the first one of which there are results.
const SPEAKERS: [RunKind; 3] = [RunKind::Probe, RunKind::Finetune, RunKind::Knn];

/// The runs of one pair of poison counts.
pub(super) struct Cell {
    /// Poisons of each class in pre-training.
    pub ppr: u32,
    /// Poisons of each class in the classifier's training.
    pub lpr: u32,
    /// Whether a backdoor was implanted into the encoder.
    pub implanted: bool,
    /// Run and result by seed.
    runs: BTreeMap<u64, (RunId, Metrics)>,
}

impl Cell {
    /// Whether the encoder was attacked.
    fn attacks_encoder(&self) -> bool {
        self.ppr > 0 || self.implanted
    }

    fn mean(&self, of: impl Fn(&Metrics) -> Ratio) -> f64 {
        let shares = self.runs.values().filter_map(|(_, metrics)| of(metrics).percent());
        let (sum, n) = shares.fold((0.0, 0.0), |(sum, n), share| (sum + share, n + 1.0));
        if n > 0.0 { sum / n } else { 0.0 }
    }

    /// Mean ASR in percent.
    pub fn asr(&self) -> f64 {
        self.mean(|metrics| metrics.asr)
    }

    /// Mean CA in percent.
    pub fn ca(&self) -> f64 {
        self.mean(|metrics| metrics.ca)
    }

    pub fn seeds(&self) -> u32 {
        self.runs.len() as u32
    }

    /// Whether CA, over all seeds, is provably above this share of right guesses.
    pub fn has_learned(&self, chance: f64) -> bool {
        let all = self.runs.values().map(|(_, metrics)| metrics.ca);
        let sum = all.fold(Ratio::default(), |sum, ca| Ratio {
            hits: sum.hits + ca.hits,
            total: sum.total + ca.total,
        });
        sum.wilson95().is_some_and(|interval| interval.low > chance)
    }

    /// The run with the highest ASR.
    pub fn strongest_run(&self) -> RunId {
        let runs = self.runs.values();
        let best = runs.max_by(|(_, a), (_, b)| higher(share(a.asr), share(b.asr)));
        best.map_or(RunId::from_parts(0, [0; 10]), |(run, _)| *run)
    }

    /// The runs of both cells with the seeds that both have: only these are compared.
    fn paired(&self, other: &Self) -> (Self, Self) {
        let common = |of: &Self, with: &Self| {
            let runs = of.runs.iter().filter(|(seed, _)| with.runs.contains_key(seed));
            Self {
                ppr: of.ppr,
                lpr: of.lpr,
                implanted: of.implanted,
                runs: runs.map(|(&seed, &run)| (seed, run)).collect(),
            }
        };
        (common(self, other), common(other, self))
    }

    /// The runs of both cells by the seeds that both have.
    fn by_seed<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a (RunId, Metrics), &'a (RunId, Metrics))> {
        self.runs.iter().filter_map(|(seed, run)| Some((run, other.runs.get(seed)?)))
    }

    /// The other cell's share less this one's, over the seeds that both have; `single` compares where there is one.
    fn against(
        &self,
        other: &Self,
        of: impl Fn(&Metrics) -> Ratio,
        single: impl Fn((RunId, &Metrics), (RunId, &Metrics)) -> Option<Difference>,
    ) -> Option<Difference> {
        let both: Vec<_> = self.by_seed(other).collect();
        if let [((first, a), (second, b))] = both[..] {
            return single((*first, a), (*second, b));
        }
        let shares: Vec<_> = both.into_iter().map(|((_, a), (_, b))| (of(a), of(b))).collect();
        Difference::of(&shares)
    }
}

/// What poisons in pre-training change.
pub(super) struct Effect {
    /// The runs on clean encoders.
    pub clean: Cell,
    /// The runs with the same seeds on attacked ones.
    pub attacked: Cell,
    /// The difference in ASR; its p is corrected for the comparisons.
    pub difference: Difference,
    /// The number of differences of which it is the largest.
    pub comparisons: usize,
}

fn share(ratio: Ratio) -> f64 {
    ratio.share().unwrap_or(0.0)
}

fn higher(a: f64, b: f64) -> Ordering {
    a.total_cmp(&b)
}

/// The cells of one kind of classifier under one combination of the other varied settings.
pub(super) struct Cells<'a> {
    kind: RunKind,
    pairs: &'a Pairs,
    /// The combination, if the study has several: `blend ratio 0.4`.
    combination: Option<String>,
    all: Vec<Cell>,
    /// The share of right guesses; 0 where the number of classes is unknown.
    chance: f64,
}

impl<'a> Cells<'a> {
    /// The combination with the highest ASR of a classifier that has learned, or else of any; `None` without a finished classifier.
    pub fn of(rows: &[RunRow], pairs: &'a Pairs, classes: usize) -> Option<Self> {
        let chance = if classes > 0 { 1.0 / classes as f64 } else { 0.0 };
        let finished = |kind: RunKind| {
            rows.iter().filter(move |row| {
                row.point.kind == kind && !row.point.scratch && row.state == RunState::Done
            })
        };
        let kind = SPEAKERS.into_iter().find(|&kind| {
            finished(kind).any(|row| row.metrics.is_some_and(|metrics| metrics.asr.total > 0))
        })?;
        let mut groups: BTreeMap<String, BTreeMap<(u32, u32, bool), Cell>> = BTreeMap::new();
        for row in finished(kind) {
            let Some(metrics) = row.metrics else { continue };
            let besides: Vec<_> =
                row.varied_beside_attack().map(|(path, value)| told(path, value)).collect();
            let RunPoint { ppr, lpr, implanted, .. } = row.point;
            let cell = groups
                .entry(besides.join(", "))
                .or_default()
                .entry((ppr, lpr, implanted))
                .or_insert_with(|| Cell { ppr, lpr, implanted, runs: BTreeMap::new() });
            cell.runs.insert(row.point.seed, (row.id, metrics));
        }
        let many = groups.len() > 1;
        let groups = groups.into_iter().map(|(text, cells)| Self {
            kind,
            pairs,
            combination: (many && !text.is_empty()).then_some(text),
            all: cells.into_values().collect(),
            chance,
        });
        // The first one of equals.
        groups.reduce(|best, next| if next.highest() > best.highest() { next } else { best })
    }

    /// The second cell's ASR less the first one's, over the seeds that both have.
    fn asr(&self, first: &Cell, second: &Cell) -> Option<Difference> {
        first.against(second, |metrics| metrics.asr, |a, b| self.pairs.asr(a, b))
    }

    /// The second cell's CA less the first one's.
    pub fn ca(&self, first: &Cell, second: &Cell) -> Option<Difference> {
        first.against(second, |metrics| metrics.ca, |a, b| self.pairs.ca(a, b))
    }

    fn highest(&self) -> (bool, f64) {
        self.strongest().map_or((false, -1.0), |cell| (self.has_learned(cell), cell.asr()))
    }

    /// Whether a cell's classifiers have learned more than to guess.
    pub fn has_learned(&self, cell: &Cell) -> bool {
        cell.has_learned(self.chance)
    }

    /// The share of right guesses in percent.
    pub fn chance(&self) -> f64 {
        100.0 * self.chance
    }

    fn attacks(&self) -> impl Iterator<Item = &Cell> + Clone {
        self.all.iter().filter(|cell| cell.attacks_encoder() || cell.lpr > 0)
    }

    /// The numbers of attacks, and of those whose classifiers have learned next to nothing.
    pub fn unlearned(&self) -> (usize, usize) {
        (self.attacks().count(), self.attacks().filter(|cell| !self.has_learned(cell)).count())
    }

    /// The combination of the other varied settings, if the study has several.
    pub fn combination(&self) -> Option<&str> {
        self.combination.as_deref()
    }

    /// What poisons of the classifier's training are called: LPR or FPR.
    pub fn rate(&self) -> &'static str {
        if self.kind == RunKind::Finetune { "FPR" } else { "LPR" }
    }

    /// The classifier's training, in a sentence.
    pub fn training(&self) -> &'static str {
        match self.kind {
            RunKind::Finetune => "fine-tuning",
            RunKind::Knn => "the neighbours",
            _ => "the probe",
        }
    }

    /// The cell without any poison.
    pub fn clean(&self) -> Option<&Cell> {
        self.on_clean_encoder(0)
    }

    fn on_clean_encoder(&self, lpr: u32) -> Option<&Cell> {
        self.all.iter().find(|cell| !cell.attacks_encoder() && cell.lpr == lpr)
    }

    /// The poisoned cell with the highest mean ASR; of equals the one with the fewest poisons. Classifiers that only guess come behind all others.
    pub fn strongest(&self) -> Option<&Cell> {
        let rank = |cell: &Cell| (self.has_learned(cell), cell.asr());
        self.attacks().reduce(|best, next| if rank(next) > rank(best) { next } else { best })
    }

    /// The largest difference that an attack on the encoder makes at equal poisons in the classifier's training.
    pub fn effect(&self) -> Option<Effect> {
        let attacked = self.all.iter().filter(|cell| cell.attacks_encoder());
        let pairs: Vec<_> = attacked
            .filter_map(|cell| {
                let clean = self.on_clean_encoder(cell.lpr)?;
                if !(self.has_learned(clean) && self.has_learned(cell)) {
                    return None;
                }
                let (clean, attacked) = clean.paired(cell);
                let difference = self.asr(&clean, &attacked)?;
                Some((clean, attacked, difference))
            })
            .collect();
        let comparisons = pairs.len();
        let size = |(_, _, difference): &(Cell, Cell, Difference)| difference.mean.abs();
        let largest = pairs.into_iter().max_by(|a, b| higher(size(a), size(b)));
        let (clean, attacked, difference) = largest?;
        let difference = difference.largest_of(comparisons);
        Some(Effect { clean, attacked, difference, comparisons })
    }

    /// How far a cell's ASR is above that of the clean classifier, as the largest of `comparisons`; `None` without a clean classifier.
    pub fn above_clean(&self, cell: &Cell, comparisons: usize) -> Option<Difference> {
        Some(self.asr(self.clean()?, cell)?.largest_of(comparisons))
    }

    /// The encoder with an implanted backdoor, or else the attacked one with the most poisons, under a classifier without any.
    pub fn attacked_alone(&self) -> Option<&Cell> {
        let alone = self.all.iter().filter(|cell| cell.attacks_encoder() && cell.lpr == 0);
        alone.max_by_key(|cell| (cell.implanted, cell.ppr))
    }

    /// The poisoned classifier on a clean encoder with the highest ASR, and the number of those that it was chosen from.
    pub fn clean_encoder_at_most(&self) -> Option<(&Cell, usize)> {
        let cells = self.attacks().filter(|cell| !cell.attacks_encoder() && self.has_learned(cell));
        let count = cells.clone().count();
        Some((cells.max_by(|a, b| higher(a.asr(), b.asr()))?, count))
    }
}
