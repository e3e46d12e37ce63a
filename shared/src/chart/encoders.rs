//! Encoders by the smallest trigger that was found in each.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::{Table, number},
};
use crate::{
    api::JudgedEncoder,
    metric::{Detection, Ratio, anomaly_index},
};

/// The score of an encoder without a trigger: less suspicious than any with one, whose share of the image is at most 1.
const NONE: f64 = -2.0;

/// A bar of PL1 for each judged encoder, clean ones first, and the limit of the decision. Those of which the detector says nothing are left
/// out.
pub fn encoders(judged: &[JudgedEncoder]) -> Figure {
    let mut drawn: Vec<&JudgedEncoder> =
        judged.iter().filter(|one| one.said.flagged.is_some()).collect();
    drawn.sort_by_key(|one| one.attacked.map_or(2, u8::from));
    let indices = indices(&drawn);
    let groups = [
        (Some(false), "clean encoder", Role::Clean, true),
        (Some(true), "attacked encoder", Role::Triggered, false),
        (None, "imported encoder", Role::Muted, false),
    ];
    let (mut series, mut legend) = (Vec::new(), Vec::new());
    for (attacked, name, role, hollow) in groups {
        let look = Look { role, opacity: 100, shape: Shape::Bars { hollow, slot: 0, of: 1 } };
        let members = (0..drawn.len()).filter(|&at| drawn[at].attacked == attacked);
        let points: Vec<Point> = members.map(|at| bar(drawn[at], at, indices[at])).collect();
        if !points.is_empty() {
            series.push(Series::new(look, points));
            legend.push(Entry::new(look, name));
        }
    }
    let highest = drawn.iter().filter_map(|one| one.said.pl1).fold(0.0, f64::max);
    let limit = common(drawn.iter().map(|one| one.limit));
    if let Some(limit) = limit {
        let shape = Shape::Line { dash: true, marker: None };
        let look = Look { role: Role::Ink, opacity: 70, shape };
        let end = |x: f64| Point { x, y: limit, ..Point::default() };
        series.push(Series::new(look, vec![end(-0.5), end(drawn.len() as f64 - 0.5)]));
        legend.push(Entry::new(look, format!("backdoored below {limit}")));
    }
    let high = highest.max(limit.unwrap_or(0.0)).max(0.01);
    Figure {
        kind: FigureKind::Encoders,
        title: "The smallest trigger of each encoder".into(),
        summary: format!(
            "Bars of PL1, the share of the image that the smallest trigger replaces, of {} encoders.",
            drawn.len()
        ),
        empty: "No encoder was judged: DECREE has not finished, or it says nothing of these encoders.",
        x: Axis {
            label: "encoder".into(),
            scale: Scale::Places(drawn.iter().map(|one| one.label.clone()).collect()),
        },
        y: Axis {
            label: "PL1, share of the image".into(),
            scale: Scale::Linear { low: 0.0, high: high * 1.05 },
        },
        panels: Vec::new(),
        series,
        legend,
        note: note(judged, &drawn),
        table: table(&drawn, &indices),
    }
}

/// The anomaly index of each encoder among all with a trigger; `None` without a trigger, or where the numbers have no spread.
fn indices(drawn: &[&JudgedEncoder]) -> Vec<Option<f64>> {
    let with: Vec<f64> = drawn.iter().filter_map(|one| one.said.pl1).collect();
    let mut all = anomaly_index(&with).unwrap_or_default().into_iter();
    drawn.iter().map(|one| one.said.pl1.and_then(|_| all.next())).collect()
}

/// The value that all have, if they have one in common.
fn common(mut values: impl Iterator<Item = f64>) -> Option<f64> {
    let first = values.next()?;
    values.all(|value| value.to_bits() == first.to_bits()).then_some(first)
}

/// How well PL1 tells attacked from clean encoders, smaller ones being more suspicious.
fn detection(drawn: &[&JudgedEncoder]) -> Option<Detection> {
    let known: Vec<_> = drawn.iter().filter_map(|one| Some((one, one.attacked?))).collect();
    let scores: Vec<f64> =
        known.iter().map(|(one, _)| one.said.pl1.map_or(NONE, |pl1| -pl1)).collect();
    let flagged: Vec<bool> = known.iter().map(|(one, _)| one.said.flagged == Some(true)).collect();
    let attacked: Vec<bool> = known.iter().map(|&(_, attacked)| attacked).collect();
    Detection::of(&scores, &flagged, &attacked)
}

