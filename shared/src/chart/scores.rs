//! The scores of a defence: how many clean and how many poisoned images have which.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::Table,
};
use crate::api::ScoreBins;

/// The outlines of two or three histograms in percent of their images, and the limit of the decision; empty without scores.
pub fn scores(bins: Option<&ScoreBins>) -> Figure {
    let drawn = bins.filter(|bins| bins.edges.len() > 1);
    let groups = drawn.map(groups).unwrap_or_default();
    let highest = groups.iter().flat_map(Group::shares).fold(1.0, f64::max);
    let mut series: Vec<Series> =
        drawn.into_iter().flat_map(|bins| groups.iter().map(|group| group.series(bins))).collect();
    let mut legend: Vec<Entry> = groups.iter().map(Group::entry).collect();
    let limit =
        Look { role: Role::Muted, opacity: 100, shape: Shape::Line { dash: true, marker: None } };
    let (low, high) =
        drawn.map_or((0.0, 1.0), |bins| (bins.edges[0], bins.edges[bins.edges.len() - 1]));
    let within = |at: &f64| low <= *at && *at <= high;
    if let Some(at) = drawn.and_then(|bins| bins.limit).filter(within) {
        let end = |y: f64| Point { x: at, y, ..Point::default() };
        series.push(Series::new(limit, vec![end(0.0), end(highest)]));
        legend.push(Entry::new(limit, "flagged above this"));
    }
    let name = drawn.map_or("", |bins| &bins.label);
    Figure {
        kind: FigureKind::Scores,
        title: "Scores of the judged images".into(),
        summary: format!("Histograms of the scores that {name} gave to clean and to poisoned images."),
        empty: "No image was judged.",
        x: Axis { label: format!("Score ({name})"), scale: Scale::Linear { low, high } },
        y: Axis {
            label: "Share of the images (%)".into(),
            scale: Scale::Linear { low: 0.0, high: highest },
        },
        panels: Vec::new(),
        series,
        legend,
        note: "Higher scores are more suspicious. The outermost bins also have the scores beyond them.".into(),
        table: drawn.map_or_else(|| Table::new(&[]), |bins| table(bins, &groups)),
    }
}

/// Images that have the same part in the figure.
struct Group<'a> {
    name: &'static str,
    /// In a heading of the table.
    column: &'static str,
    look: Look,
    counts: &'a [u32],
}

fn groups(bins: &ScoreBins) -> Vec<Group<'_>> {
    let line =
        |role, opacity, dash| Look { role, opacity, shape: Shape::Line { dash, marker: None } };
    let (poisoned, column) =
        if bins.filters_samples { ("poisons", "poisons") } else { ("triggered", "triggered") };
    let (first, second) = (Role::series(0), Role::series(1));
    let of = |name, column, look, counts| Group { name, column, look, counts };
    let mut groups = vec![of("clean", "clean", line(first, 100, false), &bins.clean[..])];
    if let Some(control) = &bins.control {
        let name = "poisons without the trigger";
        groups.push(of(name, name, line(second, 60, true), control));
    }
    groups.push(of(poisoned, column, line(second, 100, false), &bins.poisoned));
    groups
}

impl Group<'_> {
    fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The share of its images in each bin, in percent.
    fn shares(&self) -> impl Iterator<Item = f64> {
        let total = f64::from(self.total().max(1));
        self.counts.iter().map(move |&count| 100.0 * f64::from(count) / total)
    }

    fn entry(&self) -> Entry {
        Entry::new(self.look, format!("{} ({})", self.name, self.total()))
    }

    /// Its outline; the middle of each step is read.
    fn series(&self, bins: &ScoreBins) -> Series {
        let at = |x: f64, y: f64| Point { x, y, ..Point::default() };
        let mut points = Vec::new();
        for ((edges, &count), share) in bins.edges.windows(2).zip(self.counts).zip(self.shares()) {
            let middle = Point {
                text: format!(
                    "{}\nscore {} to {}\n{count} of {} images, {share:.1} %",
                    self.name,
                    short(edges[0]),
                    short(edges[1]),
                    self.total()
                ),
                value: format!("{share:.1} %"),
                id: Some(bins.run.to_string()),
                ..at(f64::midpoint(edges[0], edges[1]), share)
            };
            points.extend([at(edges[0], share), middle, at(edges[1], share)]);
        }
        // The outline stands on the axis.
        if let (Some(first), Some(last)) = (points.first().cloned(), points.last().cloned()) {
            points.insert(0, Point { y: 0.0, ..first });
            points.push(Point { y: 0.0, ..last });
        }
        Series::new(self.look, points).named(self.name)
    }
}

/// A score with as many digits as tell bins apart.
fn short(score: f64) -> String {
    if score != 0.0 && !(1e-3..1e5).contains(&score.abs()) {
        return format!("{score:.2e}");
    }
    format!("{score:.3}")
}

fn table(bins: &ScoreBins, groups: &[Group<'_>]) -> Table {
    let columns: Vec<&str> =
        ["from", "to"].into_iter().chain(groups.iter().map(|group| group.column)).collect();
    let mut table = Table::new(&columns);
    for (at, edges) in bins.edges.windows(2).enumerate() {
        let edges = edges.iter().map(f64::to_string);
        let counts = groups.iter().map(|group| group.counts[at].to_string());
        table.rows.push(edges.chain(counts).collect());
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

    fn bins() -> ScoreBins {
        ScoreBins {
            run: RunId::from_parts(1, [1; 10]),
            label: "STRIP".into(),
            filters_samples: false,
            edges: vec![-1.0, 0.0, 1.0],
            clean: vec![3, 1],
            poisoned: vec![1, 4],
            control: None,
            limit: Some(0.25),
        }
    }

    #[test]
    fn histograms_by_hand() {
        let figure = scores(Some(&bins()));
        assert_eq!(figure.csv(), "from,to,clean,triggered\r\n-1,0,3,1\r\n0,1,1,4\r\n");
        let labels: Vec<&str> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(labels, ["clean (4)", "triggered (5)", "flagged above this"]);
        let outline: Vec<(f64, f64)> =
            figure.series[0].points.iter().map(|point| (point.x, point.y)).collect();
        let expected = [
            (-1.0, 0.0),
            (-1.0, 75.0),
            (-0.5, 75.0),
            (0.0, 75.0),
            (0.0, 25.0),
            (0.5, 25.0),
            (1.0, 25.0),
            (1.0, 0.0),
        ];
        assert_eq!(outline, expected);
        let limit: Vec<(f64, f64)> =
            figure.series[2].points.iter().map(|point| (point.x, point.y)).collect();
        assert_eq!(limit, [(0.25, 0.0), (0.25, 80.0)]);
        let drawn = figure.draw(Size::FILE, Style::File(Theme::Light));
        assert_eq!(drawn.marks.len(), 4, "one a bin and line");
        assert_eq!(drawn.marks[3].text, "triggered\nscore 0.000 to 1.000\n4 of 5 images, 80.0 %");
    }

    #[test]
    fn a_control_is_dashed_and_a_limit_beyond_the_scores_is_not_drawn() {
        let control = Some(vec![5, 0]);
        let bins = ScoreBins { filters_samples: true, control, limit: Some(7.0), ..bins() };
        let figure = scores(Some(&bins));
        let labels: Vec<&str> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
        assert_eq!(labels, ["clean (4)", "poisons without the trigger (5)", "poisons (5)"]);
        assert!(matches!(figure.series[1].look.shape, Shape::Line { dash: true, .. }));
        assert_eq!(figure.series.len(), 3);
        assert!(scores(None).is_empty());
    }
}
