//! The map of an encoder's features.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    marker::Marker,
    role::Role,
    table::{Table, number},
};
use crate::api::{FeatureMap, FeaturePoint, Projection};

/// Opacities in percent of the grey tones of the classes, from the first to the last.
const TONES: (u8, u8) = (90, 35);

/// The identifier of a point's mark: `12` or `12t` with the trigger.
fn id(point: &FeaturePoint) -> String {
    format!("{}{}", point.index, if point.triggered { "t" } else { "" })
}

/// Index and trigger of a mark's image, by the mark's identifier.
pub fn mapped_image(id: &str) -> Option<(u32, bool)> {
    let index = id.strip_suffix('t');
    Some((index.unwrap_or(id).parse().ok()?, index.is_some()))
}

/// What a map says of its places.
struct Words {
    /// Columns of the table.
    columns: [&'static str; 2],
    /// What the images are placed by.
    by: &'static str,
    note: String,
}

fn words(projection: Projection) -> Words {
    match projection {
        Projection::Pca => Words {
            columns: ["component 1", "component 2"],
            by: "the first two principal components of their CLS features",
            note:
                "CLS features of validation images, principal components over all that are shown."
                    .into(),
        },
        Projection::Tsne { perplexity } => Words {
            columns: ["t-SNE 1", "t-SNE 2"],
            by: "the neighbours of their CLS features",
            note: format!(
                "CLS features of validation images by t-SNE (perplexity {perplexity}) over all that are shown. Neighbours are alike; distances \
                 between groups mean little."
            ),
        },
    }
}

/// The map: clean images by class in tones of grey, the target class and triggered images in their colours.
pub fn feature_map(map: &FeatureMap) -> Figure {
    let classes = map.classes.len();
    let name =
        |class: u32| map.classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let points = |wanted: &dyn Fn(&FeaturePoint) -> bool| -> Vec<Point> {
        let of = map.points.iter().filter(|point| wanted(point));
        of.map(|point| Point {
            x: point.x,
            y: point.y,
            text: format!(
                "{}, {}\nimage {}",
                name(point.class),
                if point.triggered { "triggered" } else { "clean" },
                point.index
            ),
            id: Some(id(point)),
            ..Point::default()
        })
        .collect()
    };
    let look = |role, opacity, marker| Look { role, opacity, shape: Shape::Points { marker } };
    let target_class = map.target_class.class();
    let others: Vec<u32> =
        (0..classes as u32).filter(|&class| target_class != Some(class)).collect();
    let tone = |at: usize| {
        let last = others.len().saturating_sub(1).max(1);
        let step = f64::from(TONES.0 - TONES.1) / last as f64;
        (f64::from(TONES.0) - step * at as f64).round() as u8
    };
    let mut series: Vec<Series> = others
        .iter()
        .enumerate()
        .map(|(at, &class)| {
            let points = points(&|point| !point.triggered && point.class == class);
            Series::new(look(Role::Muted, tone(at), Marker::Circle), points)
        })
        .collect();
    let target = look(Role::Target, 100, Marker::Square);
    let triggered = look(Role::Triggered, 100, Marker::Triangle);
    let of_target = points(&|point| !point.triggered && target_class == Some(point.class));
    series.push(Series::new(target, of_target));
    series.push(Series::new(triggered, points(&|point| point.triggered)));
    series.retain(|series| !series.points.is_empty());
    let clean = look(Role::Muted, 70, Marker::Circle);
    let legend = match target_class {
        Some(class) => vec![
            Entry::new(clean, "clean, other classes"),
            Entry::new(target, format!("clean, target class {}", name(class))),
            Entry::new(triggered, "triggered, other classes"),
        ],
        None => vec![Entry::new(clean, "clean"), Entry::new(triggered, "triggered")],
    };
    let Words { columns, by, note } = words(map.projection);
    let axis = |k: usize, of: fn(&FeaturePoint) -> f64| {
        let values = map.points.iter().map(of);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let scale = if low <= high { Scale::Linear { low, high } } else { Scale::Percent };
        let label = match map.explained {
            Some(shares) => {
                format!("component {} ({:.1} % of the variance)", k + 1, 100.0 * shares[k])
            }
            None => columns[k].to_owned(),
        };
        Axis { label, scale }
    };
    let mut table = Table::new(&["image", "class", "triggered", columns[0], columns[1]]);
    table.rows = map
        .points
        .iter()
        .map(|point| {
            let (x, y) = (number(Some(point.x), 6), number(Some(point.y), 6));
            let triggered = point.triggered.to_string();
            vec![point.index.to_string(), name(point.class), triggered, x, y]
        })
        .collect();
    Figure {
        kind: FigureKind::Features,
        title: format!("Feature map, epoch {}", map.epoch),
        summary: format!("Scatter of {} images by {by}.", map.points.len()),
        empty: "No image to show.",
        x: axis(0, |point| point.x),
        y: axis(1, |point| point.y),
        panels: Vec::new(),
        series,
        legend,
        note,
        table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chart::{Size, Style},
        metric::Target,
    };

    fn map() -> FeatureMap {
        let point = |index, class, triggered, x| FeaturePoint { index, class, triggered, x, y: -x };
        FeatureMap {
            epoch: 4,
            target_class: Target::Class(1),
            classes: ["cat", "dog", "owl"].map(String::from).to_vec(),
            points: vec![
                point(0, 0, false, 1.0),
                point(1, 1, false, 2.0),
                point(2, 2, false, -1.5),
                point(0, 0, true, 2.5),
            ],
            projection: Projection::Pca,
            explained: Some([0.5, 0.25]),
            before: Some(0.1),
            after: Some(0.9),
        }
    }

    #[test]
    fn each_image_is_a_mark_that_names_it() {
        let figure = feature_map(&map());
        let drawing = figure.draw(Size::FILE, Style::Page);
        let ids: Vec<_> = drawing.marks.iter().filter_map(|mark| mark.id.clone()).collect();
        assert_eq!(ids, ["0", "2", "1", "0t"]);
        assert_eq!(ids.iter().map(|id| mapped_image(id)).collect::<Vec<_>>()[3], Some((0, true)));
        assert_eq!(mapped_image("run"), None);
        assert_eq!(drawing.marks[3].text, "cat, triggered\nimage 0");
        assert!(drawing.svg.contains("component 1 (50.0 % of the variance)"));
        for colour in ["f-muted", "f-target", "f-triggered"] {
            assert!(drawing.svg.contains(colour), "{colour}");
        }
    }

    #[test]
    fn all_to_all_has_no_target_class() {
        let figure = feature_map(&FeatureMap { target_class: Target::ALL_TO_ALL, ..map() });
        let drawing = figure.draw(Size::FILE, Style::Page);
        let ids: Vec<_> = drawing.marks.iter().filter_map(|mark| mark.id.clone()).collect();
        assert_eq!(ids, ["0", "1", "2", "0t"]);
        assert!(!drawing.svg.contains("target"), "{}", drawing.svg);
        let legend: Vec<_> = figure.legend.iter().map(|entry| entry.label.clone()).collect();
        assert_eq!(legend, ["clean", "triggered"]);
    }

    #[test]
    fn a_map_of_neighbours_has_no_components() {
        let projection = Projection::Tsne { perplexity: 12.5 };
        let figure = feature_map(&FeatureMap { projection, explained: None, ..map() });
        assert_eq!((figure.x.label.as_str(), figure.y.label.as_str()), ("t-SNE 1", "t-SNE 2"));
        assert!(figure.note.contains("perplexity 12.5"), "{}", figure.note);
        assert!(figure.csv().starts_with("image,class,triggered,t-SNE 1,t-SNE 2\r\n"));
    }

    #[test]
    fn the_table_has_every_image() {
        assert_eq!(
            feature_map(&map()).csv(),
            "image,class,triggered,component 1,component 2\r\n0,cat,false,1,-1\r\n1,dog,false,2,-2\r\n2,owl,false,-1.5,1.5\r\n\
             0,cat,true,2.5,-2.5\r\n"
        );
        let empty = FeatureMap { points: Vec::new(), ..map() };
        assert!(feature_map(&empty).is_empty());
    }
}