fn note(judged: &[JudgedEncoder], drawn: &[&JudgedEncoder]) -> String {
    let mut parts = Vec::new();
    if let Some(Detection { auroc, found, false_alarms, .. }) = detection(drawn) {
        let flagged = |of: Ratio, which: &str| {
            (of.total > 0).then(|| format!("{} of {} {which}", of.hits, of.total))
        };
        let told = [flagged(found, "attacked"), flagged(false_alarms, "clean")];
        let told: Vec<String> = told.into_iter().flatten().collect();
        if !told.is_empty() {
            let right = found.hits + false_alarms.total - false_alarms.hits;
            let all = found.total + false_alarms.total;
            parts
                .push(format!("Flagged: {}; {right} of {all} rightly judged.", told.join(" and ")));
        }
        parts.extend(auroc.map(|area| format!("AUROC {area:.3}.")));
    }
    let without = drawn.iter().filter(|one| one.said.pl1.is_none()).count();
    if without > 0 {
        let of = if without == 1 { "1 encoder, which has" } else { "those encoders that have" };
        parts.push(format!("No trigger makes the features of {of} no bar, alike."));
    }
    let silent = judged.len() - drawn.len();
    if silent > 0 {
        let of =
            if silent == 1 { "1 more encoder".into() } else { format!("{silent} more encoders") };
        parts.push(format!("Of {of} nothing is said, as clean features are alike already."));
    }
    parts.join(" ")
}

fn bar(one: &JudgedEncoder, at: usize, index: Option<f64>) -> Point {
    let pl1 = one.said.pl1.map_or("no trigger".into(), |pl1| format!("PL1 {pl1:.3}"));
    let verdict = if one.said.flagged == Some(true) { "backdoored" } else { "not backdoored" };
    let mut text = vec![one.label.clone(), format!("{pl1}: {verdict}")];
    text.extend(index.map(|index| format!("anomaly index {index:.2}")));
    text.push(format!("mean cosine of clean features {:.3}", one.said.clean_cosine));
    Point {
        x: at as f64,
        y: one.said.pl1.unwrap_or(0.0),
        text: text.join("\n"),
        id: Some(one.run.to_string()),
        ..Point::default()
    }
}

fn table(drawn: &[&JudgedEncoder], indices: &[Option<f64>]) -> Table {
    let mut table = Table::new(&[
        "run",
        "encoder",
        "attacked",
        "clean cosine",
        "pl1",
        "anomaly index",
        "flagged",
        "limit",
    ]);
    let word = |truth: Option<bool>| truth.map_or("", |truth| if truth { "yes" } else { "no" });
    for (one, index) in drawn.iter().zip(indices) {
        table.rows.push(vec![
            one.run.to_string(),
            one.label.clone(),
            word(one.attacked).into(),
            number(Some(one.said.clean_cosine), 6),
            number(one.said.pl1, 6),
            number(*index, 6),
            word(one.said.flagged).into(),
            number(Some(one.limit), 6),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::{Size, Style},
        id::RunId,
        metric::OfEncoder,
    };

    fn judged(
        at: u64,
        attacked: Option<bool>,
        pl1: Option<f64>,
        flagged: Option<bool>,
    ) -> JudgedEncoder {
        JudgedEncoder {
            run: RunId::from_parts(at, [1; 10]),
            label: format!("encoder {at}"),
            attacked,
            said: OfEncoder { clean_cosine: 0.5, pl1, flagged },
            limit: 0.1,
        }
    }

    #[test]
    fn encoders_by_hand() {
        let all = [
            judged(1, Some(true), Some(0.05), Some(true)),
            judged(2, Some(true), Some(0.3), Some(false)),
            judged(3, Some(false), Some(0.2), Some(false)),
            judged(4, Some(false), None, Some(false)),
            judged(5, None, Some(0.25), Some(false)),
            judged(6, Some(false), None, None),
        ];
        let figure = encoders(&all);
        // Of four pairs, 0.05 is below both clean ones, and 0.3 below the one without a trigger.
        let note = "Flagged: 1 of 2 attacked and 0 of 2 clean; 3 of 4 rightly judged. AUROC 0.750. \
             No trigger makes the features of 1 encoder, which has no bar, alike. \
             Of 1 more encoder nothing is said, as clean features are alike already.";
        assert_eq!(figure.note, note);
        let Scale::Places(names) = &figure.x.scale else { panic!("{:?}", figure.x) };
        assert_eq!(names[..], ["encoder 3", "encoder 4", "encoder 1", "encoder 2", "encoder 5"]);
        let csv = figure.csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 6);
        // Median 0.225 of 0.05, 0.2, 0.25, 0.3; deviations 0.175, 0.025, 0.025, 0.075, of which the median is 0.05.
        assert!(lines[3].ends_with(",encoder 1,yes,0.5,0.05,-2.360718,yes,0.1"), "{}", lines[3]);
        assert!(lines[2].ends_with(",encoder 4,no,0.5,,,no,0.1"), "{}", lines[2]);
        let legend: Vec<&str> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(
            legend,
            ["clean encoder", "attacked encoder", "imported encoder", "backdoored below 0.1"]
        );
        let drawn = figure.draw(Size { width: 640, height: 400 }, Style::Page);
        assert!(drawn.marks[0].text.contains("PL1 0.200: not backdoored\nanomaly index -0.34"));
    }

    #[test]
    fn without_clean_encoders_there_is_no_rate_of_them() {
        let figure = encoders(&[judged(1, Some(true), Some(0.05), Some(true))]);
        assert_eq!(figure.note, "Flagged: 1 of 1 attacked; 1 of 1 rightly judged.");
        assert!(encoders(&[judged(1, Some(true), None, None)]).is_empty());
        assert_eq!(common([0.1, 0.2].into_iter()), None);
    }
}
