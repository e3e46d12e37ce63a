//! The map of an encoder's features.

use super::{
    figure::{Axis, Entry, Figure, FigureKind, Look, Point, Scale, Series, Shape},
    marker::Marker,
    role::Role,
    table::{Table, number},
};
use crate::api::{FeatureMap, FeaturePoint};

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
    let tone = |at: usize| {
        let step = f64::from(TONES.0 - TONES.1) / classes.saturating_sub(2).max(1) as f64;
        (f64::from(TONES.0) - step * at as f64).round() as u8
    };
    let others = (0..classes as u32).filter(|&class| class != map.target_class);
    let mut series: Vec<Series> = others
        .enumerate()
        .map(|(at, class)| {
            let points = points(&|point| !point.triggered && point.class == class);
            Series::new(look(Role::Muted, tone(at), Marker::Circle), points)
        })
        .collect();
    let target = look(Role::Target, 100, Marker::Square);
    let triggered = look(Role::Triggered, 100, Marker::Triangle);
    let of_target = points(&|point| !point.triggered && point.class == map.target_class);
    series.push(Series::new(target, of_target));
    series.push(Series::new(triggered, points(&|point| point.triggered)));
    series.retain(|series| !series.points.is_empty());
    let legend = vec![
        Entry::new(look(Role::Muted, 70, Marker::Circle), "clean, other classes"),
        Entry::new(target, format!("clean, target class {}", name(map.target_class))),
        Entry::new(triggered, "triggered, other classes"),
    ];
    let axis = |k: usize, of: fn(&FeaturePoint) -> f64| {
        let values = map.points.iter().map(of);
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let scale = if low <= high { Scale::Linear { low, high } } else { Scale::Percent };
        let share = 100.0 * map.explained[k];
        Axis { label: format!("component {} ({share:.1} % of the variance)", k + 1), scale }
    };
    let mut table = Table::new(&["image", "class", "triggered", "component 1", "component 2"]);
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
        summary: format!(
            "Scatter of {} images by the first two principal components of their CLS features.",
            map.points.len()
        ),
        empty: "No image to show.",
        x: axis(0, |point| point.x),
        y: axis(1, |point| point.y),
        panels: Vec::new(),
        series,
        legend,
        note: "CLS features of validation images, principal components over all that are shown."
            .into(),
        table,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Size, Style};

    fn map() -> FeatureMap {
        let point = |index, class, triggered, x| FeaturePoint { index, class, triggered, x, y: -x };
        FeatureMap {
            epoch: 4,
            target_class: 1,
            classes: ["cat", "dog", "owl"].map(String::from).to_vec(),
            points: vec![
                point(0, 0, false, 1.0),
                point(1, 1, false, 2.0),
                point(2, 2, false, -1.5),
                point(0, 0, true, 2.5),
            ],
            explained: [0.5, 0.25],
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
