//! The parameters of the chosen trigger.

use leptos::prelude::*;
use shared::{
    api::KeyInfo,
    param::{Domain, SETTINGS, Setting},
};

use super::{
    draft::Draft, key_choice::KeyChoice, patch_controls::PatchControls, setting_field::SettingField,
};

/// Parameters that have their own control, or none because they follow from others.
const ELSEWHERE: [&str; 3] = ["attack.trigger.key", "attack.trigger.fill", "attack.trigger.bins"];

/// The parameters of a kind of trigger that are shown as fields.
fn parameters(kind: &str) -> impl Iterator<Item = &'static Setting> {
    SETTINGS
        .iter()
        .filter(move |setting| setting.trigger == Some(kind) && !ELSEWHERE.contains(&setting.path))
}

/// The controls.
#[component]
pub fn TriggerControls(
    /// All key images.
    keys: Signal<Vec<KeyInfo>>,
    /// Called with an uploaded key image.
    uploaded: Callback<KeyInfo>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let kind = draft.part(|spec| spec.settings.attack.trigger.kind());
    let has_key = draft.part(|spec| spec.settings.attack.trigger.key().is_some());
    view! {
        {move || has_key.get().then(|| view! { <KeyChoice keys uploaded/> })}
        {move || match kind.get() {
            "patched" => view! { <PatchControls/> }.into_any(),
            kind => view! { <Parameters of=kind/> }.into_any(),
        }}
    }
}

/// The parameters of a kind of trigger, numbers with a slider. The image's size limits those in pixels.
#[component]
fn Parameters(of: &'static str) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let side = draft.part(|spec| f64::from(spec.settings.model.image_size));
    parameters(of)
        .map(|setting| {
            let highest = setting.domain.range().map_or(0.0, |(_, high)| high);
            let high = Signal::derive(move || {
                if setting.unit == "px" { highest.min(side.get()) } else { highest }
            });
            // A slider makes no sense for a seed, whose values have no order.
            let slider = !matches!(setting.domain, Domain::Whole { high, .. } if high > 1000);
            view! { <SettingField path=setting.path slider high/> }
        })
        .collect_view()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trigger_has_its_parameters() {
        let paths = |kind| parameters(kind).map(|setting| setting.path).collect::<Vec<_>>();
        assert_eq!(
            paths("blended"),
            ["attack.trigger.ratio", "attack.trigger.tiles", "attack.trigger.test_ratio"]
        );
        assert_eq!(paths("bpp"), ["attack.trigger.levels", "attack.trigger.dither"]);
        assert_eq!(paths("wanet").len(), 5);
    }
}
