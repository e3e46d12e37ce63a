//! Plots of made-up runs, by hand.

use super::{marks::front, *};
use crate::{
    api::{PlotGroup, PlotMarks},
    chart::{Size, Style, Theme, role::Role},
    id::RunId,
};

fn axis(name: &str, title: &str, unit: &str) -> PlotAxis {
    PlotAxis {
        name: name.into(),
        title: title.into(),
        unit: unit.into(),
        scale: PlotScale::Linear,
        slots: vec![],
    }
}

fn scatter(points: &[(f64, f64)]) -> PlotData {
    let run = |at| RunId::from_parts(at, [1; 10]);
    PlotData {
        kind: PlotKind::Runs,
        x: axis("ca", "Clean accuracy", "%"),
        y: axis("asr", "Attack success rate", "%"),
        beside: None,
        colour: None,
        runs: points.len() as u64 + 1,
        drawn: points.len() as u64,
        groups: vec![],
        over: vec![],
        facet: None,
        panels: vec![],
        marks: PlotMarks {
            x: points.iter().map(|point| point.0).collect(),
            y: points.iter().map(|point| point.1).collect(),
            run: (0..points.len() as u64).map(run).collect(),
            ..PlotMarks::default()
        },
    }
}

#[test]
fn the_front_by_hand() {
    // (80, 90) and (95, 20) are on it, and (90, 60); (70, 90) and (85, 60) are exceeded.
    let data = scatter(&[(70.0, 90.0), (80.0, 90.0), (85.0, 60.0), (90.0, 60.0), (95.0, 20.0)]);
    let line = front(&data, (0..5).collect());
    let places: Vec<_> = line.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(places, [(80.0, 90.0), (90.0, 60.0), (95.0, 20.0)]);
    let figure = plot(&data, &PlotLook { front: true, ..PlotLook::default() });
    assert!(figure.note.contains("1 run without a value has no mark"), "{}", figure.note);
    assert_eq!(figure.csv().lines().count(), 6, "the front is no further row");
}

#[test]
fn many_marks_are_left_to_the_page() {
    let points: Vec<_> = (0..1500).map(|at| (f64::from(at % 100), f64::from(at % 77))).collect();
    let figure = plot(&scatter(&points), &PlotLook { whole: true, ..PlotLook::default() });
    let size = Size { width: 640, height: 400 };
    let drawn = figure.draw(size, Style::Page);
    assert_eq!((drawn.marks.len(), drawn.dots[0].places.len()), (1500, 1500));
    assert!(drawn.svg.len() < 10_000, "{} bytes", drawn.svg.len());
    let mark = &drawn.marks[0];
    assert_eq!(drawn.dots[0].places[0], (mark.x, mark.y));
    let area = drawn.areas[0];
    assert!((area.x.value(mark.x).expect("a number")).abs() < 0.1);
    assert!((area.y.value(mark.y).expect("a number")).abs() < 0.1);
    let file = figure.draw(size, Style::File(Theme::Light));
    assert!(file.dots.is_empty() && file.svg.matches("<circle").count() >= 1500);
}

#[test]
fn groups_beyond_the_eighth_are_grey() {
    let mut data = scatter(&[(1.0, 1.0); 10]);
    data.colour = Some(axis("study", "Study", ""));
    data.groups = (0..10).map(|at| PlotGroup { label: format!("g{at}"), runs: 1 }).collect();
    data.marks.group = (0..10).collect();
    let figure = plot(&data, &PlotLook::default());
    assert_eq!(figure.legend.len(), 9);
    assert_eq!(figure.legend[8].label, "2 others");
    let grey = figure.series.iter().filter(|series| series.look.role == Role::Muted);
    assert_eq!(grey.count(), 2);
}

fn of_groups(labels: &[&str], group: &[u32], points: &[(f64, f64)]) -> PlotData {
    let mut data = scatter(points);
    data.colour = Some(axis("study", "Study", ""));
    data.groups =
        labels.iter().map(|label| PlotGroup { label: (*label).into(), runs: 1 }).collect();
    data.marks.group = group.to_vec();
    data
}

fn hiding(hidden: &[&str]) -> PlotLook {
    let hidden = hidden.iter().map(ToString::to_string).collect();
    PlotLook { front: true, hidden, ..PlotLook::default() }
}

