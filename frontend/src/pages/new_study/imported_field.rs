//! A field that names an imported checkpoint.

use leptos::{ev, prelude::*};
use shared::{FieldError, StudySpec, api::ImportedCheckpoint};

use super::draft::Draft;
use crate::components::Field;

/// A setting that names an imported checkpoint.
#[derive(Clone, Copy)]
pub struct Named {
    /// The setting.
    pub path: &'static str,
    /// Its label.
    pub label: &'static str,
    /// The choice of no checkpoint.
    pub none: &'static str,
    /// Its value.
    pub chosen: fn(&StudySpec) -> Option<&String>,
    /// Whether a checkpoint can be chosen at all.
    pub offered: fn(&ImportedCheckpoint) -> bool,
    /// What does not fit the study.
    pub check: fn(&StudySpec, &ImportedCheckpoint) -> Option<FieldError>,
    /// Chooses a checkpoint, or none.
    pub choose: fn(&mut StudySpec, Option<&ImportedCheckpoint>),
}

impl Named {
    /// What is wrong with the chosen checkpoint.
    pub fn misfit(&self, spec: &StudySpec, imported: &[ImportedCheckpoint]) -> Option<String> {
        let name = (self.chosen)(spec)?;
        let Some(checkpoint) = imported.iter().find(|checkpoint| checkpoint.name == *name) else {
            return Some(format!(
                "there is no imported checkpoint {name} here; import it on the page Checkpoints"
            ));
        };
        (self.check)(spec, checkpoint).map(|error| error.message)
    }
}

/// Text of an option: `mae-base, 768 × 12 on 224 px`.
fn label(checkpoint: &ImportedCheckpoint) -> String {
    let model = checkpoint.model;
    let (dim, depth) = (model.encoder.dim, model.encoder.depth);
    format!("{}, {dim} × {depth} on {} px", checkpoint.name, model.image_size)
}

/// The field.
#[component]
pub fn ImportedField(
    /// The setting.
    named: Named,
    /// The imported checkpoints.
    imported: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(move |spec| (named.chosen)(spec).cloned());
    let own = draft.error_at(named.path);
    let error = Signal::derive(move || {
        let misfit = draft.spec.with(|spec| imported.with(|all| named.misfit(spec, all)));
        misfit.or_else(|| own.get())
    });
    let options = move || {
        let chosen = chosen.get();
        let all = imported.get();
        let is_offered = |name: &String| {
            all.iter().any(|checkpoint| checkpoint.name == *name && (named.offered)(checkpoint))
        };
        let stray = chosen.clone().filter(|name| !is_offered(name)).map(|name| {
            let is_here = all.iter().any(|checkpoint| checkpoint.name == name);
            let why = if is_here { "does not fit" } else { "missing" };
            let text = format!("{name} ({why})");
            view! { <option value=name selected=true>{text}</option> }
        });
        let known = all
            .iter()
            .filter(|checkpoint| (named.offered)(checkpoint))
            .map(|checkpoint| {
                let here = chosen.as_ref() == Some(&checkpoint.name);
                let text = label(checkpoint);
                view! { <option value=checkpoint.name.clone() selected=here>{text}</option> }
            })
            .collect_view();
        view! {
            <option value="" selected=chosen.is_none()>{named.none}</option>
            {stray}
            {known}
        }
    };
    let changed = move |event: ev::Event| {
        let name = event_target_value(&event);
        let checkpoint =
            imported.with_untracked(|all| all.iter().find(|it| it.name == name).cloned());
        draft.edit(|spec| (named.choose)(spec, checkpoint.as_ref()));
    };
    view! {
        <Field
            path=named.path
            label=named.label
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
    use super::*;

    #[test]
    fn an_option_tells_the_size() {
        let mae = ImportedCheckpoint { name: "mae".into(), ..ImportedCheckpoint::default() };
        assert_eq!(label(&mae), "mae, 192 × 4 on 32 px");
    }
}
