//! How much poison an attack needs: attack success rate by number of poisoned images, in the classifier's training or, where all
//! classifiers have the same number, in the encoder's pre-training.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    marker::Marker,
    role::Role,
    table::{Table, number},
    text::interval_text,
    tradeoff::{distinct, finished},
};
use crate::{
    StudyId,
    api::RunRow,
    metric::{Ratio, Spread},
    param::{Value, told},
    published,
    run::RunPoint,
    run_kind::RunKind,
};

/// More groups of bars than this cannot be distinguished.
const GROUPS_UP_TO: usize = 12;

/// The poisons that the axis counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// Those of the classifier's training: LPR or FPR.
    Classifier,
    /// Those of the encoder's pre-training: PPR.
    Pretraining,
}

impl Counted {
    /// The classifier's, unless only those of pre-training vary.
    fn of(rows: &[RunRow]) -> Self {
        let several = |count: fn(&RunRow) -> u32| {
            let classifiers = finished(rows).filter(|(row, _)| !row.point.scratch);
            distinct(classifiers.map(|(row, _)| count(row))).len() > 1
        };
        if several(|row| row.point.ppr) && !several(|row| row.point.lpr) {
            Self::Pretraining
        } else {
            Self::Classifier
        }
    }

    fn count(self, point: RunPoint) -> u32 {
        if self == Self::Pretraining { point.ppr } else { point.lpr }
    }

    /// What the runs of one group have in common.
    fn group(self, point: RunPoint) -> RunPoint {
        match self {
            Self::Classifier => RunPoint { lpr: 0, seed: 0, ..point },
            Self::Pretraining => RunPoint { ppr: 0, seed: 0, ..point },
        }
    }

    fn place(self) -> &'static str {
        if self == Self::Pretraining {
            "the encoder's pre-training"
        } else {
            "the classifier's training"
        }
    }

    fn axis(self) -> &'static str {
        match self {
            Self::Classifier => "poisons per poisoned class, LPR or FPR",
            Self::Pretraining => "poisons per poisoned class in pre-training, PPR",
        }
    }
}

/// Bars of one study, one kind of training and one number of the poisons that the axis does not count, which share a trigger.
struct Group<'a> {
    study: StudyId,
    study_name: &'a str,
    trigger: &'a str,
    strength: f64,
    /// What its runs have in common; 0 stands for the numbers in which they differ.
    point: RunPoint,
    /// The other settings that the study varies.
    varied: Vec<(&'a str, &'a Value)>,
    /// The poisons that the axis counts, and ASR of each run.
    runs: Vec<(RunPoint, Ratio)>,
}

