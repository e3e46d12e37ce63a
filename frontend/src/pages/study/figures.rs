//! The figures of the study.

use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    api::{RunRow, StudyDetail},
    chart::{asr_by_poison, tradeoff},
};

use crate::{
    chart::{Downloads, FigureBox},
    components::ChipButton,
};

/// CA against ASR, and ASR by number of poisons, of this study's finished classifiers; nothing where it trains none.
#[component]
pub fn Figures(
    /// The study.
    study: Memo<Option<StudyDetail>>,
    /// Called with the run whose mark was clicked.
    pick: Callback<String>,
) -> impl IntoView {
    let options = NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
    let (published, set_published) = query_signal_with_options::<bool>("published", options);
    let published = Memo::new(move |_| published.get().unwrap_or(false));
    let rows = Memo::new(move |_| {
        study.with(|study| {
            let runs = study.iter().flat_map(|study| &study.runs);
            runs.filter(|run| run.metrics.is_some())
                .map(|run| RunRow { progress: shared::Progress::default(), ..run.clone() })
                .collect::<Vec<_>>()
        })
    });
    let downloads = Signal::derive(move || {
        let studies = study.with(|study| study.as_ref().map(|study| study.id.to_string()))?;
        Some(Downloads { studies, published: published.get(), ..Downloads::default() })
    });
    let scatter = Signal::derive(move || rows.with(|rows| tradeoff(rows)));
    let bars = Signal::derive(move || rows.with(|rows| asr_by_poison(rows, published.get())));
    let classifies = Memo::new(move |_| {
        study.with(|study| {
            study.iter().flat_map(|study| &study.runs).any(|run| run.point.kind.classifies())
        })
    });
    view! {
        <Show when=move || classifies.get()>
            <section class="panel">
                <div class="panel-head"><h2>"Figures"</h2></div>
                <div class="panel-body figures">
                    <FigureBox figure=scatter downloads pick/>
                    <div>
                        <FigureBox figure=bars downloads/>
                        <ChipButton
                            label="Published series"
                            title="Show the published series beside these bars; they were measured in a different setting"
                            on=published
                            toggle=Callback::new(move |()| {
                                set_published.set((!published.get_untracked()).then_some(true));
                            })
                        />
                    </div>
                </div>
            </section>
        </Show>
    }
}
