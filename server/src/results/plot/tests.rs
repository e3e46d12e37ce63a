//! Plots of a few runs, by hand.

use super::*;
use crate::results::{Filter, Row, Table, samples::probe};

fn table() -> Table {
    // ASR is 10, 20, 30, 40 %; CA is 90 %.
    let rows =
        [probe(1, 0.3, 0, 1), probe(2, 0.3, 10, 1), probe(3, 0.2, 10, 2), probe(4, 0.2, 10, 3)];
    let mut table = Table::new();
    for row in rows {
        table.insert(&row).expect("fits");
    }
    table
}

fn ask(table: &Table, kind: PlotKind, x: &str, y: &str, colour: Option<&str>) -> Ask {
    let column = |name: &str| table.column(name).expect("there");
    Ask {
        kind,
        x: column(x),
        x_scale: PlotScale::Auto,
        y: column(y),
        y_scale: PlotScale::Auto,
        beside: None,
        colour: colour.map(column),
        facet: None,
    }
}

#[test]
fn runs_by_hand() {
    let table = table();
    let ask = ask(&table, PlotKind::Runs, "ca", "asr", Some("attack.trigger.ratio"));
    let data = table.all().plot(&ask).expect("suits");
    assert_eq!((data.runs, data.drawn), (4, 4));
    assert_eq!(
        (&data.marks.x[..], &data.marks.y[..]),
        (&[90.0; 4][..], &[10.0, 20.0, 30.0, 40.0][..])
    );
    let groups: Vec<_> = data.groups.iter().map(|group| (&*group.label, group.runs)).collect();
    assert_eq!((groups, data.marks.group), (vec![("0.2", 2), ("0.3", 2)], vec![1, 1, 0, 0]));
    // Wilson's interval of 10 of 100 is 5.5 to 17.4 %.
    let (low, high) = data.marks.range[0].expect("counted");
    assert!((low - 5.523).abs() < 1e-3 && (high - 17.437).abs() < 1e-3, "{low} {high}");
    assert_eq!(
        (data.y.scale, &*data.y.unit, &*data.y.title),
        (PlotScale::Linear, "%", "Attack success rate")
    );
}

#[test]
fn settings_with_few_values_get_slots() {
    let table = table();
    let mut ask = ask(&table, PlotKind::Runs, "probe.poisons", "asr", None);
    let data = table.all().plot(&ask).expect("suits");
    assert_eq!(
        (data.x.slots, data.marks.x),
        (vec!["0".into(), "10".into()], vec![0.0, 1.0, 1.0, 1.0])
    );
    ask.x_scale = PlotScale::Log;
    let data = table.all().plot(&ask).expect("suits");
    assert_eq!((data.drawn, data.marks.x), (3, vec![10.0; 3]), "0 has no logarithm");
    ask.x = table.column("kind").expect("there");
    let error = table.all().plot(&ask).expect_err("no numbers");
    assert_eq!((error.field.as_str(), error.message.contains("no numbers")), ("x", true));
}

#[test]
fn means_by_hand() {
    let table = table();
    let ask = ask(&table, PlotKind::Means, "probe.poisons", "asr", None);
    let data = table.all().plot(&ask).expect("suits");
    assert_eq!((&data.marks.y[..], &data.marks.count[..]), (&[10.0, 30.0][..], &[1, 3][..]));
    // 20, 30, 40: 30 ± 4.302653 * 10 / sqrt(3) = 30 ± 24.84.
    let (low, high) = data.marks.range[1].expect("three runs");
    assert!((low - 5.159).abs() < 1e-3 && (high - 54.841).abs() < 1e-3, "{low} {high}");
    assert_eq!(data.marks.range[0], None, "one run");
    assert!(data.over.iter().any(|title| title == "Seed"), "{:?}", data.over);
}

#[test]
fn a_second_metric_stands_beside_the_means() {
    let table = table();
    let with = |kind, beside: &str| {
        let beside = Some(table.column(beside).expect("there"));
        table.all().plot(&Ask { beside, ..ask(&table, kind, "probe.poisons", "asr", None) })
    };
    let data = with(PlotKind::Means, "ca").expect("suits");
    assert_eq!(data.beside.expect("a second one").title, "Clean accuracy");
    assert_eq!(data.marks.beside, [Some(90.0), Some(90.0)]);
    assert_eq!(data.marks.y, [10.0, 30.0], "the first one is as without it");
    let refused = |kind, beside| {
        let error = with(kind, beside).expect_err("does not suit");
        (error.field, error.message)
    };
    let (field, message) = refused(PlotKind::Means, "seconds");
    assert_eq!(field, "beside");
    assert_eq!(message, "`seconds` has the unit s, and `asr` has the unit %: they share an axis");
    assert_eq!(refused(PlotKind::Runs, "ca").1, "only a plot of means has a second metric");
    assert_eq!(refused(PlotKind::Means, "seed").0, "beside");
}