/// Attack success rate by LPR or FPR as bars, grouped by trigger strength and PPR; by PPR where LPR and FPR do not vary. A bar is the mean over the seeds of one study, with the
/// deviation over seeds, or the 95 % Wilson interval of a single run. `overlay` adds the published series, dashed; the
/// figure notes that their setting is different.
pub fn asr_by_poison(rows: &[RunRow], overlay: bool) -> Figure {
    let counted = Counted::of(rows);
    let groups = groups(rows, counted);
    let left_out = groups.len().saturating_sub(GROUPS_UP_TO);
    let published = if overlay { published_series(rows) } else { Vec::new() };
    let places = places(&groups, counted, &published);
    let shown = &groups[..groups.len() - left_out];
    let mut table = Table::new(&[
        "source",
        "study",
        "trigger",
        "trigger strength",
        "trained",
        "ppr (images per class)",
        "lpr or fpr (images per class)",
        "runs",
        "asr (%)",
        "low (%)",
        "high (%)",
        "interval",
    ]);
    let many = distinct(groups.iter().map(|group| group.study)).len() > 1;
    let strengths = distinct(groups.iter().map(|group| group.strength.to_bits()));
    let mut series = Vec::new();
    let mut legend = Vec::new();
    for (slot, group) in groups.iter().enumerate() {
        let rank = strengths.iter().position(|&bits| bits == group.strength.to_bits());
        let hollow = counted == Counted::Classifier && !group.point.attacks_encoder();
        let shape = Shape::Bars { hollow, slot, of: shown.len() };
        let opacity = opacity(rank.unwrap_or_default(), strengths.len());
        let look = Look { role: Role::Triggered, opacity, shape };
        let label = group.label(counted, many);
        let points = places
            .iter()
            .enumerate()
            .filter_map(|(place, &count)| group.bar(place, counted, count, &label, &mut table))
            .collect();
        if slot < shown.len() {
            legend.push(Entry::new(look, label));
            series.push(Series::new(look, points));
        }
    }
    for (at, known) in published.iter().enumerate() {
        let shape = Shape::Line { dash: true, marker: Some(Marker::series(at)) };
        let look = Look { role: Role::Muted, opacity: 100, shape };
        legend.push(Entry::new(look, format!("published {}", known.label)));
        series.push(Series::new(look, published_points(known, counted, &places, &mut table)));
    }
    Figure {
        kind: FigureKind::AsrByPoison,
        title: "Attack success rate by number of poisons".into(),
        summary: format!(
            "Bars of the attack success rate in percent for {} groups of runs and {} published series, over the number of \
             poisoned images per class in {}.",
            shown.len(),
            published.len(),
            counted.place()
        ),
        empty: "No classifier has finished. Each one that does has a bar here.",
        x: Axis {
            label: counted.axis().into(),
            scale: Scale::Places(places.iter().map(u32::to_string).collect()),
        },
        y: Axis { label: "attack success rate, ASR (%)".into(), scale: Scale::Percent },
        panels: Vec::new(),
        series,
        legend,
        note: note(left_out, &published),
        table,
    }
}

fn note(left_out: usize, published: &[published::Series]) -> String {
    let mut note = String::from(
        "Bars: mean over the seeds of a study. Whiskers: deviation over seeds, or the 95 % Wilson interval of one run.",
    );
    if !published.is_empty() {
        note.push_str(" Dashed: another setting (");
        note.push_str(published::SETTING);
        note.push_str(", target class 0).");
    }
    if published.iter().any(|series| series.kind == "patched") {
        note.push_str(
            " The published patched triggers were measured by fine-tuning, not by a probe.",
        );
    }
    if left_out > 0 {
        note.push_str(" More groups are in the CSV only: choose fewer studies to see them.");
    }
    note
}

/// Groups by increasing strength, then by study, kind and poisons.
fn groups(rows: &[RunRow], counted: Counted) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (row, metrics) in finished(rows) {
        let point = counted.group(row.point);
        let varied: Vec<_> = row.varied_besides().collect();
        let same = |group: &&mut Group<'_>| {
            (group.study, group.point, &group.varied) == (row.study, point, &varied)
        };
        let run = (row.point, metrics.asr);
        match groups.iter_mut().find(same) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                study: row.study,
                study_name: &row.study_name,
                trigger: &row.trigger,
                strength: row.strength,
                point,
                varied,
                runs: vec![run],
            }),
        }
    }
    groups.sort_by(|a, b| {
        let key = |group: &Group<'_>| {
            let RunPoint { kind, scratch, implanted, ppr, lpr, .. } = group.point;
            (group.study, kind, scratch, implanted, ppr, lpr)
        };
        a.strength.total_cmp(&b.strength).then_with(|| key(a).cmp(&key(b)))
    });
    groups
}

