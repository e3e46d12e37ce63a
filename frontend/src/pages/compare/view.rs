//! What the page shows, as kept in the address.

use shared::{
    api::{ColumnKind, PlotKind, PlotScale, ResultColumn},
    chart::{FigureKind, PlotLook},
    csv,
};

use crate::{api, components::next_sort};

/// Rows per page of the table.
pub const LIMIT: u64 = 50;
/// Number of runs whose accuracy is drawn when none is chosen: as many as the server draws for a download.
pub const MOST_LINES: usize = 12;
/// Most settings that the table shows unless they are chosen.
const MOST_SETTINGS: usize = 5;

/// The figures of the page.
pub const FIGURES: [FigureKind; 7] = [
    FigureKind::Plot,
    FigureKind::AsrByPoison,
    FigureKind::AccuracyByEpoch,
    FigureKind::DefenceMatrix,
    FigureKind::BeforeAfter,
    FigureKind::Roc,
    FigureKind::Encoders,
];

/// What a row of the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rows {
    /// A run.
    #[default]
    Each,
    /// The means over runs.
    Means,
    /// The means over runs with the values of one setting down and those of another one across.
    Pivot,
}

/// The columns of a pivot table; empty for those that fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PivotColumns {
    /// The setting whose values are the rows.
    pub rows: String,
    /// The setting whose values are the columns.
    pub columns: String,
    /// The metric in the cells.
    pub shows: String,
}

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Expression that selects the runs of table and figure; empty for all.
    pub filter: String,
    /// Which figure; `None` for the plot.
    pub figure: Option<FigureKind>,
    /// What a mark of the plot stands for.
    pub kind: PlotKind,
    /// Column from left to right, of the matrix of defences, too; empty for the one that fits.
    pub x: String,
    /// Column from bottom to top, the rows of the matrix; empty for the one that fits.
    pub y: String,
    /// Column of the colour, `none` for none, or what the matrix shows; empty for the one that fits.
    pub colour: String,
    /// How x is placed.
    pub x_scale: PlotScale,
    /// How y is placed.
    pub y_scale: PlotScale,
    /// Column with a panel for each value, or `none`; empty for what suits the runs.
    pub facet: String,
    /// A second metric of means, drawn dashed; empty for none.
    pub beside: String,
    /// What of the plot is a matter of drawing only.
    pub look: PlotLook,
    /// The published series are drawn.
    pub published: bool,
    /// The chosen runs.
    pub runs: Vec<String>,
    /// The run with which the table compares all others; empty for none.
    pub baseline: String,
    /// What a row of the table is.
    pub rows: Rows,
    /// The columns of the pivot table.
    pub pivot: PivotColumns,
    /// The table's columns; empty for those that fit.
    pub columns: Vec<String>,
    /// The column that sorts the table, with a leading minus sign in descending order; empty for the newest first.
    pub sort: String,
    /// First row of the table.
    pub offset: u64,
}

impl View {
    /// Reads the address; `get` gives a parameter's value. What makes no sense is left out.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name| get(name).unwrap_or_default();
        let on = |name| get(name).as_deref() == Some("true");
        let list = |name| -> Vec<String> {
            text(name).split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        Self {
            filter: text("filter"),
            figure: text("figure").parse().ok().filter(|kind| FIGURES[1..].contains(kind)),
            kind: text("kind").parse().unwrap_or_default(),
            x: text("x"),
            y: text("y"),
            colour: text("colour"),
            facet: text("facet"),
            beside: text("beside"),
            look: PlotLook {
                whole: on("whole"),
                front: on("front"),
                trend: on("trend"),
                hidden: csv::listed(&text("hide")),
            },
            x_scale: text("x_scale").parse().unwrap_or_default(),
            y_scale: text("y_scale").parse().unwrap_or_default(),
            published: on("published"),
            runs: list("runs"),
            baseline: text("baseline"),
            rows: match (on("means"), on("pivot")) {
                (true, _) => Rows::Means,
                (false, true) => Rows::Pivot,
                (false, false) => Rows::Each,
            },
            pivot: PivotColumns {
                rows: text("pivot_rows"),
                columns: text("pivot_columns"),
                shows: text("pivot_shows"),
            },
            columns: list("columns"),
            sort: text("sort"),
            offset: text("offset").parse().unwrap_or_default(),
        }
    }

