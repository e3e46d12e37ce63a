//! What a study found, in sentences that are computed from its runs.

mod cells;
mod pairs;
#[cfg(test)]
mod tests;

use std::fmt;

use cells::{Cell, Cells, Effect};
pub use pairs::{Pairs, compared};
use serde::{Deserialize, Serialize};

use crate::{
    RunId,
    api::RunRow,
    metric::{Difference, Test},
};

/// Above this ASR in percent something works as a backdoor; below it are confusions, which a classifier without any attack has, too.
const WORKS: f64 = 10.0;
/// A difference with a larger p is not called one.
const ALPHA: f64 = 0.05;

/// What a number tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// Words, or a number without a colour.
    Words,
    /// Clean images.
    Clean,
    /// Triggered images.
    Triggered,
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Part {
    /// The text.
    pub text: String,
    /// What it tells of.
    pub of: Of,
}

/// A sentence in parts, so that a page can colour its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sentence {
    /// The parts, in order.
    pub parts: Vec<Part>,
}

impl Sentence {
    fn words(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part { text: text.into(), of: Of::Words });
        self
    }

    fn asr(mut self, percent: f64) -> Self {
        self.parts.push(Part { text: format!("{percent:.1} %"), of: Of::Triggered });
        self
    }

    fn ca(mut self, percent: f64) -> Self {
        self.parts.push(Part { text: format!("{percent:.1} %"), of: Of::Clean });
        self
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| f.write_str(&part.text))
    }
}

/// The attack with the highest mean ASR.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Strongest {
    /// Its run with the highest ASR.
    pub run: RunId,
    /// Poisons of each class in pre-training.
    pub ppr: u32,
    /// Poisons of each class in the classifier's training.
    pub lpr: u32,
    /// Whether a backdoor was implanted into the encoder.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implanted: bool,
    /// Mean ASR in percent.
    pub asr: f64,
    /// Mean CA in percent.
    pub ca: f64,
    /// Number of seeds.
    pub seeds: u32,
    /// CA less that of the clean classifier, if the study has one.
    pub cost: Option<Difference>,
}

/// What a study found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// The answer.
    pub headline: Sentence,
    /// What belongs to it.
    pub points: Vec<Sentence>,
    /// The strongest attack, if any classifier has finished whose training or encoder was poisoned.
    pub strongest: Option<Strongest>,
}

/// What the finished classifiers among `rows` say, or `None` if there is none. Linear probes speak first, then fine-tunings, then nearest
/// neighbours. Where the study varies other settings, too, the verdict takes the combination with the highest ASR. Two classifiers of one seed are
/// compared image by image where `pairs` knows them. Of `classes` classes one is guessed by chance: a classifier whose CA is not provably above that comes
/// behind all others, and is compared with none; with 0 classes there is no such limit.
pub fn verdict(rows: &[RunRow], pairs: &Pairs, classes: usize) -> Option<Verdict> {
    let cells = Cells::of(rows, pairs, classes)?;
    let best = cells.strongest();
    let strongest = best.map(|cell| Strongest {
        run: cell.strongest_run(),
        ppr: cell.ppr,
        lpr: cell.lpr,
        implanted: cell.implanted,
        asr: cell.asr(),
        ca: cell.ca(),
        seeds: cell.seeds(),
        cost: cells.clean().and_then(|clean| cells.ca(clean, cell)),
    });
    let (headline, points) = match best {
        None => (clean_alone(&cells)?, Vec::new()),
        Some(best) => attacked(&cells, best),
    };
    Some(Verdict { headline, points, strongest })
}

/// The sentence of a study without an attack.
fn clean_alone(cells: &Cells<'_>) -> Option<Sentence> {
    let clean = cells.clean()?;
    let sentence = Sentence::default().words("Nothing was poisoned: CA is ").ca(clean.ca());
    Some(
        sentence
            .words(", and ")
            .asr(clean.asr())
            .words(" of the triggered images still get the class that the attacker wants."),
    )
}

fn attacked(cells: &Cells<'_>, best: &Cell) -> (Sentence, Vec<Sentence>) {
    let mut points = Vec::new();
    let effect = cells.effect();
    let strongest = strongest_attack(cells, best);
    let headline = match effect {
        Some(effect) => {
            points.push(strongest);
            pretraining(cells, &effect)
        }
        None => strongest,
    };
    points.extend(alone(cells));
    points.extend(probe_backdoor(cells));
    points.extend(left_out(cells, best));
    (headline, points)
}

/// How many attacks say little, because their classifiers only guess.
fn left_out(cells: &Cells<'_>, best: &Cell) -> Option<Sentence> {
    let (attacks, unlearned) = cells.unlearned();
    if unlearned == 0 || !cells.has_learned(best) {
        return None;
    }
    let (verb, classifiers) = if unlearned == 1 {
        ("is", "its classifier has")
    } else {
        ("are", "their classifiers have")
    };
    let chance = cells.chance();
    Some(Sentence::default().words(format!(
        "{unlearned} of {attacks} attacks {verb} left out: {classifiers} learned next to nothing (CA not above a chance of {chance:.1} %)."
    )))
}

