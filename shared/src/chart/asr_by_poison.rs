//! How much poison an attack needs: attack success rate by number of poisoned images in the classifier's training.

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
    param::Value,
    published,
    run::RunPoint,
    run_kind::RunKind,
};

/// More groups of bars than this cannot be distinguished.
const GROUPS_UP_TO: usize = 12;

/// Bars of one study, one kind of training and one number of poisons in pre-training, which share a trigger.
struct Group<'a> {
    study: StudyId,
    study_name: &'a str,
    trigger: &'a str,
    strength: f64,
    /// Kind and PPR, without the numbers in which its runs differ.
    point: RunPoint,
    /// The other settings that the study varies.
    varied: Vec<(&'a str, &'a Value)>,
    /// LPR or FPR, and ASR of each run.
    runs: Vec<(u32, Ratio)>,
}

/// Attack success rate by LPR as bars, grouped by trigger strength and PPR: the mean over the seeds of one study, with the
/// deviation over seeds, or the 95 % Wilson interval of a single run. `overlay` adds the published series, dashed; the
/// figure notes that their setting is different.
pub fn asr_by_poison(rows: &[RunRow], overlay: bool) -> Figure {
    let groups = groups(rows);
    let left_out = groups.len().saturating_sub(GROUPS_UP_TO);
    let published = if overlay { published_series(rows) } else { Vec::new() };
    let places = places(&groups, &published);
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
        let shape = Shape::Bars { hollow: group.point.ppr == 0, slot, of: shown.len() };
        let opacity = opacity(rank.unwrap_or_default(), strengths.len());
        let look = Look { role: Role::Triggered, opacity, shape };
        let label = group.label(many);
        let points = places
            .iter()
            .enumerate()
            .filter_map(|(place, &lpr)| group.bar(place, lpr, &label, &mut table))
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
        series.push(Series::new(look, published_points(known, &places, &mut table)));
    }
    Figure {
        kind: FigureKind::AsrByPoison,
        title: "Attack success rate by number of poisons".into(),
        summary: format!(
            "Bars of the attack success rate in percent for {} groups of runs and {} published series, over the number of \
             poisoned images per class in the classifier's training.",
            shown.len(),
            published.len()
        ),
        empty: "No finished classifier yet: a bar appears for each classifier that ends.",
        x: Axis {
            label: "poisons per non-target class, LPR or FPR".into(),
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

/// Groups by increasing strength, then by study and PPR.
fn groups(rows: &[RunRow]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (row, metrics) in finished(rows) {
        let point = RunPoint { lpr: 0, seed: 0, ..row.point };
        let varied: Vec<_> = row.varied_besides().collect();
        let same = |group: &&mut Group<'_>| {
            (group.study, group.point, &group.varied) == (row.study, point, &varied)
        };
        let run = (row.point.lpr, metrics.asr);
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
            (group.study, group.point.kind, group.point.scratch, group.point.ppr)
        };
        a.strength.total_cmp(&b.strength).then_with(|| key(a).cmp(&key(b)))
    });
    groups
}

impl Group<'_> {
    fn label(&self, many: bool) -> String {
        let trigger = if many {
            format!("{} ({})", self.study_name, self.trigger)
        } else {
            self.trigger.to_owned()
        };
        // The trigger's name already contains its strength.
        let besides = self.varied.iter().filter(|(path, _)| !path.starts_with("attack.trigger."));
        let besides =
            besides.fold(String::new(), |text, (path, value)| format!("{text}, {path} {value}"));
        let RunPoint { kind, ppr, scratch, .. } = self.point;
        match kind {
            _ if scratch => format!("{trigger}, from scratch{besides}"),
            RunKind::Finetune => format!("{trigger}, PPR {ppr}, fine-tuned{besides}"),
            _ => format!("{trigger}, PPR {ppr}{besides}"),
        }
    }

    /// The bar at one LPR, which is also added as a row of the table.
    fn bar(&self, place: usize, lpr: u32, label: &str, table: &mut Table) -> Option<Point> {
        let ratios: Vec<Ratio> =
            self.runs.iter().filter(|run| run.0 == lpr).map(|run| run.1).collect();
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
            self.point.ppr.to_string(),
            lpr.to_string(),
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
            text: format!("{label}\n{lpr} poisons per class: ASR {:.1} %\n{words}", spread.mean),
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

/// Every LPR that occurs, in increasing order.
fn places(groups: &[Group<'_>], published: &[published::Series]) -> Vec<u32> {
    let measured = groups.iter().flat_map(|group| group.runs.iter().map(|run| run.0));
    let known = published.iter().flat_map(|series| series.points.iter().map(|point| point.0));
    let mut places = distinct(measured.chain(known));
    places.sort_unstable();
    places
}

fn published_points(series: &published::Series, places: &[u32], table: &mut Table) -> Vec<Point> {
    let mut points = Vec::new();
    for (place, &lpr) in places.iter().enumerate() {
        let Some(&(_, asr)) = series.points.iter().find(|point| point.0 == lpr) else { continue };
        table.rows.push(vec![
            published::SETTING.into(),
            String::new(),
            series.label.into(),
            number(Some(series.strength), 4),
            String::new(),
            String::new(),
            lpr.to_string(),
            String::new(),
            number(Some(asr), 4),
            String::new(),
            String::new(),
            String::new(),
        ]);
        points.push(Point {
            x: place as f64,
            y: asr,
            text: format!("{}\n{}: {asr} % at {lpr}", published::SETTING, series.label),
            ..Point::default()
        });
    }
    points
}