#[test]
fn what_the_legend_hides_is_left_out() {
    let data = of_groups(&["a", "b"], &[0, 1, 1], &[(80.0, 10.0), (90.0, 50.0), (85.0, 40.0)]);
    let size = Size { width: 640, height: 400 };
    let all = plot(&data, &hiding(&[]));
    let page = all.draw(size, Style::Page);
    let switches: Vec<_> = page.switches.iter().map(|one| (&*one.group, one.off)).collect();
    assert_eq!(switches, [("a", false), ("b", false)], "the front is no switch");
    assert!(page.switches[1].x >= page.switches[0].x + page.switches[0].width);

    let figure = plot(&data, &hiding(&["b"]));
    let drawn = figure.draw(size, Style::Page);
    // The mark of "a", and the front, which now is that mark.
    assert_eq!(drawn.marks.len(), 2);
    assert_eq!(drawn.switches.iter().filter(|one| one.off).count(), 1);
    let moved = (drawn.switches[1].x - page.switches[1].x).abs();
    assert!(moved < 1e-6, "the legend stays in place");
    assert!(figure.note.ends_with("Hidden: b."), "{}", figure.note);
    assert!(figure.summary.contains("of 1 runs"), "{}", figure.summary);
    assert_eq!(figure.csv().lines().count(), 2);
    let file = figure.draw(size, Style::File(Theme::Light)).svg;
    assert!(!file.contains(">b</text>") && file.contains(">a</text>"), "off only in a page");

    let none = plot(&data, &hiding(&["a", "b"]));
    assert!(!none.is_empty(), "the legend must stay to show them again");
    assert_eq!(none.draw(size, Style::Page).switches.len(), 2);
}

