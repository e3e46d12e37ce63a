//! A search for a trigger, epoch by epoch.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    role::Role,
    table::{Table, number},
};
use crate::api::{SearchEpoch, TriggerSearch};

/// Mean cosine of the features under the trigger, the share of the image that its mask takes, and the limit below which that share means a
/// backdoor.
pub fn trigger_search(search: Option<&TriggerSearch>) -> Figure {
    let epochs = search.map(|search| &search.epochs[..]).unwrap_or_default();
    let line = |role, dash| Look { role, opacity: 100, shape: Shape::Line { dash, marker: None } };
    let of = |name: &str, value: fn(&SearchEpoch) -> f64| -> Vec<Point> {
        let point = |(at, epoch): (usize, &SearchEpoch)| {
            let told = format!("{:.3}", value(epoch));
            Point {
                x: (at + 1) as f64,
                y: value(epoch),
                text: format!("epoch {}\n{name} {told}", at + 1),
                value: told,
                ..Point::default()
            }
        };
        epochs.iter().enumerate().map(point).collect()
    };
    let lines = [
        ("mean cosine under the trigger", Role::Triggered, of("mean cosine", |epoch| epoch.cosine)),
        ("PL1", Role::Clean, of("PL1", |epoch| epoch.pl1)),
    ];
    let (mut series, mut legend) = (Vec::new(), Vec::new());
    if !epochs.is_empty() {
        for (name, role, points) in lines {
            series.push(Series::new(line(role, false), points).named(name));
            legend.push(Entry::new(line(role, false), name));
        }
        let limit = search.map_or(0.0, |search| search.limit);
        let end = |x: f64| Point { x, y: limit, ..Point::default() };
        let look = line(Role::Muted, true);
        series.push(Series::new(look, vec![end(1.0), end(epochs.len() as f64)]));
        legend.push(Entry::new(look, format!("PL1 of a backdoor: below {limit}")));
    }
    let values = epochs.iter().flat_map(|epoch| [epoch.cosine, epoch.pl1]);
    let low = values.clone().fold(0.0, f64::min);
    Figure {
        kind: FigureKind::Search,
        title: "The search for a trigger".into(),
        summary: format!("Mean cosine and PL1 over {} epochs of a search.", epochs.len()),
        empty: "No search has been kept.",
        x: Axis {
            label: "epoch".into(),
            scale: Scale::Linear { low: 1.0, high: epochs.len().max(2) as f64 },
        },
        y: Axis {
            label: "mean cosine, and share of the image (PL1)".into(),
            scale: Scale::Linear { low, high: values.fold(1.0, f64::max) },
        },
        panels: Vec::new(),
        series,
        legend,
        note: "The weight of the mask's norm rises while the features stay alike, and falls while they do not.".into(),
        table: table(epochs),
    }
}

fn table(epochs: &[SearchEpoch]) -> Table {
    let mut table = Table::new(&["epoch", "mean cosine", "pl1", "weight of the norm"]);
    for (at, epoch) in epochs.iter().enumerate() {
        let mut row = vec![(at + 1).to_string()];
        row.extend([epoch.cosine, epoch.pl1, epoch.weight].map(|value| number(Some(value), 8)));
        table.rows.push(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Size, Style};

    #[test]
    fn a_search_by_hand() {
        let epochs = vec![
            SearchEpoch { cosine: 0.5, pl1: 0.4, weight: 0.001 },
            SearchEpoch { cosine: 0.995, pl1: 0.0625, weight: 0.0015 },
        ];
        let figure = trigger_search(Some(&TriggerSearch { limit: 0.1, epochs }));
        assert_eq!(
            figure.csv(),
            "epoch,mean cosine,pl1,weight of the norm\r\n1,0.5,0.4,0.001\r\n2,0.995,0.0625,0.0015\r\n"
        );
        let places: Vec<_> = figure.series[1].points.iter().map(|at| (at.x, at.y)).collect();
        assert_eq!(places, [(1.0, 0.4), (2.0, 0.0625)]);
        assert_eq!(figure.legend[2].label, "PL1 of a backdoor: below 0.1");
        let drawn = figure.draw(Size { width: 640, height: 400 }, Style::Page);
        assert_eq!(drawn.marks.len(), 4, "the limit is no value to read");
        assert!(trigger_search(None).is_empty());
    }
}
