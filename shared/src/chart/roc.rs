//! Receiver operating characteristics of defences, with a logarithmic axis of false positives: what counts is what a detector finds where it
//! suspects few clean images.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::{Table, number},
};
use crate::{api::RocSeries, metric::Roc};

/// Points between two corners that are drawn of a line on which both shares rise: it is no line on a logarithmic axis.
const BETWEEN: u32 = 12;
/// Opacity in percent of a control's curve.
const CONTROL: u8 = 60;

/// One curve a defence run, with its control dashed, and the curve of chance.
pub fn roc(series: &[RocSeries]) -> Figure {
    let drawn: Vec<&RocSeries> = series.iter().filter(|one| has_both(&one.roc)).collect();
    let low = lowest(&drawn);
    let line =
        |role, opacity, dash| Look { role, opacity, shape: Shape::Line { dash, marker: None } };
    let mut lines = Vec::new();
    let mut legend = Vec::new();
    if !drawn.is_empty() {
        let chance = line(Role::Muted, 70, true);
        lines.push(Series::new(chance, by_chance(low)));
        legend.push(Entry::new(chance, "chance"));
    }
    // The first curves lie above the others.
    for (at, one) in drawn.iter().enumerate().rev() {
        let role = Role::series(at);
        if let Some(control) = one.control.as_ref().filter(|control| has_both(control)) {
            let name = format!("{}, without the trigger", one.label);
            let points = places(control, &name, one, low);
            lines.push(Series::new(line(role, CONTROL, true), points).named(name));
        }
        let points = places(&one.roc, &one.label, one, low);
        lines.push(Series::new(line(role, 100, false), points).named(one.label.clone()));
    }
    for (at, one) in drawn.iter().enumerate() {
        let area = |roc: &Roc| roc.area().map_or("none".into(), |area| format!("{area:.3}"));
        let control = one
            .control
            .as_ref()
            .map(|control| format!("; {} without the trigger, dashed", area(control)));
        let label = format!("{} ({}{})", one.label, area(&one.roc), control.unwrap_or_default());
        legend.push(Entry::new(line(Role::series(at), 100, false), label));
    }
    Figure {
        kind: FigureKind::Roc,
        title: "What defences find by false alarms".into(),
        summary: format!(
            "Receiver operating characteristics of {} defence runs, false positives on a logarithmic axis.",
            drawn.len()
        ),
        empty: "No defence run has scores of poisoned and of clean images here.",
        x: Axis {
            label: "False-positive rate (%)".into(),
            scale: Scale::Log { low, high: 100.0 },
        },
        y: Axis { label: "True-positive rate (%)".into(), scale: Scale::Percent },
        panels: Vec::new(),
        series: lines,
        legend,
        note: "In brackets: the area under the curve (AUROC). What is found without a false positive stands at the left edge.".into(),
        table: table(&drawn),
    }
}

/// Whether there are poisoned and clean ones, without which there are no shares.
fn has_both(roc: &Roc) -> bool {
    let (clean, poisoned) = roc.totals();
    clean > 0 && poisoned > 0
}

/// The left edge in percent: the decade below the smallest share of false positives that is not 0.
fn lowest(series: &[&RocSeries]) -> f64 {
    let curves = series.iter().flat_map(|one| [Some(&one.roc), one.control.as_ref()]).flatten();
    let most = curves.map(|roc| roc.totals().0).max().unwrap_or(100).max(1);
    libm::pow(10.0, libm::log10(100.0 / f64::from(most)).ceil() - 1.0)
}

/// A curve's places, with values to read at its corners.
fn places(roc: &Roc, name: &str, of: &RocSeries, low: f64) -> Vec<Point> {
    let (clean, poisoned) = roc.totals();
    let place = |(false_positives, found): (f64, f64)| Point {
        x: (100.0 * false_positives / f64::from(clean)).max(low),
        y: 100.0 * found / f64::from(poisoned),
        id: Some(of.run.to_string()),
        ..Point::default()
    };
    let mut points = Vec::new();
    let mut before = (0u32, 0u32);
    for corner in roc.points() {
        let rises = corner.0 > before.0 && corner.1 > before.1;
        let steps = if rises { (corner.0 - before.0).min(BETWEEN) } else { 0 };
        for step in 1..steps {
            let share = f64::from(step) / f64::from(steps);
            let part = |from: u32, to: u32| f64::from(from) + share * f64::from(to - from);
            points.push(place((part(before.0, corner.0), part(before.1, corner.1))));
        }
        let point = place((corner.0.into(), corner.1.into()));
        points.push(Point {
            text: format!(
                "{name}\nFPR {:.2} % ({} of {clean})\nTPR {:.1} % ({} of {poisoned})",
                100.0 * f64::from(corner.0) / f64::from(clean),
                corner.0,
                point.y,
                corner.1
            ),
            value: format!("TPR {:.1} %", point.y),
            ..point
        });
        before = corner;
    }
    points
}

