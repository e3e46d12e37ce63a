//! What the figure shows: its kind, its columns, its scales.

use leptos::{ev, prelude::*};
use shared::{
    api::{ColumnKind, PlotKind, PlotScale, ResultColumn},
    chart::FigureKind,
    param::SETTINGS,
};

use super::{
    Explorer,
    defences::{Matrix, ShowsChoice},
    view::{Axes, View, repeats},
};
use crate::components::{ChipButton, Segmented};

/// A figure with its kind of plot, as the row of choices has it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shown(Option<FigureKind>, PlotKind);

impl Shown {
    fn of(view: &View) -> Self {
        Self(view.figure, if view.figure.is_none() { view.kind } else { PlotKind::Runs })
    }

    fn choices() -> Vec<(Self, String)> {
        [
            (Self(None, PlotKind::Runs), "Runs"),
            (Self(None, PlotKind::Means), "Means"),
            (Self(None, PlotKind::Heat), "Grid"),
            (Self(Some(FigureKind::AsrByPoison), PlotKind::Runs), "ASR by poison count"),
            (Self(Some(FigureKind::AccuracyByEpoch), PlotKind::Runs), "Accuracy by epoch"),
            (Self(Some(FigureKind::DefenceMatrix), PlotKind::Runs), "Defence matrix"),
            (Self(Some(FigureKind::BeforeAfter), PlotKind::Runs), "Before and after"),
            (Self(Some(FigureKind::Roc), PlotKind::Runs), "ROC"),
            (Self(Some(FigureKind::Encoders), PlotKind::Runs), "Encoders"),
        ]
        .map(|(shown, name)| (shown, name.to_owned()))
        .into()
    }
}

/// The choices above the figure.
#[component]
pub fn Controls(explorer: Explorer, axes: Memo<Axes>) -> impl IntoView {
    let view = explorer.view;
    let shown = Memo::new(move |_| view.with(Shown::of));
    view! {
        <div class="plot-controls">
            <Segmented
                label="Figure"
                choices=Shown::choices()
                value=Signal::derive(move || Some(shown.get()))
                choose=Callback::new(move |Shown(figure, kind)| {
                    explorer
                        .change(|view| {
                            // Each kind of plot begins with the columns that fit it.
                            let changed = is_matrix(view.figure) != is_matrix(figure);
                            if view.kind != kind || changed {
                                view.x.clear();
                                view.y.clear();
                                view.colour.clear();
                                view.look.hidden.clear();
                            }
                            view.figure = figure;
                            view.kind = kind;
                        });
                })
            />
            <Show when=move || shown.get().0.is_none()>
                <PlotControls explorer axes />
            </Show>
            // Its selects have nothing to choose from before the columns are there.
            <Show when=move || {
                is_matrix(shown.get().0) && explorer.columns.with(|columns| !columns.is_empty())
            }>
                <MatrixControls explorer />
            </Show>
            <Show when=move || shown.get().0 == Some(FigureKind::AsrByPoison)>
                <ChipButton
                    label="Published series"
                    title="Show the published series beside these bars; they were measured in a different setting"
                    on=Signal::derive(move || view.with(|view| view.published))
                    toggle=flip(explorer, |view| &mut view.published)
                />
            </Show>
        </div>
    }
}

/// Whether a figure is of attacks and defences: it has the rows and columns of a matrix.
pub fn is_matrix(figure: Option<FigureKind>) -> bool {
    matches!(figure, Some(FigureKind::DefenceMatrix | FigureKind::BeforeAfter))
}

/// Rows, columns and the metric of the matrix of attacks and defences; panels and arrows of the figure before and after.
#[component]
fn MatrixControls(explorer: Explorer) -> impl IntoView {
    let matrix = Memo::new(move |_| {
        explorer.view.with(|view| explorer.columns.with(|columns| Matrix::of(view, columns)))
    });
    let column = move |label: Signal<&'static str>,
                       value: fn(&Matrix) -> &String,
                       choose: Callback<String>| {
        view! {
            <ColumnChoice
                explorer
                label
                value=Signal::derive(move || matrix.with(|matrix| value(matrix).clone()))
                takes=Signal::stored(Takes::Groups)
                choose
            />
        }
    };
    let rows = Callback::new(move |name| explorer.change(|view| view.y = name));
    let columns = Callback::new(move |name| explorer.change(|view| view.x = name));
    let arrows =
        Memo::new(move |_| explorer.view.with(|view| view.figure == Some(FigureKind::BeforeAfter)));
    let names = move || if arrows.get() { ["Panels", "Arrows"] } else { ["Rows", "Columns"] };
    view! {
        <div class="plot-columns">
            {column(Signal::derive(move || names()[0]), |matrix| &matrix.rows, rows)}
            {column(Signal::derive(move || names()[1]), |matrix| &matrix.columns, columns)}
            <Show when=move || !arrows.get()>
                <ShowsChoice explorer matrix/>
            </Show>
        </div>
    }
}