/// What poisons in pre-training, or an implanted backdoor, change, at the number of poisons in the classifier's training where it is most.
fn pretraining(cells: &Cells<'_>, effect: &Effect) -> Sentence {
    let Effect { clean, attacked, difference, comparisons } = effect;
    let one = attacked.implanted || attacked.ppr == 1;
    let start = if attacked.implanted {
        "The backdoor implanted into the encoder ".to_owned()
    } else {
        format!("{} in pre-training ", of_each_class(attacked.ppr))
    };
    let among = cells.combination().map_or_else(String::new, |text| format!(", {text}"));
    let given = match attacked.lpr {
        0 => format!(", without poisons in {}{among}", cells.training()),
        lpr => format!(", with {lpr} in {}{among}", cells.training()),
    };
    let told = told(difference, *comparisons);
    let start = Sentence::default().words(start);
    if difference.p > ALPHA {
        let (same, with) = if one { ("does", "it") } else { ("do", "them") };
        return start
            .words(format!("{same} not provably change ASR: "))
            .asr(clean.asr())
            .words(" without, ")
            .asr(attacked.asr())
            .words(format!(" with {with}{given} ({told})."));
    }
    let verb = match (difference.mean > 0.0, one) {
        (true, false) => "raise",
        (true, true) => "raises",
        (false, false) => "lower",
        (false, true) => "lowers",
    };
    start
        .words(format!("{verb} ASR from "))
        .asr(clean.asr())
        .words(" to ")
        .asr(attacked.asr())
        .words(format!("{given} ({told})."))
}

fn strongest_attack(cells: &Cells<'_>, best: &Cell) -> Sentence {
    let among = cells.combination().map_or_else(String::new, |text| format!(", {text}"));
    let implanted = if best.implanted { ", implanted backdoor" } else { "" };
    let (ppr, rate, lpr) = (best.ppr, cells.rate(), best.lpr);
    let start = format!("Strongest attack (PPR {ppr}{implanted}, {rate} {lpr}{among}): ASR ");
    let sentence = Sentence::default().words(start).asr(best.asr()).words(", CA ").ca(best.ca());
    if !cells.has_learned(best) {
        let chance = cells.chance();
        return sentence.words(format!(
            ". The classifier has learned next to nothing (a chance of {chance:.1} %), so its ASR says little."
        ));
    }
    let Some(cost) = cells.clean().and_then(|clean| cells.ca(clean, best)) else {
        return sentence.words(".");
    };
    let way = if cost.mean < 0.0 { "below" } else { "above" };
    let points = format!("{:.1} points {way} the clean classifier", cost.mean.abs());
    let proof = if cost.p > ALPHA { "no proven difference, " } else { "" };
    sentence.words(format!(", {points} ({proof}{}).", cost.probability()))
}

/// Whether poisons in pre-training are enough.
fn alone(cells: &Cells<'_>) -> Option<Sentence> {
    let cell = cells.attacked_alone()?;
    let start = match cells.combination() {
        Some(text) => format!("With {text} and no poisons in {}, ASR is ", cells.training()),
        None => format!("Without poisons in {}, ASR is ", cells.training()),
    };
    let sentence = Sentence::default().words(start).asr(cell.asr());
    if cell.implanted {
        let judged = judged(cells, cell, 1, "implanting alone opens");
        return Some(
            sentence.words(format!(" on the encoder with the implanted backdoor{judged}")),
        );
    }
    let what = "poisoned pre-training alone opens";
    Some(sentence.words(format!(" at PPR {}{}", cell.ppr, judged(cells, cell, 1, what))))
}

/// Whether a clean encoder is attacked by the classifier's training alone.
fn probe_backdoor(cells: &Cells<'_>) -> Option<Sentence> {
    let (cell, comparisons) = cells.clean_encoder_at_most()?;
    let what = format!("poisons in {} alone open", cells.training());
    let judged = judged(cells, cell, comparisons, &what);
    let start = match cells.combination() {
        Some(text) => format!("With {text}, a clean encoder reaches "),
        None => "A clean encoder reaches ".to_owned(),
    };
    let sentence = Sentence::default().words(start).asr(cell.asr());
    Some(sentence.words(format!(" at {} {}{judged}", cells.rate(), cell.lpr)))
}

/// The end of a sentence on a cell's ASR: whether it is a backdoor. It is one where it is above [`WORKS`], and provably above the clean
/// classifier's.
fn judged(cells: &Cells<'_>, cell: &Cell, comparisons: usize, what: &str) -> String {
    if cell.asr() < WORKS {
        return format!(", below {WORKS} %: {what} no backdoor.");
    }
    let Some(above) = cells.above_clean(cell, comparisons) else {
        return ". The study has no clean classifier to compare it with.".into();
    };
    let p = above.probability();
    if above.mean > 0.0 && above.p <= ALPHA {
        format!(": {what} a backdoor (above the clean classifier, {p}).")
    } else {
        format!(": not provably more than the clean classifier ({p}).")
    }
}

fn of_each_class(poisons: u32) -> String {
    if poisons == 1 {
        "One poison of each class".into()
    } else {
        format!("{poisons} poisons of each class")
    }
}

/// `+61.7 points, 95 % interval 45.0 to 78.4, p = .004, 3 seeds`.
fn told(difference: &Difference, comparisons: usize) -> String {
    let &Difference { n, mean, interval, test, .. } = difference;
    let by = if test == Test::McNemar { " by McNemar's exact test" } else { "" };
    let corrected = if comparisons > 1 {
        format!(" corrected for {comparisons} comparisons")
    } else {
        String::new()
    };
    let seeds = if n == 1 { "1 seed".to_owned() } else { format!("{n} seeds") };
    let sign = if mean < 0.0 { "−" } else { "+" };
    let ends = [interval.low, interval.high]
        .map(|end| format!("{}{:.1}", if end < 0.0 { "−" } else { "" }, end.abs()));
    format!(
        "{sign}{:.1} points, 95 % interval {} to {}, {}{by}{corrected}, {seeds}",
        mean.abs(),
        ends[0],
        ends[1],
        difference.probability()
    )
}
