//! How curves are drawn, kept in the page's address: `?curve=` names the quantity, `?smoothing=` the weight of the running
//! mean, `?log=true` asks for a logarithmic axis, `?epochs=` is what a drag over the plot has chosen.

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    RunKind,
    chart::{CurveKind, CurveLook, FigureKind},
};

use crate::{
    chart::Brushed,
    components::{ChipButton, Glyph, Icon, Segmented},
};

/// The heaviest running mean that the page offers, and the step of its slider.
const HEAVIEST: f64 = 0.98;
const STEP: f64 = 0.02;

/// The tabs of runs of these kinds: nearest neighbours train nothing, and they evaluate a pre-training; a defence has no curve.
fn tabs(kinds: &[RunKind]) -> Vec<(FigureKind, String)> {
    let trained = kinds.iter().any(|kind| !matches!(kind, RunKind::Knn | RunKind::Defence));
    let quantities = [
        (FigureKind::Curve(CurveKind::Loss), "Loss"),
        (FigureKind::Curve(CurveKind::LearningRate), "Learning rate"),
        (FigureKind::Curve(CurveKind::Speed), "Images/s"),
    ];
    let accuracy = match kinds {
        [] | [RunKind::Pretrain | RunKind::Implant | RunKind::Defence] => None,
        [RunKind::Knn] => Some("k-NN accuracy by epoch"),
        _ => Some("Accuracy by epoch"),
    };
    let quantities = quantities.into_iter().filter(|_| trained);
    quantities
        .chain(accuracy.map(|name| (FigureKind::AccuracyByEpoch, name)))
        .map(|(tab, name)| (tab, name.to_owned()))
        .collect()
}

/// The tab to show: the chosen one if runs of these kinds have it, otherwise the first.
fn tab(chosen: Option<&str>, of: &[RunKind]) -> Option<FigureKind> {
    let chosen = chosen.and_then(|name| name.parse::<FigureKind>().ok());
    let tabs = tabs(of);
    chosen
        .filter(|kind| tabs.iter().any(|(tab, _)| tab == kind))
        .or_else(|| tabs.first().map(|(tab, _)| *tab))
}

/// The choices.
#[derive(Clone, Copy)]
pub struct Choices {
    /// The figure; none before there is a run.
    pub kind: Memo<Option<FigureKind>>,
    /// How a curve is drawn.
    pub look: Memo<CurveLook>,
    kinds: Memo<Vec<RunKind>>,
    choose: SignalSetter<Option<String>>,
    smooth: SignalSetter<Option<f64>>,
    scale: SignalSetter<Option<bool>>,
    zoom: SignalSetter<Option<String>>,
}

impl Choices {
    /// The choices in the address, for runs of these kinds.
    pub fn of(kinds: Memo<Vec<RunKind>>) -> Self {
        let options =
            || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        let (chosen, choose) = query_signal_with_options::<String>("curve", options());
        let (smoothing, smooth) = query_signal_with_options::<f64>("smoothing", options());
        let (log, scale) = query_signal_with_options::<bool>("log", options());
        let (zoomed, zoom) = query_signal_with_options::<String>("epochs", options());
        let kind = Memo::new(move |_| kinds.with(|kinds| tab(chosen.get().as_deref(), kinds)));
        let look = Memo::new(move |_| CurveLook {
            smoothing: smoothing.get().unwrap_or(0.0).clamp(0.0, HEAVIEST),
            log: log.get().unwrap_or(false),
            epochs: zoomed.get().as_deref().and_then(CurveLook::read_epochs),
        });
        Self { kind, look, kinds, choose, smooth, scale, zoom }
    }

    /// Shows the epochs that a rectangle over the plot covers.
    pub fn brushed(self) -> Callback<Brushed> {
        Callback::new(move |brushed: Brushed| {
            if let Some((first, last)) = brushed.x {
                self.zoom.set(Some(format!("{:.2},{last:.2}", first.max(0.0))));
            }
        })
    }

    /// Parameters that ask the server for the same drawing.
    pub fn query(self) -> Vec<(&'static str, String)> {
        let CurveLook { smoothing, log, epochs } = self.look.get();
        if !matches!(self.kind.get(), Some(FigureKind::Curve(_))) {
            return Vec::new();
        }
        let mut query = Vec::new();
        if smoothing > 0.0 {
            query.push(("smoothing", smoothing.to_string()));
        }
        if log {
            query.push(("y_scale", "log".to_owned()));
        }
        query.extend(epochs.map(|(first, last)| ("epochs", format!("{first},{last}"))));
        query
    }
}

/// The bar of choices above curves.
#[component]
pub fn ChoiceBar(
    /// The choices.
    choices: Choices,
    /// Further chips.
    children: Children,
) -> impl IntoView {
    let tabs = move || {
        choices.kinds.with(|kinds| {
            view! {
                <Segmented
                    label="Quantity to show"
                    choices=tabs(kinds)
                    value=choices.kind
                    choose=Callback::new(move |kind: FigureKind| {
                        choices.choose.set(Some(kind.as_str().to_owned()));
                    })
                />
            }
        })
    };
    let is_curve = Memo::new(move |_| matches!(choices.kind.get(), Some(FigureKind::Curve(_))));
    let smoothing = move || choices.look.with(|look| look.smoothing);
    view! {
        <div class="curve-bar">
            {tabs}
            <Show when=move || is_curve.get()>
                <label class="curve-smoothing">
                    <span>"Smoothing"</span>
                    <input
                        type="range"
                        min="0"
                        max=HEAVIEST
                        step=STEP
                        prop:value=move || smoothing().to_string()
                        on:input=move |event: ev::Event| {
                            let weight = event_target_value(&event).parse().unwrap_or(0.0);
                            choices.smooth.set((weight > 0.0).then_some(weight));
                        }
                    />
                    <output>{move || format!("{:.2}", smoothing())}</output>
                </label>
                <ChipButton
                    label="Log"
                    title="Logarithmic axis"
                    on=Signal::derive(move || choices.look.with(|look| look.log))
                    toggle=Callback::new(move |()| {
                        let log = choices.look.with_untracked(|look| look.log);
                        choices.scale.set((!log).then_some(true));
                    })
                />
            </Show>
            {children()}
            <Show when=move || is_curve.get() && choices.look.with(|look| look.epochs.is_some())>
                <button
                    type="button"
                    class="button button-quiet button-small"
                    on:click=move |_| choices.zoom.set(None)
                >
                    <Icon glyph=Glyph::Close/>
                    "All epochs"
                </button>
            </Show>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_figures() {
        let accuracy = Some("accuracy-by-epoch");
        let shown = |chosen, kinds: &[RunKind]| tab(chosen, kinds);
        assert_eq!(shown(accuracy, &[RunKind::Probe]), Some(FigureKind::AccuracyByEpoch));
        assert_eq!(shown(Some("loss"), &[RunKind::Knn]), Some(FigureKind::AccuracyByEpoch));
        let loss = Some(FigureKind::Curve(CurveKind::Loss));
        assert_eq!(shown(accuracy, &[RunKind::Pretrain]), loss);
        assert_eq!(shown(Some("tradeoff"), &[RunKind::Probe]), loss);
        let both = [RunKind::Pretrain, RunKind::Probe];
        assert_eq!(shown(accuracy, &both), Some(FigureKind::AccuracyByEpoch));
        assert_eq!(shown(Some("loss"), &[RunKind::Defence]), None);
        assert_eq!(shown(None, &[]), None);
    }
}