    /// The query of the address; empty for what the page begins with.
    pub fn query(&self) -> String {
        let on = |on: bool| if on { "true" } else { "" };
        let scale = |scale: PlotScale| if scale == PlotScale::Auto { "" } else { scale.as_str() };
        let kind = if self.kind == PlotKind::Runs { "" } else { self.kind.as_str() };
        let offset = if self.offset > 0 { self.offset.to_string() } else { String::new() };
        api::query(&[
            ("filter", &self.filter),
            ("figure", self.figure.map_or("", FigureKind::as_str)),
            ("kind", kind),
            ("x", &self.x),
            ("y", &self.y),
            ("colour", &self.colour),
            ("facet", &self.facet),
            ("beside", &self.beside),
            ("hide", &csv::list(&self.look.hidden)),
            ("x_scale", scale(self.x_scale)),
            ("y_scale", scale(self.y_scale)),
            ("whole", on(self.look.whole)),
            ("front", on(self.look.front)),
            ("trend", on(self.look.trend)),
            ("published", on(self.published)),
            ("runs", &self.runs.join(",")),
            ("baseline", &self.baseline),
            ("means", on(self.rows == Rows::Means)),
            ("pivot", on(self.rows == Rows::Pivot)),
            ("pivot_rows", &self.pivot.rows),
            ("pivot_columns", &self.pivot.columns),
            ("pivot_shows", &self.pivot.shows),
            ("columns", &self.columns.join(",")),
            ("sort", &self.sort),
            ("offset", &offset),
        ])
    }

    /// Compares all others with this run, or with none if they are compared with it.
    pub fn toggle_baseline(&mut self, id: &str) {
        if self.baseline == id {
            self.baseline.clear();
        } else {
            id.clone_into(&mut self.baseline);
        }
    }

    /// Takes a run out of the chosen ones, or adds it.
    pub fn toggle_run(&mut self, id: &str) {
        match self.runs.iter().position(|run| run == id) {
            Some(at) => drop(self.runs.remove(at)),
            None => self.runs.push(id.to_owned()),
        }
    }

    /// Adds a condition to the filter.
    pub fn narrow(&mut self, condition: &str) {
        self.filter = if self.filter.trim().is_empty() {
            condition.to_owned()
        } else if super::expression::conjuncts(&self.filter).len() > 1
            || !self.filter.contains("||")
        {
            format!("{} && {condition}", self.filter.trim())
        } else {
            format!("({}) && {condition}", self.filter.trim())
        };
        self.offset = 0;
    }

    /// The order after a click on a column's head: first the more interesting direction (numbers from the highest, names from A), then the
    /// reverse, then the newest first again.
    pub fn sort_by(&mut self, column: &str, number: bool) {
        self.sort = next_sort(&self.sort, column, number);
        self.offset = 0;
    }
}

/// Whether runs can be grouped by a column, which gives their colour or a slot of an axis.
pub fn repeats(column: &ResultColumn) -> bool {
    let own = ["run", "digest", "created", "ended"];
    column.kind != ColumnKind::Metric && !own.contains(&column.name.as_str())
}

/// The settings that differ between the runs, the more telling ones first.
pub fn varying(columns: &[ResultColumn]) -> Vec<&ResultColumn> {
    let rank = |column: &ResultColumn| {
        let name = column.name.as_str();
        match name {
            "attack.trigger.kind" => 0,
            "seed" => 9,
            _ if name.ends_with(".poisons") => 1,
            _ if name.starts_with("attack.") => 2,
            _ if name.starts_with("dataset.") => 3,
            _ => 4,
        }
    };
    let differs =
        |column: &&ResultColumn| column.kind == ColumnKind::Setting && column.distinct > 1;
    let mut varying: Vec<_> = columns.iter().filter(differs).collect();
    varying.sort_by_key(|column| (rank(column), std::cmp::Reverse(column.runs)));
    varying
}

