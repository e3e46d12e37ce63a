//! Which encoder the probes start from: one that the study trains, or an imported one.

use leptos::{ev, prelude::*};
use shared::{StudySpec, api::ImportedCheckpoint};

use super::draft::Draft;
use crate::components::Field;

/// What does not fit the imported encoder.
fn misfit(spec: &StudySpec, imported: &[ImportedCheckpoint]) -> Option<String> {
    let name = spec.settings.encoder.as_ref()?;
    let Some(checkpoint) = imported.iter().find(|checkpoint| checkpoint.name == *name) else {
        return Some(format!(
            "there is no imported checkpoint {name} here; import it on the page Checkpoints"
        ));
    };
    spec.settings.check_encoder(checkpoint).map(|error| error.message)
}

/// Text of an option: `mae-base, 768 × 12 on 224 px`.
pub(super) fn label(checkpoint: &ImportedCheckpoint) -> String {
    let model = checkpoint.model;
    let (dim, depth) = (model.encoder.dim, model.encoder.depth);
    format!("{}, {dim} × {depth} on {} px", checkpoint.name, model.image_size)
}

/// The field.
#[component]
pub fn EncoderField(
    /// The imported checkpoints.
    imported: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(|spec| spec.settings.encoder.clone());
    let own = draft.error_at("encoder");
    let error = Signal::derive(move || {
        let misfit = draft.spec.with(|spec| imported.with(|imported| misfit(spec, imported)));
        misfit.or_else(|| own.get())
    });
    let options = move || {
        let chosen = chosen.get();
        let here = |name: &String| imported.with(|all| all.iter().any(|it| it.name == *name));
        let stray = chosen.clone().filter(|name| !here(name)).map(|name| {
            let text = format!("{name} (missing)");
            view! { <option value=name selected=true>{text}</option> }
        });
        let known = imported
            .get()
            .into_iter()
            .map(|checkpoint| {
                let here = chosen.as_ref() == Some(&checkpoint.name);
                let text = label(&checkpoint);
                view! { <option value=checkpoint.name selected=here>{text}</option> }
            })
            .collect_view();
        view! {
            <option value="" selected=chosen.is_none()>"pre-trained by the study"</option>
            {stray}
            {known}
        }
    };
    let changed = move |event: ev::Event| {
        let name = event_target_value(&event);
        let checkpoint =
            imported.with_untracked(|all| all.iter().find(|it| it.name == name).cloned());
        draft.edit(|spec| match checkpoint {
            Some(checkpoint) => spec.start_from(&checkpoint),
            None => spec.settings.encoder = None,
        });
    };
    view! {
        <Field
            path="encoder"
            label="Encoder"
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
    use shared::study::presets;

    use super::*;

    #[test]
    fn an_encoder_that_is_gone_or_of_other_sizes_is_told() {
        let mut spec = presets()[0].spec.clone();
        let mae = ImportedCheckpoint { name: "mae".into(), ..ImportedCheckpoint::default() };
        let all = std::slice::from_ref(&mae);
        assert_eq!(misfit(&spec, &[]), None);
        spec.start_from(&mae);
        assert_eq!(misfit(&spec, all), None);
        assert!(misfit(&spec, &[]).is_some_and(|text| text.contains("no imported checkpoint mae")));
        spec.settings.model.encoder.heads = 2;
        assert!(misfit(&spec, all).is_some_and(|text| text.contains("heads 2")));
        assert_eq!(label(&mae), "mae, 192 × 4 on 32 px");
    }
}