/// The curve of a detector that guesses.
fn by_chance(low: f64) -> Vec<Point> {
    let steps = 48;
    let decades = libm::log10(100.0 / low);
    let share =
        |step: i32| 100.0 * libm::pow(10.0, -decades * (1.0 - f64::from(step) / f64::from(steps)));
    (0..=steps).map(|step| Point { x: share(step), y: share(step), ..Point::default() }).collect()
}

fn table(series: &[&RocSeries]) -> Table {
    let mut table = Table::new(&[
        "run",
        "label",
        "trigger",
        "false positives",
        "clean",
        "true positives",
        "poisoned",
        "fpr (%)",
        "tpr (%)",
    ]);
    let mut add = |one: &RocSeries, roc: &Roc, trigger: &str| {
        let (clean, poisoned) = roc.totals();
        for (wrong, found) in roc.points() {
            let share = |part: u32, of: u32| {
                number(Some(100.0 * f64::from(part) / f64::from(of.max(1))), 4)
            };
            table.rows.push(vec![
                one.run.to_string(),
                one.label.clone(),
                trigger.to_owned(),
                wrong.to_string(),
                clean.to_string(),
                found.to_string(),
                poisoned.to_string(),
                share(wrong, clean),
                share(found, poisoned),
            ]);
        }
    };
    for one in series {
        add(one, &one.roc, "with");
        if let Some(control) = &one.control {
            add(one, control, "without");
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::{Size, Style, Theme},
        id::RunId,
    };

    fn series(control: bool) -> RocSeries {
        // Found: both poisons at 0, 1 of 4 clean images suspected; the third one only with three of four.
        let scores = [9.0, 7.0, 8.0, 6.0, 5.0, 4.0, 1.0];
        let poisoned = [true, true, false, false, false, true, false];
        RocSeries {
            run: RunId::from_parts(1, [1; 10]),
            label: "SCAn".into(),
            roc: Roc::of(&scores, &poisoned).corners(),
            control: control.then(|| Roc::of(&scores, &poisoned.map(|truth| !truth)).corners()),
        }
    }

    #[test]
    fn a_curve_by_hand() {
        let figure = roc(&[series(false)]);
        let csv = figure.csv();
        let rows: Vec<Vec<&str>> =
            csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let shares: Vec<(&str, &str)> = rows.iter().map(|row| (row[7], row[8])).collect();
        let expected = [
            ("0", "0"),
            ("0", "33.3333"),
            ("25", "33.3333"),
            ("25", "66.6667"),
            ("75", "66.6667"),
            ("75", "100"),
            ("100", "100"),
        ];
        assert_eq!(shares, expected);
        // Pairs of a poisoned and a clean one: 4, 3 and 1 of 4 each: 8 of 12.
        assert!(figure.legend[1].label.ends_with("(0.667)"), "{}", figure.legend[1].label);
        let drawn = figure.draw(Size::FILE, Style::File(Theme::Light));
        assert_eq!(drawn.marks.len(), 7, "the corners are read, not what lies between");
        assert!(drawn.marks[3].text.contains("FPR 25.00 % (1 of 4)\nTPR 66.7 % (2 of 3)"));
        // Of four clean images the smallest share is 25 %, so the axis begins at 10 %.
        let x = |at: usize| f64::from(drawn.marks[at].x);
        assert!(x(0) < x(2) && x(2) < x(4) && x(4) < x(6));
        let (a, b, c) = (25f64.log10(), 75f64.log10(), 100f64.log10());
        let is = (x(4) - x(2)) / (x(6) - x(2));
        assert!((is - (b - a) / (c - a)).abs() < 2e-3, "{is}");
    }

    #[test]
    fn a_control_is_dashed_and_runs_without_both_kinds_are_left_out() {
        let figure = roc(&[series(true)]);
        let dashed = |series: &&Series| matches!(series.look.shape, Shape::Line { dash: true, .. });
        assert_eq!(figure.series.iter().filter(dashed).count(), 2, "chance and control");
        // The other way round, 12 - 8 of 12 pairs.
        let label = &figure.legend[1].label;
        assert!(label.ends_with("(0.667; 0.333 without the trigger, dashed)"), "{label}");
        let without = RocSeries { roc: Roc::of(&[1.0], &[true]), ..series(false) };
        assert!(roc(&[without]).is_empty() && roc(&[]).is_empty());
    }
}
