//! Attacks against defences, and what defences find by false alarms: the columns that the matrix takes, and its choices.

use leptos::{ev, prelude::*};
use shared::{
    api::{JudgedEncoder, MatrixData, MatrixShows, Problem, ResultColumn, RocSeries},
    chart::{Figure, FigureKind, before_after, defence_matrix, encoders, roc},
};

use super::{
    Explorer,
    controls::is_matrix,
    figure::query,
    view::{View, repeats, varying},
};
use crate::components::{Fetched, fetched};

/// What stands below curves that nobody chose.
pub const NEWEST_CURVES: &str =
    "The newest 12 defences that judged images: choose others in the table.";

/// What stands below encoders that nobody chose.
pub const NEWEST_ENCODERS: &str =
    "The newest 60 encoders that a defence judged: choose others in the table.";

/// A request's parameters.
type Parameters = Vec<(&'static str, String)>;

/// The numbers of the figures of defences, fetched while one of them is shown.
#[derive(Clone, Copy)]
pub struct Defences {
    matrix_asked: Memo<Option<Parameters>>,
    /// What the matrix shows; CA of the figure before and after.
    matrix: Fetched<MatrixData>,
    /// ASR of the figure before and after.
    asr: Fetched<MatrixData>,
    judged_asked: Memo<Option<Parameters>>,
    curves: Fetched<Vec<RocSeries>>,
    encoders: Fetched<Vec<JudgedEncoder>>,
}

impl Defences {
    /// Whether a figure is one of these.
    pub fn has(kind: FigureKind) -> bool {
        is_matrix(Some(kind)) || matches!(kind, FigureKind::Roc | FigureKind::Encoders)
    }

    /// Those of the view; `ready` once its columns are known.
    pub fn new(explorer: Explorer, ready: Memo<bool>) -> Self {
        let view = explorer.view;
        let shown = Memo::new(move |_| view.with(|view| view.figure));
        let is = move |kind: FigureKind| shown.get() == Some(kind);
        let matrix_asked = Memo::new(move |_| {
            (ready.get() && is_matrix(shown.get())).then(|| {
                view.with(|view| {
                    let matrix = explorer.columns.with(|columns| Matrix::of(view, columns));
                    matrix.parameters(&view.filter)
                })
            })
        });
        let judged_asked = Memo::new(move |_| {
            (is(FigureKind::Roc) || is(FigureKind::Encoders)).then(|| view.with(judged_of))
        });
        let address = |path: &str, asked: Memo<Option<Parameters>>| {
            Some(format!("{path}{}", query(&asked.get()?)))
        };
        let of_matrix = move |metric: MatrixShows| {
            let mut asked = matrix_asked.get()?;
            for (_, value) in asked.iter_mut().filter(|(name, _)| *name == "colour") {
                metric.as_str().clone_into(value);
            }
            Some(format!("/results/matrix{}", query(&asked)))
        };
        Self {
            matrix_asked,
            matrix: fetched(move || {
                if is(FigureKind::BeforeAfter) {
                    of_matrix(MatrixShows::Ca)
                } else {
                    address("/results/matrix", matrix_asked)
                }
            }),
            asr: fetched(move || {
                is(FigureKind::BeforeAfter).then(|| of_matrix(MatrixShows::Asr)).flatten()
            }),
            judged_asked,
            curves: fetched(move || {
                is(FigureKind::Roc).then(|| address("/results/roc", judged_asked)).flatten()
            }),
            encoders: fetched(move || {
                is(FigureKind::Encoders)
                    .then(|| address("/results/encoders", judged_asked))
                    .flatten()
            }),
        }
    }

    /// The figure, once its numbers are there.
    pub fn picture(self, kind: FigureKind) -> Option<Figure> {
        match kind {
            FigureKind::Roc => self.curves.value().map(|curves| roc(&curves)),
            FigureKind::Encoders => self.encoders.value().map(|judged| encoders(&judged)),
            FigureKind::BeforeAfter => {
                let (ca, asr) = self.matrix.value().zip(self.asr.value())?;
                // While it is fetched, the last matrix may show something else.
                let both = ca.shows == MatrixShows::Ca && asr.shows == MatrixShows::Asr;
                both.then(|| before_after(&ca, &asr))
            }
            _ => self.matrix.value().map(|data| defence_matrix(&data)),
        }
    }

    /// The parameters of the same figure as a file.
    pub fn asked(self, kind: FigureKind) -> Option<Parameters> {
        if is_matrix(Some(kind)) { self.matrix_asked.get() } else { self.judged_asked.get() }
    }

    /// Why there are no numbers.
    pub fn problem(self) -> Option<Problem> {
        let matrices = self.matrix.problem().or_else(|| self.asr.problem());
        matrices.or_else(|| self.curves.problem()).or_else(|| self.encoders.problem())
    }
}

/// The runs that are drawn one by one: the chosen ones, or the newest defences that the filter selects.
fn judged_of(view: &View) -> Parameters {
    if view.runs.is_empty() {
        vec![("filter", view.filter.clone())]
    } else {
        vec![("runs", view.runs.join(","))]
    }
}

/// Rows, columns and the metric of the matrix; the address has them where the plot has y, x and colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// From top to bottom.
    pub rows: String,
    /// From left to right.
    pub columns: String,
    /// The metric.
    pub shows: MatrixShows,
}

