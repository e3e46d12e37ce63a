//! The backdoor that is implanted into the encoder, and the settings of implanting where there is one.

use leptos::prelude::*;
use shared::{
    StudySpec,
    param::{SETTINGS, Value},
};

use super::{draft::Draft, setting_field::SettingField};

const METHOD: &str = "implant.method";

/// Whether some point of the study implants a backdoor.
fn implants(spec: &StudySpec) -> bool {
    spec.values_of(METHOD).iter().any(|method| *method != Value::from("none"))
}

/// The paths of the settings of implanting.
fn paths() -> impl Iterator<Item = &'static str> {
    let own = SETTINGS.iter().map(|setting| setting.path);
    own.filter(|path| path.starts_with("implant.") && *path != METHOD)
}

/// The fields.
#[component]
pub fn ImplantFields() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let shown = draft.part(implants);
    view! {
        <SettingField path=METHOD defaulted=true/>
        <Show when=move || shown.get()>
            {paths().map(|path| view! { <SettingField path defaulted=true/> }).collect_view()}
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use shared::{study::Axis, study::presets};

    use super::*;

    #[test]
    fn one_value_that_implants_shows_the_rest() {
        let mut spec = presets()[0].spec.clone();
        assert!(!implants(&spec));
        spec.axes = vec![Axis::of(METHOD, ["none", "badencoder"])];
        assert!(implants(&spec));
        assert!(paths().any(|path| path == "implant.references") && paths().count() == 9);
    }
}