impl Group<'_> {
    fn label(&self, counted: Counted, many: bool) -> String {
        let trigger = if many {
            format!("{} ({})", self.study_name, self.trigger)
        } else {
            self.trigger.to_owned()
        };
        // The trigger's name already contains its strength.
        let besides = self.varied.iter().filter(|(path, _)| !path.starts_with("attack.trigger."));
        let besides = besides
            .fold(String::new(), |text, (path, value)| format!("{text}, {}", told(path, value)));
        let RunPoint { kind, ppr, lpr, scratch, implanted, .. } = self.point;
        let implanted = if implanted { ", implanted backdoor" } else { "" };
        let fixed = match counted {
            _ if scratch => String::new(),
            Counted::Classifier => format!(", PPR {ppr}"),
            Counted::Pretraining => format!(", {} {lpr}", self.point.rate_name()),
        };
        let trained = match kind {
            _ if scratch => ", from scratch",
            RunKind::Finetune => ", fine-tuned",
            _ => "",
        };
        format!("{trigger}{fixed}{implanted}{trained}{besides}")
    }

    /// The bar at one count, which is also added as a row of the table.
    fn bar(
        &self,
        place: usize,
        counted: Counted,
        count: u32,
        label: &str,
        table: &mut Table,
    ) -> Option<Point> {
        let runs = self.runs.iter().filter(|(point, _)| counted.count(*point) == count);
        let (points, ratios): (Vec<RunPoint>, Vec<Ratio>) = runs.copied().unzip();
        let percents: Vec<f64> = ratios.iter().filter_map(|ratio| ratio.percent()).collect();
        let spread = Spread::of(&percents)?;
        let (range, interval, words) = if let [only] = ratios[..] {
            let wilson = only.wilson95()?;
            let words = format!("95 % interval {}", interval_text(only));
            ((wilson.low * 100.0, wilson.high * 100.0), "wilson 95", words)
        } else {
            let low = (spread.mean - spread.deviation).max(0.0);
            let high = (spread.mean + spread.deviation).min(100.0);
            let words = format!("± {:.1} over {} seeds", spread.deviation, spread.n);
            ((low, high), "deviation over seeds", words)
        };
        table.rows.push(vec![
            "measured".into(),
            self.study_name.into(),
            self.trigger.into(),
            number(Some(self.strength), 4),
            self.point.title().to_lowercase(),
            points.first()?.ppr.to_string(),
            points.first()?.lpr.to_string(),
            spread.n.to_string(),
            number(Some(spread.mean), 4),
            number(Some(range.0), 4),
            number(Some(range.1), 4),
            interval.into(),
        ]);
        Some(Point {
            x: place as f64,
            y: spread.mean,
            y_range: Some(range),
            text: format!("{label}\n{count} poisons per class: ASR {:.1} %\n{words}", spread.mean),
            ..Point::default()
        })
    }
}

/// The weakest trigger is lightest, the strongest opaque.
fn opacity(rank: usize, of: usize) -> u8 {
    if of < 2 { 100 } else { (40 + 60 * rank / (of - 1)) as u8 }
}

/// The published series of the triggers of the runs; of the blended trigger if there are no runs yet.
fn published_series(rows: &[RunRow]) -> Vec<published::Series> {
    let kinds = distinct(finished(rows).map(|(row, _)| row.trigger_kind.as_str()));
    let has = |kind| kinds.contains(&kind) || (kinds.is_empty() && kind == "blended");
    let all = published::BLENDED_PROBE.iter().chain(&published::PATCHED_FINETUNE);
    all.filter(|series| has(series.kind)).copied().collect()
}

/// Every count that occurs, in increasing order.
fn places(groups: &[Group<'_>], counted: Counted, published: &[published::Series]) -> Vec<u32> {
    let runs = groups.iter().flat_map(|group| &group.runs);
    let measured = runs.map(|(point, _)| counted.count(*point));
    let known = published.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let mut places = distinct(measured.chain(known));
    places.sort_unstable();
    places
}

fn published_points(
    series: &published::Series,
    counted: Counted,
    places: &[u32],
    table: &mut Table,
) -> Vec<Point> {
    let mut points = Vec::new();
    for (place, &count) in places.iter().enumerate() {
        let known = series.points.iter().find(|point| point.0 == count);
        let Some(&(_, asr)) = known else { continue };
        let (ppr, lpr) = match counted {
            Counted::Classifier => (String::new(), count.to_string()),
            Counted::Pretraining => (count.to_string(), String::new()),
        };
        table.rows.push(vec![
            published::SETTING.into(),
            String::new(),
            series.label.into(),
            number(Some(series.strength), 4),
            String::new(),
            ppr,
            lpr,
            String::new(),
            number(Some(asr), 4),
            String::new(),
            String::new(),
            String::new(),
        ]);
        points.push(Point {
            x: place as f64,
            y: asr,
            text: format!("{}\n{}: {asr} % at {count}", published::SETTING, series.label),
            ..Point::default()
        });
    }
    points
}