/// The names of the table's columns: those chosen, else study, kind, settings that differ and metrics.
pub fn shown_columns(view: &View, columns: &[ResultColumn]) -> Vec<String> {
    let known = |name: &str| columns.iter().any(|column| column.name == name);
    if !view.columns.is_empty() {
        return view.columns.iter().filter(|name| known(name)).cloned().collect();
    }
    let differs =
        |name: &str| columns.iter().any(|column| column.name == name && column.distinct > 1);
    let mut names = vec!["study".to_owned()];
    names.extend(differs("kind").then(|| "kind".to_owned()));
    let varying = varying(columns);
    let (seed, others): (Vec<_>, Vec<_>) =
        varying.into_iter().partition(|column| column.name == "seed");
    names.extend(others.into_iter().take(MOST_SETTINGS).map(|column| column.name.clone()));
    names.extend(seed.into_iter().map(|column| column.name.clone()));
    names.extend(["ca", "asr", "ra"].into_iter().filter(|name| known(name)).map(str::to_owned));
    names.extend(differs("state").then(|| "state".to_owned()));
    names.retain(|name| known(name));
    names
}

/// Most panels that a figure has where nobody chose them.
const MOST_PANELS: u64 = 6;

/// The columns that a plot takes where the address leaves them open, or names one that does not suit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    pub x: String,
    pub y: String,
    /// Empty for none.
    pub colour: String,
    /// Empty for none.
    pub facet: String,
    /// The second metric of means; empty for none.
    pub beside: String,
}

impl Axes {
    /// The columns of the view's plot.
    pub fn of(view: &View, columns: &[ResultColumn]) -> Self {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        let metric = |column: &&ResultColumn| column.kind == ColumnKind::Metric;
        let groups = |column: &&ResultColumn| repeats(column);
        let varying = varying(columns);
        let setting = |taken: &[&str]| {
            let free = |column: &&&ResultColumn| !taken.contains(&column.name.as_str());
            let named = varying.iter().find(free).map(|column| column.name.clone());
            named.unwrap_or_else(|| if taken.contains(&"kind") { "state" } else { "kind" }.into())
        };
        // Means of one study whose runs differ in a third setting, too, have a panel for each of its values.
        let one_study = find("study").is_none_or(|column| column.distinct <= 1);
        let facet = |taken: [&str; 2]| {
            let named = find(&view.facet).filter(groups);
            let third = || {
                let free = |column: &&&ResultColumn| {
                    let name = column.name.as_str();
                    name != "seed" && !taken.contains(&name) && column.distinct <= MOST_PANELS
                };
                varying.iter().find(free).copied().filter(|_| one_study && view.facet.is_empty())
            };
            let found = if taken == ["", ""] { named } else { named.or_else(third) };
            found.map(|column| column.name.clone()).unwrap_or_default()
        };
        match view.kind {
            PlotKind::Runs => Self {
                x: find(&view.x).map_or_else(|| "ca".into(), |column| column.name.clone()),
                y: find(&view.y).map_or_else(|| "asr".into(), |column| column.name.clone()),
                colour: match view.colour.as_str() {
                    "none" => String::new(),
                    name => find(name).filter(groups).map_or_else(
                        || {
                            let studies = find("study").is_some_and(|column| column.distinct > 1);
                            if studies {
                                "study".into()
                            } else {
                                varying.first().map_or_else(String::new, |it| it.name.clone())
                            }
                        },
                        |column| column.name.clone(),
                    ),
                },
                facet: facet(["", ""]),
                beside: String::new(),
            },
            PlotKind::Means => {
                let x = find(&view.x)
                    .filter(groups)
                    .map_or_else(|| setting(&["seed", "attack.trigger.kind"]), |c| c.name.clone());
                let colour = match view.colour.as_str() {
                    "none" => String::new(),
                    name => find(name).filter(groups).map_or_else(
                        || {
                            let other = varying
                                .iter()
                                .find(|column| column.name != x && column.name != "seed");
                            other.map_or_else(String::new, |column| column.name.clone())
                        },
                        |column| column.name.clone(),
                    ),
                };
                let y = find(&view.y).filter(metric);
                // A second metric is drawn on the axis of the first.
                let second = find(&view.beside).filter(metric).filter(|second| {
                    let unit = y.or_else(|| find("asr")).map(|y| &y.unit);
                    unit == Some(&second.unit)
                });
                let beside = second.map(|column| column.name.clone()).unwrap_or_default();
                let y = y.map_or_else(|| "asr".into(), |column| column.name.clone());
                let facet = facet([&x, &colour]);
                Self { x, y, colour, facet, beside }
            }
            PlotKind::Heat => {
                let x = find(&view.x)
                    .filter(groups)
                    .map_or_else(|| setting(&["seed"]), |column| column.name.clone());
                let y = find(&view.y)
                    .filter(groups)
                    .map_or_else(|| setting(&["seed", &x]), |column| column.name.clone());
                let colour = find(&view.colour)
                    .filter(metric)
                    .map_or_else(|| "asr".into(), |column| column.name.clone());
                let facet = facet([&x, &y]);
                Self { x, y, colour, facet, beside: String::new() }
            }
        }
    }