/// What turns a part of the plot on and off.
fn flip(explorer: Explorer, field: fn(&mut View) -> &mut bool) -> Callback<()> {
    Callback::new(move |()| explorer.change(|view| *field(view) = !*field(view)))
}

/// What a column decides in a plot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    X,
    Y,
    Beside,
    Colour,
    Facet,
}

impl Part {
    const ALL: [Self; 5] = [Self::X, Self::Y, Self::Beside, Self::Colour, Self::Facet];

    fn label(self, kind: PlotKind) -> &'static str {
        match self {
            Self::X => "x",
            Self::Y => "y",
            Self::Beside => "Beside y",
            Self::Colour if kind == PlotKind::Heat => "Shows",
            Self::Colour => "Colour",
            Self::Facet => "Panels",
        }
    }

    /// `unit` is that of y.
    fn takes(self, kind: PlotKind, unit: String) -> Takes {
        match (self, kind) {
            (Self::X | Self::Y, PlotKind::Runs) => Takes::All,
            (Self::Y, PlotKind::Means) | (Self::Colour, PlotKind::Heat) => Takes::Metrics,
            (Self::X, _) | (Self::Y, PlotKind::Heat) => Takes::Groups,
            (Self::Beside, _) => Takes::Beside(unit),
            (Self::Colour | Self::Facet, _) => Takes::GroupsOrNone,
        }
    }

    fn value(self, axes: &Axes) -> &String {
        match self {
            Self::X => &axes.x,
            Self::Y => &axes.y,
            Self::Beside => &axes.beside,
            Self::Colour => &axes.colour,
            Self::Facet => &axes.facet,
        }
    }

    /// Takes a column; none if its name is empty.
    fn choose(self, view: &mut View, name: String) {
        match self {
            Self::X => view.x = name,
            Self::Y => view.y = name,
            Self::Beside => view.beside = name,
            Self::Colour => {
                view.colour = if name.is_empty() { "none".into() } else { name };
                // What was hidden were values of another column.
                view.look.hidden.clear();
            }
            Self::Facet => view.facet = if name.is_empty() { "none".into() } else { name },
        }
    }
}

/// The columns and scales of a plot of any columns.
#[component]
fn PlotControls(explorer: Explorer, axes: Memo<Axes>) -> impl IntoView {
    let view = explorer.view;
    let kind = Memo::new(move |_| view.with(|view| view.kind));
    let heat = move || kind.get() == PlotKind::Heat;
    let scale = move |of: fn(&View) -> PlotScale| Signal::derive(move || view.with(of));
    let unit = Memo::new(move |_| {
        axes.with(|axes| {
            explorer.columns.with(|columns| {
                let y = columns.iter().find(|column| column.name == axes.y);
                y.map(|column| column.unit.clone()).unwrap_or_default()
            })
        })
    });
    let column = move |part: Part| {
        view! {
            <Show when=move || part != Part::Beside || kind.get() == PlotKind::Means>
                <ColumnChoice
                    explorer
                    label=Signal::derive(move || part.label(kind.get()))
                    value=Signal::derive(move || axes.with(|axes| part.value(axes).clone()))
                    takes=Signal::derive(move || part.takes(kind.get(), unit.get()))
                    choose=Callback::new(move |name| explorer.change(|view| part.choose(view, name)))
                />
            </Show>
        }
    };
    view! {
        <div class="plot-columns">
            {Part::ALL.map(column).into_iter().collect_view()}
            <Show when=move || !heat()>
                <ScaleChoice
                    label="x scale"
                    value=scale(|view| view.x_scale)
                    choose=Callback::new(move |scale| explorer.change(|view| view.x_scale = scale))
                />
                <ScaleChoice
                    label="y scale"
                    value=scale(|view| view.y_scale)
                    choose=Callback::new(move |scale| explorer.change(|view| view.y_scale = scale))
                />
            </Show>
            <ChipButton
                label="0–100 %"
                title="Show percentages from 0 to 100 instead of fitting the axes to the data"
                on=Signal::derive(move || view.with(|view| view.look.whole))
                toggle=flip(explorer, |view| &mut view.look.whole)
            />
            <Show when=move || kind.get() == PlotKind::Runs>
                <ChipButton
                    label="Pareto front"
                    title="Join the runs that no other run exceeds in both x and y"
                    on=Signal::derive(move || view.with(|view| view.look.front))
                    toggle=flip(explorer, |view| &mut view.look.front)
                />
                <ChipButton
                    label="Trend"
                    title="Draw the least-squares line through the runs of each panel; both axes must be linear"
                    on=Signal::derive(move || view.with(|view| view.look.trend))
                    toggle=flip(explorer, |view| &mut view.look.trend)
                />
            </Show>
        </div>
    }
}

