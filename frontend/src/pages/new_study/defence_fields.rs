//! The settings of the chosen defences: those that some chosen method uses, and no others.

use leptos::prelude::*;
use shared::{
    RunKind, Settings, StudySpec,
    param::{self, SETTINGS, Value},
};

use super::{draft::Draft, setting_field::SettingField};

/// The settings that decide which others are used.
const DECIDE: [&str; 4] =
    ["defence.method", "defence.set", "defence.groups", "defence.decoded_from"];

/// The paths of the settings that matter to a defence at some combination of the values that decide, in the order of a study's file.
pub fn used(spec: &StudySpec) -> Vec<&'static str> {
    let mut all: Vec<Settings> = vec![spec.settings.clone()];
    for path in DECIDE {
        let values = spec.values_of(path);
        let each = |settings: &Settings, value: &Value| {
            let mut settings = settings.clone();
            // The axes were checked, and a value that does not fit has an error at its own field.
            let _ = param::set(&mut settings, path, value);
            settings
        };
        all = all
            .iter()
            .flat_map(|settings| values.iter().map(move |value| each(settings, value)))
            .collect();
    }
    let matters = |path: &str| {
        let setting = |settings: &Settings| {
            param::find(path, settings)
                .is_some_and(|setting| setting.matters(settings, RunKind::Defence))
        };
        all.iter().any(setting)
    };
    let own = SETTINGS.iter().map(|setting| setting.path);
    own.filter(|path| path.starts_with("defence.") && matters(path)).collect()
}

/// Their fields.
#[component]
pub fn DefenceFields() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let paths = draft.part(used);
    view! {
        <For each=move || paths.get() key=|path| *path let:path>
            <SettingField path defaulted=true/>
        </For>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        settings::{DecodedFrom, DefenceMethod},
        study::presets,
    };

    use super::*;

    #[test]
    fn what_the_chosen_methods_use_is_shown() {
        let mut spec = presets()[0].spec.clone();
        spec.settings.defence.method = DefenceMethod::Decree;
        let of = |spec: &StudySpec| -> Vec<&str> {
            used(spec).into_iter().map(|path| path.trim_start_matches("defence.")).collect()
        };
        let decree = ["method", "shadow_images", "search_epochs", "subtract_mean", "mask_limit"];
        assert_eq!(of(&spec), decree);
        spec.settings.defence.method = DefenceMethod::Dede;
        let dede = ["method", "poisons", "clean_per_class", "refused", "decoded_from"];
        assert_eq!(of(&spec), dede);
        spec.settings.defence.decoded_from = DecodedFrom::Patches;
        assert_eq!(of(&spec).last(), Some(&"masks"));
        let methods = ["spectral", "strip"].map(Value::from).to_vec();
        spec.vary("defence.method", methods).expect("two methods");
        let both = [
            "method",
            "set",
            "poisons",
            "groups",
            "assumed_share",
            "centre",
            "clean_per_class",
            "overlays",
            "overlay_weight",
            "refused",
        ];
        assert_eq!(of(&spec), both);
    }
}
