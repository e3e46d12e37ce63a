//! The settings of the chosen defences: those that some chosen method uses, and no others.

use leptos::prelude::*;
use shared::{
    RunKind, Settings, StudySpec,
    api::ImportedCheckpoint,
    param::{self, SETTINGS, Value},
    settings::{DefenceMethod, ProtectedClassifier},
};

use super::{
    draft::Draft, imported_field::ImportedField, restorer_field::RESTORER,
    setting_field::SettingField,
};

/// The settings that decide which others are used.
const DECIDE: [&str; 7] = [
    "defence.method",
    "defence.set",
    "defence.groups",
    "defence.blocked_by",
    "defence.decoder",
    "defence.restorer",
    "defence.decoded_from",
];

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
    // Some matter only where they are on, so that earlier runs keep their names. Where training again is on and refused, it can be
    // switched off; a restorer can be chosen wherever something is restored, a classifier wherever one is protected.
    let restores = all.iter().any(|settings| settings.defence.restores());
    let refused = |settings: &Settings| settings.judges_pretraining() && settings.defence.retrain;
    let is_refused = all.iter().any(refused);
    // So does this one, which must be found before it is chosen.
    let has_decoder = all.iter().any(|settings| settings.defence.method == DefenceMethod::Dede);
    for settings in &mut all {
        settings.defence.retrain = true;
        settings.defence.classifier = ProtectedClassifier::Probe;
    }
    let matters = |path: &str| {
        let setting = |settings: &Settings| {
            param::find(path, settings)
                .is_some_and(|setting| setting.matters(settings, RunKind::Defence))
        };
        all.iter().any(setting)
            || path == "defence.retrain" && is_refused
            || path == "defence.decoder" && has_decoder
            || path == "defence.restorer" && restores
    };
    let own = SETTINGS.iter().map(|setting| setting.path);
    own.filter(|path| path.starts_with("defence.") && matters(path)).collect()
}

/// Their fields.
#[component]
pub fn DefenceFields(
    /// The imported checkpoints.
    imports: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let paths = draft.part(used);
    view! {
        <For each=move || paths.get() key=|path| *path let:path>
            {if path == RESTORER.path {
                view! { <ImportedField named=RESTORER imported=imports/> }.into_any()
            } else {
                view! { <SettingField path defaulted=true/> }.into_any()
            }}
        </For>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        settings::{
            BlockedBy, DecodedFrom, DedeDecoder, DefenceMethod, DefenceSpec, DefendedSet, Restorer,
        },
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
        spec.settings.defence.method = DefenceMethod::Scan;
        assert!(of(&spec).contains(&"retrain"));
        spec.settings.defence.set = DefendedSet::Pretrain;
        assert!(!of(&spec).contains(&"retrain"));
        spec.settings.defence.retrain = true;
        assert!(of(&spec).contains(&"retrain"), "it is refused, and must be found");
        spec.settings.defence.retrain = false;
        spec.settings.defence.set = DefendedSet::Probe;
        spec.settings.defence.method = DefenceMethod::Dede;
        let dede = [
            "method",
            "poisons",
            "classifier",
            "clean_per_class",
            "refused",
            "decoder",
            "decoded_from",
        ];
        assert_eq!(of(&spec), dede);
        spec.settings.defence.decoded_from = DecodedFrom::Patches;
        assert_eq!(of(&spec).last(), Some(&"masks"));
        spec.settings.defence.decoder = DedeDecoder::Trained;
        let trained = ["decoder", "decoder_epochs", "decoder_lr", "decoder_mask_ratio"];
        assert_eq!(of(&spec)[5..], trained);
        spec.settings.defence.decoder = DedeDecoder::Own;
        spec.settings.defence.method = DefenceMethod::Bdmae;
        assert_eq!(of(&spec), ["method", "poisons", "classifier", "restorer"]);
        spec.settings.defence.method = DefenceMethod::Blocking;
        assert_eq!(of(&spec), ["method", "poisons", "classifier", "block", "blocked_by"]);
        let last = |spec: &StudySpec| of(spec).pop().map(str::to_owned);
        spec.settings.defence.blocked_by = BlockedBy::Restored;
        assert_eq!(last(&spec).as_deref(), Some("restorer"));
        spec.settings.defence.restorer = Restorer::Imported;
        assert_eq!(last(&spec).as_deref(), Some("restorer_checkpoint"));
        spec.settings.defence = DefenceSpec::default();
        spec.settings.defence.method = DefenceMethod::Blocking;
        let fills = ["black", "restored"].map(Value::from).to_vec();
        spec.vary("defence.blocked_by", fills).expect("two fills");
        let blocking = ["method", "poisons", "classifier", "block", "blocked_by", "restorer"];
        assert_eq!(of(&spec), blocking);
        let methods = ["spectral", "strip"].map(Value::from).to_vec();
        spec.vary("defence.method", methods).expect("two methods");
        let both = [
            "method",
            "set",
            "poisons",
            "classifier",
            "retrain",
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
