//! What the figure shows: its kind, its columns, its scales.

use leptos::{ev, prelude::*};
use shared::{
    api::{ColumnKind, PlotKind, PlotScale, ResultColumn},
    chart::FigureKind,
};

use super::{
    Explorer,
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
    let of_plot = move |field: fn(&View) -> bool| Signal::derive(move || view.with(field));
    let flip = move |field: fn(&mut View) -> &mut bool| {
        Callback::new(move |()| explorer.change(|view| *field(view) = !*field(view)))
    };
    let heat = Memo::new(move |_| view.with(|view| view.kind == PlotKind::Heat));
    let means = Memo::new(move |_| view.with(|view| view.kind == PlotKind::Means));
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
                            if view.kind != kind {
                                view.x.clear();
                                view.y.clear();
                                view.colour.clear();
                            }
                            view.figure = figure;
                            view.kind = kind;
                        });
                })
            />
            <Show when=move || shown.get().0.is_none()>
                <div class="plot-columns">
                    <ColumnChoice
                        explorer
                        label="x"
                        value=Signal::derive(move || axes.with(|axes| axes.x.clone()))
                        takes=Signal::derive(move || {
                            if heat.get() || means.get() { Takes::Groups } else { Takes::All }
                        })
                        choose=Callback::new(move |name| explorer.change(|view| view.x = name))
                    />
                    <ColumnChoice
                        explorer
                        label="y"
                        value=Signal::derive(move || axes.with(|axes| axes.y.clone()))
                        takes=Signal::derive(move || {
                            if heat.get() {
                                Takes::Groups
                            } else if means.get() {
                                Takes::Metrics
                            } else {
                                Takes::All
                            }
                        })
                        choose=Callback::new(move |name| explorer.change(|view| view.y = name))
                    />
                    <ColumnChoice
                        explorer
                        label=Signal::derive(move || if heat.get() { "Shows" } else { "Colour" })
                        value=Signal::derive(move || axes.with(|axes| axes.colour.clone()))
                        takes=Signal::derive(move || {
                            if heat.get() { Takes::Metrics } else { Takes::GroupsOrNone }
                        })
                        choose=Callback::new(move |name: String| {
                            explorer
                                .change(|view| {
                                    view.colour = if name.is_empty() { "none".into() } else { name };
                                });
                        })
                    />
                    <Show when=move || !heat.get()>
                        <ScaleChoice
                            label="x scale"
                            value=Signal::derive(move || view.with(|view| view.x_scale))
                            choose=Callback::new(move |scale| explorer.change(|view| view.x_scale = scale))
                        />
                        <ScaleChoice
                            label="y scale"
                            value=Signal::derive(move || view.with(|view| view.y_scale))
                            choose=Callback::new(move |scale| explorer.change(|view| view.y_scale = scale))
                        />
                    </Show>
                    <ChipButton
                        label="0–100 %"
                        title="Show percentages from 0 to 100 instead of fitting the axes to the data"
                        on=of_plot(|view| view.whole)
                        toggle=flip(|view| &mut view.whole)
                    />
                    <Show when=move || view.with(|view| view.kind == PlotKind::Runs)>
                        <ChipButton
                            label="Pareto front"
                            title="Join the runs that no other run exceeds in both x and y"
                            on=of_plot(|view| view.front)
                            toggle=flip(|view| &mut view.front)
                        />
                    </Show>
                </div>
            </Show>
            <Show when=move || shown.get().0 == Some(FigureKind::AsrByPoison)>
                <ChipButton
                    label="Published series"
                    title="Show the published series beside these bars; they were measured in a different setting"
                    on=of_plot(|view| view.published)
                    toggle=flip(|view| &mut view.published)
                />
            </Show>
        </div>
    }
}

/// Which columns a part of the plot takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    Metrics,
    Groups,
    GroupsOrNone,
}

impl Takes {
    fn takes(self, column: &ResultColumn) -> bool {
        let metric = column.kind == ColumnKind::Metric;
        match self {
            Self::All => metric || repeats(column),
            Self::Metrics => metric,
            Self::Groups | Self::GroupsOrNone => repeats(column),
        }
    }
}

#[component]
fn ColumnChoice(
    explorer: Explorer,
    #[prop(into)] label: Signal<&'static str>,
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
            // First those that tell runs apart.
            let groups = [
                ("Metrics", ColumnKind::Metric, true),
                ("Settings that differ", ColumnKind::Setting, true),
                ("Runs", ColumnKind::Run, true),
                ("Other settings", ColumnKind::Setting, false),
            ];
            groups
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
                .collect_view()
        })
    };
    view! {
        <label class="filter">
            <span>{label}</span>
            <span class="select">
                <select on:change=move |event: ev::Event| choose.run(event_target_value(&event))>
                    <Show when=move || takes.get() == Takes::GroupsOrNone>
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