impl Matrix {
    /// What the address says; where it leaves something open, the trigger or another setting that differs, and the defence.
    pub fn of(view: &View, columns: &[ResultColumn]) -> Self {
        let known =
            |name: &str| columns.iter().any(|column| column.name == name && repeats(column));
        let chosen = |name: &String| known(name).then(|| name.clone());
        let method = "defence.method".to_owned();
        let columns_of = chosen(&view.x).unwrap_or(method);
        let differs = varying(columns);
        let free = |column: &&&ResultColumn| column.name != columns_of && column.name != "seed";
        let first = differs.iter().find(free).map(|column| column.name.clone());
        let trigger = || {
            if columns_of == "attack.trigger.kind" {
                "defence.method"
            } else {
                "attack.trigger.kind"
            }
        };
        let rows = chosen(&view.y).filter(|name| *name != columns_of).or(first);
        Self {
            rows: rows.unwrap_or_else(|| trigger().into()),
            columns: columns_of,
            shows: view.colour.parse().unwrap_or_default(),
        }
    }

    /// The parameters of a request for it.
    pub fn parameters(&self, filter: &str) -> Parameters {
        vec![
            ("filter", filter.to_owned()),
            ("y", self.rows.clone()),
            ("x", self.columns.clone()),
            ("colour", self.shows.as_str().into()),
        ]
    }
}

/// What the cells show.
#[component]
pub fn ShowsChoice(explorer: Explorer, matrix: Memo<Matrix>) -> impl IntoView {
    let options = move || {
        let now = matrix.with(|matrix| matrix.shows);
        MatrixShows::ALL
            .map(|shows| {
                view! { <option value=shows.as_str() selected=shows == now>{shows.title()}</option> }
            })
            .into_iter()
            .collect_view()
    };
    view! {
        <label class="filter">
            <span>"Shows"</span>
            <span class="select">
                <select on:change=move |event: ev::Event| {
                    explorer.change(|view| view.colour = event_target_value(&event));
                }>{options}</select>
            </span>
        </label>
    }
}

#[cfg(test)]
mod tests {
    use shared::api::ColumnKind;

    use super::*;
    use crate::fixture::column;

    #[test]
    fn a_matrix_takes_what_fits() {
        let columns = [
            column("defence.method", ColumnKind::Setting, 3),
            column("seed", ColumnKind::Setting, 3),
            column("attack.trigger.kind", ColumnKind::Setting, 2),
            column("pretrain.poisons", ColumnKind::Setting, 2),
            column("auroc", ColumnKind::Metric, 6),
        ];
        let of = |view: &View| {
            let matrix = Matrix::of(view, &columns);
            (matrix.rows, matrix.columns, matrix.shows)
        };
        let mut view = View::default();
        let usual = ("attack.trigger.kind".to_owned(), "defence.method".to_owned());
        assert_eq!(of(&view), (usual.0.clone(), usual.1.clone(), MatrixShows::Auroc));
        (view.y, view.colour) = ("pretrain.poisons".into(), "asr".into());
        assert_eq!(of(&view), ("pretrain.poisons".into(), usual.1.clone(), MatrixShows::Asr));
        (view.x, view.y) = (usual.0.clone(), usual.0.clone());
        assert_eq!(of(&view).0, "pretrain.poisons", "rows and columns differ");
        (view.x, view.y) = ("auroc".into(), "gone".into());
        assert_eq!((of(&view).0, of(&view).1), usual, "a metric has no rows");
        assert_eq!(Matrix::of(&View::default(), &[]).rows, "attack.trigger.kind");
    }
}