/// Which columns a part of a figure or of a table takes.
#[derive(Clone, PartialEq, Eq)]
pub enum Takes {
    /// Those by which runs can be grouped, and metrics.
    All,
    /// Metrics.
    Metrics,
    /// Those by which runs can be grouped.
    Groups,
    /// The same, or none.
    GroupsOrNone,
    /// Metrics with this unit, or none.
    Beside(String),
}

impl Takes {
    fn is_optional(&self) -> bool {
        matches!(self, Self::GroupsOrNone | Self::Beside(_))
    }

    fn takes(&self, column: &ResultColumn) -> bool {
        let metric = column.kind == ColumnKind::Metric;
        match self {
            Self::Beside(unit) => metric && column.unit == *unit,
            Self::All => metric || repeats(column),
            Self::Metrics => metric,
            Self::Groups | Self::GroupsOrNone => repeats(column),
        }
    }
}

/// A select of columns.
#[component]
pub fn ColumnChoice(
    explorer: Explorer,
    label: Signal<&'static str>,
    value: Signal<String>,
    takes: Signal<Takes>,
    choose: Callback<String>,
) -> impl IntoView {
    let options = move || {
        let (now, takes) = (value.get(), takes.get());
        explorer.columns.with(|columns| {
            let option = |column: &ResultColumn| {
                let chosen = column.name == now;
                view! { <option value=column.name.clone() selected=chosen>{column.title.clone()}</option> }
            };
            // A value that no run has yet, as in an empty folder.
            let absent = !now.is_empty() && columns.iter().all(|column| column.name != now);
            let absent = absent.then(|| {
                let setting = SETTINGS.iter().find(|setting| setting.path == now);
                let title = setting.map_or(now.clone(), |setting| setting.label.to_owned());
                view! { <option value=now.clone() selected>{title}</option> }
            });
            // First those that tell runs apart.
            let groups = [
                ("Metrics", ColumnKind::Metric, true),
                ("Settings that differ", ColumnKind::Setting, true),
                ("Runs", ColumnKind::Run, true),
                ("Other settings", ColumnKind::Setting, false),
            ];
            let groups = groups
                .map(|(name, kind, differs)| {
                    let fits: Vec<_> = columns
                        .iter()
                        .filter(|column| column.kind == kind && takes.takes(column))
                        .filter(|column| {
                            kind != ColumnKind::Setting || (column.distinct > 1) == differs
                        })
                        .map(option)
                        .collect();
                    (!fits.is_empty()).then(|| view! { <optgroup label=name>{fits}</optgroup> })
                })
                .into_iter()
                .collect_view();
            view! { {absent} {groups} }
        })
    };
    view! {
        <label class="filter">
            <span>{label}</span>
            <span class="select">
                <select on:change=move |event: ev::Event| choose.run(event_target_value(&event))>
                    <Show when=move || takes.with(Takes::is_optional)>
                        <option value="" selected=move || value.with(String::is_empty)>"none"</option>
                    </Show>
                    {options}
                </select>
            </span>
        </label>
    }
}

#[component]
fn ScaleChoice(
    label: &'static str,
    value: Signal<PlotScale>,
    choose: Callback<PlotScale>,
) -> impl IntoView {
    let options = move || {
        let now = value.get();
        PlotScale::ALL
            .map(|scale| {
                view! { <option value=scale.as_str() selected=scale == now>{scale.as_str()}</option> }
            })
            .into_iter()
            .collect_view()
    };
    view! {
        <label class="filter">
            <span>{label}</span>
            <span class="select">
                <select on:change=move |event: ev::Event| {
                    choose.run(event_target_value(&event).parse().unwrap_or_default());
                }>{options}</select>
            </span>
        </label>
    }
}
