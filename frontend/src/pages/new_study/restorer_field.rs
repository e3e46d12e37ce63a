//! Which imported checkpoint restores what a defence hides.

use leptos::{ev, prelude::*};
use shared::{StudySpec, api::ImportedCheckpoint};

use super::{draft::Draft, encoder_field::label};
use crate::components::Field;

/// The setting.
pub const PATH: &str = "defence.restorer_checkpoint";

/// What does not fit the imported restorer.
fn misfit(spec: &StudySpec, imported: &[ImportedCheckpoint]) -> Option<String> {
    let name = spec.settings.defence.restorer_checkpoint.as_ref()?;
    let Some(checkpoint) = imported.iter().find(|checkpoint| checkpoint.name == *name) else {
        return Some(format!(
            "there is no imported checkpoint {name} here; import it on the page Checkpoints"
        ));
    };
    spec.settings.check_restorer(checkpoint, &spec.runs).map(|error| error.message)
}

/// The field; it offers whole autoencoders only.
#[component]
pub fn RestorerField(
    /// The imported checkpoints.
    imported: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(|spec| spec.settings.defence.restorer_checkpoint.clone());
    let own = draft.error_at(PATH);
    let error = Signal::derive(move || {
        let misfit = draft.spec.with(|spec| imported.with(|imported| misfit(spec, imported)));
        misfit.or_else(|| own.get())
    });
    let options = move || {
        let chosen = chosen.get();
        let whole: Vec<_> = imported.get().into_iter().filter(|it| it.has_decoder).collect();
        let stray = chosen.clone().filter(|name| !whole.iter().any(|it| it.name == *name));
        let stray = stray.map(|name| {
            let text = format!("{name} (cannot restore)");
            view! { <option value=name selected=true>{text}</option> }
        });
        let known = whole
            .into_iter()
            .map(|checkpoint| {
                let here = chosen.as_ref() == Some(&checkpoint.name);
                let text = label(&checkpoint);
                view! { <option value=checkpoint.name selected=here>{text}</option> }
            })
            .collect_view();
        view! {
            <option value="" selected=chosen.is_none()>"none chosen"</option>
            {stray}
            {known}
        }
    };
    let changed = move |event: ev::Event| {
        let name = Some(event_target_value(&event)).filter(|name| !name.is_empty());
        draft.edit(|spec| spec.settings.defence.restorer_checkpoint = name);
    };
    view! {
        <Field
            path=PATH
            label="Imported restorer"
            error=error
            control=move |id, about| {
                view! {
                    <span class="select">
                        <select id=id aria-describedby=about on:change=changed>
                            {options}
                        </select>
                    </span>
                }
            }
        />
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        RunKind,
        settings::{DefenceMethod, Restorer},
        study::presets,
    };

    use super::*;

    #[test]
    fn a_restorer_that_is_gone_or_has_no_decoder_is_told() {
        let mut spec = presets()[0].spec.clone();
        spec.runs = vec![RunKind::Defence];
        spec.settings.defence.method = DefenceMethod::Bdmae;
        spec.settings.defence.restorer = Restorer::Imported;
        assert_eq!(misfit(&spec, &[]), None, "none is chosen yet");
        spec.settings.defence.restorer_checkpoint = Some("mae".into());
        assert!(misfit(&spec, &[]).is_some_and(|text| text.contains("no imported checkpoint mae")));
        let model = spec.settings.model;
        let encoder =
            ImportedCheckpoint { name: "mae".into(), model, ..ImportedCheckpoint::default() };
        let told = misfit(&spec, std::slice::from_ref(&encoder));
        assert!(told.is_some_and(|text| text.contains("without a decoder")));
        let whole = ImportedCheckpoint { has_decoder: true, ..encoder };
        assert_eq!(misfit(&spec, &[whole]), None);
    }
}
