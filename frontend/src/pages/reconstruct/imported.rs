//! An imported checkpoint in place of a run's: a study provides the images and the trigger.
//!
//! Address: `?imported=` names the checkpoint, `?study=` the study (the newest one if absent).

use leptos::{ev, prelude::*};
use leptos_router::{NavigateOptions, hooks::query_signal_with_options};
use shared::{
    StudyId,
    api::{ImageChoice, ImportedCheckpoint, Page, ReconstructRequest, StudyDetail, StudySummary},
};

use super::choice::painted;
use crate::components::{Fetched, fetched};

/// Prefix of the values of imported checkpoints in the list.
pub const PREFIX: &str = "imported";

/// The imported checkpoint that is open, and its study.
#[derive(Clone, Copy)]
pub struct Opened {
    /// The checkpoint.
    pub checkpoint: Memo<Option<ImportedCheckpoint>>,
    /// The study that provides images and trigger.
    pub study: Memo<Option<StudyId>>,
    /// Opens another one by its name, or none.
    pub set_name: SignalSetter<Option<String>>,
    set_study: SignalSetter<Option<String>>,
    studies: Fetched<Page<StudySummary>>,
}

impl Opened {
    /// The checkpoint, out of these, and the study that the address names.
    pub fn new(all: Memo<Vec<ImportedCheckpoint>>) -> Self {
        let options =
            || NavigateOptions { replace: true, scroll: false, ..NavigateOptions::default() };
        let (name, set_name) = query_signal_with_options::<String>("imported", options());
        let (study, set_study) = query_signal_with_options::<String>("study", options());
        let checkpoint = Memo::new(move |_| {
            let name = name.get()?;
            all.with(|all| all.iter().find(|it| it.name == name).cloned())
        });
        let studies: Fetched<Page<StudySummary>> = fetched(move || {
            checkpoint.with(Option::is_some).then(|| "/studies?limit=100".to_owned())
        });
        let study = Memo::new(move |_| {
            checkpoint.with(Option::is_some).then_some(())?;
            let named = study.get().and_then(|study| study.parse().ok());
            let newest = || studies.value()?.items.first().map(|study| study.id);
            named.or_else(newest)
        });
        Self { checkpoint, study, set_name, set_study, studies }
    }
}

/// The checkpoints that can reconstruct.
pub fn with_decoder(mut all: Vec<ImportedCheckpoint>) -> Vec<ImportedCheckpoint> {
    all.retain(|checkpoint| checkpoint.has_decoder);
    all
}

/// The request; `None` for a mask that hides nothing or everything, and for a study without runs.
pub fn request(
    checkpoint: &ImportedCheckpoint,
    study: &StudyDetail,
    image: ImageChoice,
    hidden: &[bool],
) -> Option<ReconstructRequest> {
    let asked = ReconstructRequest::new(study.runs.first()?.id, image, painted(hidden)?);
    Some(ReconstructRequest { imported: Some(checkpoint.name.clone()), ..asked })
}

/// The choice of the study, if an imported checkpoint is open.
#[component]
pub fn StudyPicker(
    /// What is open.
    opened: Opened,
) -> impl IntoView {
    let options = move || {
        let chosen = opened.study.get();
        let studies = opened.studies.value().map(|page| page.items).unwrap_or_default();
        studies
            .into_iter()
            .map(|study| {
                let here = chosen == Some(study.id);
                view! { <option value=study.id.to_string() selected=here>{study.name}</option> }
            })
            .collect_view()
    };
    let none = move || opened.studies.value().is_some_and(|page| page.items.is_empty());
    let changed = move |event: ev::Event| opened.set_study.set(Some(event_target_value(&event)));
    view! {
        <Show when=move || opened.checkpoint.with(Option::is_some)>
            <label class="bench-checkpoint">
                <span>"Images and trigger from"</span>
                <span class="select">
                    <select id="imported-study" on:change=changed>{options}</select>
                </span>
            </label>
            <Show when=none>
                <p class="notice" role="status">
                    "There is no study yet to provide images and a trigger: create one first."
                </p>
            </Show>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_alone_is_not_offered() {
        let named = |name: &str, has_decoder| ImportedCheckpoint {
            name: name.into(),
            has_decoder,
            ..ImportedCheckpoint::default()
        };
        let offered = with_decoder(vec![named("mae", true), named("timm", false)]);
        assert_eq!(offered.len(), 1);
        assert_eq!(offered[0].name, "mae");
    }
}