    /// The parameters of a request for the plot.
    pub fn parameters(&self, view: &View) -> Vec<(&'static str, String)> {
        let on = |on: bool| if on { "true".to_owned() } else { String::new() };
        vec![
            ("filter", view.filter.clone()),
            ("kind", view.kind.as_str().into()),
            ("x", self.x.clone()),
            ("y", self.y.clone()),
            ("colour", self.colour.clone()),
            ("facet", self.facet.clone()),
            ("beside", self.beside.clone()),
            ("hide", csv::list(&view.look.hidden)),
            ("x_scale", view.x_scale.as_str().into()),
            ("y_scale", view.y_scale.as_str().into()),
            ("whole", on(view.look.whole)),
            ("front", on(view.look.front)),
            ("trend", on(view.look.trend)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::column;

    fn columns() -> Vec<ResultColumn> {
        use ColumnKind::{Metric, Run, Setting};
        vec![
            column("study", Run, 1),
            column("kind", Run, 2),
            column("state", Run, 1),
            column("run", Run, 6),
            column("attack.trigger.ratio", Setting, 2),
            column("pretrain.epochs", Setting, 1),
            column("probe.poisons", Setting, 3),
            column("seed", Setting, 3),
            column("asr", Metric, 6),
            column("ca", Metric, 6),
        ]
    }

    fn read(query: &str) -> View {
        let pairs: Vec<(String, String)> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| {
                (
                    name.to_owned(),
                    value
                        .replace("%20", " ")
                        .replace("%2C", ",")
                        .replace("%22", "\"")
                        .replace("%2A", "*"),
                )
            })
            .collect();
        View::read(|name| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    }

    #[test]
    fn an_address_is_read_as_it_was_written() {
        assert_eq!(View::default().query(), "");
        let view = View {
            filter: "asr".into(),
            figure: Some(FigureKind::AsrByPoison),
            kind: PlotKind::Heat,
            x: "seed".into(),
            x_scale: PlotScale::Log,
            facet: "probe.poisons".into(),
            beside: "asr_before".into(),
            look: PlotLook {
                whole: true,
                trend: true,
                hidden: vec!["a, b".into(), "*".into()],
                ..PlotLook::default()
            },
            published: true,
            runs: vec!["a".into(), "b".into()],
            baseline: "a".into(),
            rows: Rows::Means,
            sort: "-asr".into(),
            offset: 50,
            ..View::default()
        };
        assert_eq!(read(view.query().trim_start_matches('?')), view);
        let pivot =
            PivotColumns { rows: "seed".into(), columns: "kind".into(), shows: "ca".into() };
        let view = View { rows: Rows::Pivot, pivot, ..View::default() };
        assert_eq!(read(view.query().trim_start_matches('?')), view);
        assert_eq!(read("figure=loss&kind=dots&offset=-1"), View::default());
    }

    #[test]
    fn clicks_walk_through_the_orders() {
        let mut view = View { offset: 50, ..View::default() };
        let mut orders = Vec::new();
        for _ in 0..3 {
            view.sort_by("asr", true);
            orders.push(view.sort.clone());
        }
        assert_eq!((orders, view.offset), (vec!["-asr".into(), "asr".into(), String::new()], 0));
        view.sort_by("study", false);
        assert_eq!(view.sort, "study");
    }

    #[test]
    fn the_table_shows_what_differs() {
        let shown = shown_columns(&View::default(), &columns());
        let expected =
            ["study", "kind", "probe.poisons", "attack.trigger.ratio", "seed", "ca", "asr"];
        assert_eq!(shown, expected);
        let view = View { columns: vec!["ca".into(), "gone".into()], ..View::default() };
        assert_eq!(shown_columns(&view, &columns()), ["ca"]);
    }

    #[test]
    fn a_plot_takes_what_fits() {
        let axes = |view: &View| {
            let Axes { x, y, colour, .. } = Axes::of(view, &columns());
            (x, y, colour)
        };
        let told = |x: &str, y: &str, colour: &str| (x.into(), y.into(), colour.into());
        let mut view = View::default();
        assert_eq!(axes(&view), told("ca", "asr", "probe.poisons"), "one study");
        view.colour = "none".into();
        assert_eq!(axes(&view), told("ca", "asr", ""));
        view.kind = PlotKind::Means;
        view.colour = String::new();
        view.x = "ca".into();
        assert_eq!(axes(&view), told("probe.poisons", "asr", "attack.trigger.ratio"));
        let facet = |view: &View, columns: &[ResultColumn]| Axes::of(view, columns).facet;
        assert_eq!(facet(&view, &columns()), "", "nothing else differs but seeds");
        let mut more = columns();
        more.push(column("pretrain.poisons", ColumnKind::Setting, 2));
        assert_eq!(facet(&view, &more), "attack.trigger.ratio", "the third one");
        view.facet = "none".into();
        assert_eq!(facet(&view, &more), "");
        view.facet.clear();
        more.retain(|column| column.name != "study");
        more.push(column("study", ColumnKind::Run, 2));
        assert_eq!(facet(&view, &more), "", "several studies differ in much");
        view.facet = "seed".into();
        assert_eq!(facet(&view, &columns()), "seed");
        view.facet = "asr".into();
        assert_eq!(Axes::of(&view, &columns()).facet, "", "a metric has no panels");
        let beside = |view: &View, of: &[ResultColumn]| Axes::of(view, of).beside;
        let mut measured = columns();
        let mut second = column("ca_before", ColumnKind::Metric, 6);
        view.beside = "ca_before".into();
        measured.push(second.clone());
        assert_eq!(beside(&view, &measured), "ca_before");
        measured.pop();
        second.unit = "dB".into();
        measured.push(second);
        assert_eq!(beside(&view, &measured), "", "another unit");
        view.kind = PlotKind::Heat;
        assert_eq!(axes(&view), told("probe.poisons", "attack.trigger.ratio", "asr"));
        let without = [column("kind", ColumnKind::Run, 1), column("state", ColumnKind::Run, 1)];
        assert_eq!(
            Axes::of(&view, &without),
            Axes {
                x: "kind".into(),
                y: "state".into(),
                colour: "asr".into(),
                facet: String::new(),
                beside: String::new(),
            }
        );
    }

    #[test]
    fn conditions_are_joined() {
        let mut view = View::default();
        view.narrow("ca > 1");
        view.narrow("asr > 2");
        assert_eq!(view.filter, "ca > 1 && asr > 2");
        view.filter = "a == 1 || b == 2".into();
        view.narrow("c == 3");
        assert_eq!(view.filter, "(a == 1 || b == 2) && c == 3");
        view.runs = vec!["a".into()];
        view.toggle_run("b");
        view.toggle_run("a");
        assert_eq!(view.runs, ["b"]);
        view.toggle_baseline("a");
        view.toggle_baseline("b");
        assert_eq!(view.baseline, "b");
        view.toggle_baseline("b");
        assert_eq!(view.baseline, "");
    }
}