#[test]
fn the_grey_groups_are_hidden_together() {
    let labels: Vec<String> = (0..10).map(|at| format!("g{at}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let data = of_groups(&labels, &(0..10).collect::<Vec<_>>(), &[(1.0, 1.0); 10]);
    let marks = |hidden: &[&str]| {
        let look = PlotLook { front: false, ..hiding(hidden) };
        plot(&data, &look).csv().lines().count() - 1
    };
    assert_eq!((marks(&[OTHERS]), marks(&["g9"]), marks(&["g0"])), (8, 10, 9));
}

#[test]
fn panels_share_their_axes() {
    let points = [(70.0, 10.0), (95.0, 90.0), (80.0, 20.0), (90.0, 60.0), (75.0, 5.0)];
    let mut data = scatter(&points);
    data.facet = Some(axis("seed", "Seed", ""));
    data.panels = ["1", "2", "3"].map(|label| PlotGroup { label: label.into(), runs: 1 }).into();
    data.marks.panel = vec![0, 0, 1, 1, 2];
    let figure = plot(&data, &PlotLook { front: true, ..PlotLook::default() });
    assert_eq!(figure.panels, ["Seed: 1", "Seed: 2", "Seed: 3"]);
    assert!(figure.csv().starts_with("seed,ca (%),asr (%)"), "{}", figure.csv());
    let drawn = figure.draw(Size { width: 600, height: 400 }, Style::Page);
    // Two columns have room, so the third panel is below the first.
    let [first, second, third] = drawn.areas[..] else { panic!("{} panels", drawn.areas.len()) };
    assert_eq!((first.y.from, first.y.to), (second.y.from, second.y.to));
    assert_eq!((first.x.from, first.x.to), (third.x.from, third.x.to));
    assert!(second.x.from > first.x.to && third.y.to > first.y.from);
    for area in [second, third] {
        assert!((area.x.to - area.x.from - (first.x.to - first.x.from)).abs() < 0.01);
    }
    // The same value is at the same share of each panel.
    let share = |at: usize| {
        let mark = drawn
            .marks
            .iter()
            .find(|mark| mark.text.contains(&format!("rate: {:.1}", points[at].1)));
        let mark = mark.expect("a mark");
        let area = drawn.areas[mark.panel];
        (mark.panel, area.x.value(mark.x).expect("a number"))
    };
    for (at, &(x, _)) in points.iter().enumerate() {
        let (panel, value) = share(at);
        assert_eq!(panel, data.marks.panel[at] as usize);
        assert!((value - x).abs() < 0.2, "{value} of {x}");
    }
    assert_eq!(drawn.panel((first.x.from, first.y.from)), Some(0));
    assert_eq!(drawn.panel((second.x.to + 3.0, second.y.to)), Some(1));
    assert_eq!(drawn.panel((third.x.from, third.y.from + 9.0)), Some(2));
    // On a narrow page they are below one another, each at least 140 px high.
    let narrow = figure.draw(Size { width: 340, height: 400 }, Style::Page);
    assert!(narrow.areas.windows(2).all(|pair| pair[1].y.to > pair[0].y.from));
    assert!(narrow.height > 3 * 140, "{}", narrow.height);
}

#[test]
fn lines_have_a_name_and_a_value_each() {
    let mut data = of_groups(&["a", "b"], &[0, 1], &[(80.0, 10.0), (80.0, 50.0)]);
    data.kind = PlotKind::Means;
    data.marks.run.clear();
    data.marks.count = vec![3, 3];
    data.marks.range = vec![Some((5.0, 15.0)), None];
    let drawn =
        plot(&data, &PlotLook::default()).draw(Size { width: 640, height: 400 }, Style::Page);
    let told = drawn.marks.iter().map(|mark| {
        let named = drawn.lines[mark.series].as_ref().expect("a name");
        (named.name.as_str(), mark.value.as_str())
    });
    // The last group is drawn first.
    assert_eq!(told.collect::<Vec<_>>(), [("b", "50.0 %"), ("a", "10.0 % (5.0–15.0)")]);
}

#[test]
fn a_second_metric_is_dashed_in_the_colour_of_its_group() {
    let mut data = of_groups(&["a", "b"], &[0, 0, 1], &[(20.0, 10.0), (10.0, 50.0), (10.0, 30.0)]);
    data.kind = PlotKind::Means;
    data.marks.run.clear();
    data.marks.count = vec![3, 3, 3];
    data.beside = Some(axis("trigger_seen", "Views with some of the trigger", "%"));
    data.marks.beside = vec![Some(68.0), Some(25.0), None];
    let figure = plot(&data, &PlotLook::default());
    let of_first = &figure.series[0];
    assert_eq!((of_first.look.role, of_first.points.len()), (Role::series(0), 2));
    let places: Vec<_> = of_first.points.iter().map(|point| (point.x, point.y)).collect();
    assert_eq!(places, [(10.0, 25.0), (20.0, 68.0)], "in the order of x");
    assert!(figure.series[1].points.is_empty(), "the other group has none");
    assert!(figure.note.contains("Dashed: views with some of the trigger."), "{}", figure.note);
    let csv = figure.csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "ca (%),study,asr (%),trigger_seen (%),runs");
    assert_eq!((lines[1], lines[3]), ("20,a,10,68,3", "10,b,30,,3"));
}

#[test]
fn a_trend_is_of_what_is_drawn() {
    let mut data = of_groups(
        &["a", "b"],
        &[0, 0, 0, 1],
        &[(10.0, 10.0), (20.0, 20.0), (30.0, 30.0), (20.0, 90.0)],
    );
    let entries = |data: &PlotData, hidden: &[&str]| {
        let hidden = hidden.iter().map(ToString::to_string).collect();
        let figure = plot(data, &PlotLook { trend: true, hidden, ..PlotLook::default() });
        figure.legend.into_iter().map(|entry| entry.label).collect::<Vec<_>>()
    };
    assert_eq!(entries(&data, &["b"])[2], "least squares: y = 0.00 + 1.00 x, R² 1.00, n 3");
    assert!(entries(&data, &[])[2].ends_with("n 4"));
    data.x.scale = PlotScale::Log;
    assert_eq!(entries(&data, &[]).len(), 2, "no line on a logarithmic axis");
}

#[test]
fn a_grid_by_hand() {
    let slots = |axis: PlotAxis, slots: &[&str]| PlotAxis {
        scale: PlotScale::Even,
        slots: slots.iter().map(ToString::to_string).collect(),
        ..axis
    };
    let data = PlotData {
        kind: PlotKind::Heat,
        x: slots(axis("probe.poisons", "Poisons", ""), &["0", "10"]),
        y: slots(axis("mask_ratio", "Mask ratio", ""), &["0.5", "0.75"]),
        beside: None,
        colour: Some(axis("asr", "Attack success rate", "%")),
        runs: 6,
        drawn: 6,
        groups: vec![],
        over: vec!["seed".into()],
        facet: None,
        panels: vec![],
        marks: PlotMarks {
            x: vec![0.0, 1.0, 1.0],
            y: vec![0.0, 0.0, 1.0],
            value: vec![0.0, 50.0, 100.0],
            range: vec![None, Some((40.0, 60.0)), None],
            count: vec![2, 3, 1],
            ..PlotMarks::default()
        },
    };
    let figure = plot(&data, &PlotLook::default());
    assert_eq!(figure.title, "Attack success rate by poisons and mask ratio");
    let strengths: Vec<_> = figure.series[0].points.iter().map(|point| point.strength).collect();
    assert_eq!(strengths, [4, 34, 64]);
    let labels: Vec<_> = figure.legend.iter().map(|entry| entry.label.as_str()).collect();
    assert_eq!(labels, ["0.0 %", "25.0 %", "50.0 %", "75.0 %", "100.0 %"]);
    let csv = figure.csv();
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines[0], "probe.poisons,mask_ratio,asr (%),asr low 95,asr high 95,runs");
    assert_eq!(lines[2], "10,0.5,50,40,60,3");
    let drawn = figure.draw(Size { width: 640, height: 400 }, Style::Page);
    assert!(drawn.svg.contains(">50.0</text>"), "cells show their value");
    let told = &drawn.marks[1].text;
    assert!(told.contains("Attack success rate: 50.0 % (40.0–60.0)\n3 runs"), "{told}");
    let latex = figure.latex().expect("a table");
    assert!(
        latex.contains(" & \\multicolumn{2}{c}{Poisons} \\\\\nMask ratio & 0 & 10 \\\\"),
        "{latex}"
    );
    assert!(
        latex.contains("\n0.5 & $0.0$ & $50.0$ (40.0--60.0) \\\\\n0.75 & -- & $100.0$ \\\\"),
        "{latex}"
    );
}