#[test]
fn a_grid_by_hand() {
    let table = table();
    let ask = ask(&table, PlotKind::Heat, "probe.poisons", "attack.trigger.ratio", Some("asr"));
    let data = table.all().plot(&ask).expect("suits");
    let cells: Vec<_> = (0..data.marks.x.len())
        .map(|at| (data.marks.x[at], data.marks.y[at], data.marks.value[at]))
        .collect();
    assert_eq!(cells, [(0.0, 1.0, 10.0), (1.0, 1.0, 20.0), (1.0, 0.0, 35.0)]);
    assert_eq!(data.y.slots, ["0.2", "0.3"]);
}

#[test]
fn facets_by_hand() {
    let table = table();
    let facet = |kind, x: &str, y: &str, colour: Option<&str>, facet: &str| {
        let facet = Some(table.column(facet).expect("there"));
        table.all().plot(&Ask { facet, ..ask(&table, kind, x, y, colour) })
    };
    let names = |data: &PlotData| -> Vec<(String, u64)> {
        data.panels.iter().map(|panel| (panel.label.clone(), panel.runs)).collect()
    };
    let ratio = "attack.trigger.ratio";
    let runs = facet(PlotKind::Runs, "ca", "asr", None, ratio).expect("suits");
    assert_eq!(names(&runs), [("0.2".into(), 2), ("0.3".into(), 2)]);
    assert_eq!(runs.marks.panel, [1, 1, 0, 0]);
    assert_eq!(runs.facet.map(|axis| axis.name).as_deref(), Some(ratio));
    // ASR is 10 and 20 % at a ratio of 0.3, each of one run, and 35 % at 0.2, of two.
    let means = facet(PlotKind::Means, "probe.poisons", "asr", None, ratio).expect("suits");
    assert_eq!(
        (&means.marks.y[..], &means.marks.panel[..]),
        (&[10.0, 20.0, 35.0][..], &[1, 1, 0][..])
    );
    assert_eq!(names(&means), [("0.2".into(), 2), ("0.3".into(), 2)]);
    let coloured = facet(PlotKind::Means, "probe.poisons", "asr", Some("kind"), ratio);
    assert_eq!(coloured.expect("suits").marks.panel, [1, 1, 0]);
    let grid = facet(PlotKind::Heat, "probe.poisons", "seed", Some("asr"), ratio).expect("suits");
    assert_eq!(
        (grid.marks.value, grid.marks.panel),
        (vec![10.0, 20.0, 30.0, 40.0], vec![1, 1, 0, 0])
    );
    for kind in PlotKind::ALL {
        let (x, colour) =
            if kind == PlotKind::Heat { ("kind", Some("asr")) } else { ("kind", None) };
        let y = if kind == PlotKind::Heat { "seed" } else { "asr" };
        let error = facet(kind, x, y, colour, "ca").expect_err("a metric").field;
        assert_eq!(error, "facet", "{kind:?}");
    }
}

#[test]
fn a_figure_has_only_so_many_panels() {
    let mut table = Table::new();
    for seed in 0..17 {
        let run = shared::RunId::from_parts(seed, [1; 10]);
        table.insert(&Row { run, ..probe(1, 0.3, 10, seed) }).expect("fits");
    }
    let facet = Some(table.column("seed").expect("there"));
    let ask = Ask { facet, ..ask(&table, PlotKind::Runs, "ca", "asr", None) };
    let error = table.all().plot(&ask).expect_err("too many");
    assert_eq!((error.field.as_str(), error.message.contains("17 values")), ("facet", true));
}

#[test]
fn what_does_not_suit_is_named() {
    let table = table();
    let refused = |kind, x: &str, y: &str, colour: Option<&str>| {
        let ask = ask(&table, kind, x, y, colour);
        table.all().plot(&ask).expect_err("does not suit").field
    };
    assert_eq!(refused(PlotKind::Runs, "ca", "asr", Some("ca")), "colour");
    assert_eq!(refused(PlotKind::Means, "ca", "asr", None), "x");
    assert_eq!(refused(PlotKind::Means, "seed", "probe.poisons", None), "y");
    assert_eq!(refused(PlotKind::Means, "seed", "asr", Some("ca")), "colour");
    assert_eq!(refused(PlotKind::Heat, "seed", "asr", Some("asr")), "y");
    assert_eq!(refused(PlotKind::Heat, "seed", "probe.poisons", Some("kind")), "colour");
    assert_eq!(refused(PlotKind::Heat, "seed", "probe.poisons", None), "colour");
}

#[test]
fn a_filter_comes_first() {
    let table = table();
    let filter = Filter::new("asr > 15", &table).expect("valid");
    let ask = ask(&table, PlotKind::Runs, "seed", "loss", None);
    let data = filter.select(&table).plot(&ask).expect("suits");
    assert_eq!((data.runs, data.drawn, data.marks.x.len()), (3, 0, 0), "no run has a loss");
}
