//! The attack: trigger, its parameters, the target class, and which images are poisoned.

use leptos::{ev, prelude::*};
use shared::api::KeyInfo;

use super::{
    draft::Draft, setting_field::SettingField, trigger_choice::TriggerChoice,
    trigger_controls::TriggerControls,
};
use crate::components::Field;

/// The panel.
#[component]
pub fn AttackPanel(
    /// All key images.
    keys: Signal<Vec<KeyInfo>>,
    /// Called with an uploaded key image.
    uploaded: Callback<KeyInfo>,
) -> impl IntoView {
    view! {
        <section class="panel" aria-labelledby="attack-title">
            <header class="panel-head">
                <h2 id="attack-title">"Attack"</h2>
            </header>
            <div class="panel-body stack">
                <TriggerChoice/>
                <TriggerControls keys uploaded/>
                <TargetClass/>
                <SettingField path="attack.clean_label"/>
                <SettingField path="attack.replace"/>
                <SettingField path="attack.poison_unit"/>
            </div>
        </section>
    }
}

/// The target class of the attack.
#[component]
fn TargetClass() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let target = draft.part(|spec| spec.settings.attack.target_class);
    let classes = Memo::new(move |_| {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let options = move || {
        let target = target.get();
        let names = classes.get();
        // A target that the data set does not have stays visible, so that its error makes sense.
        let stray = (target as usize >= names.len()).then(|| {
            view! { <option value=target.to_string() selected=true>{format!("class {target}")}</option> }
        });
        let known = (0u32..)
            .zip(names)
            .map(|(class, name)| {
                view! {
                    <option value=class.to_string() selected=class == target>
                        {name}
                    </option>
                }
            })
            .collect_view();
        (stray, known)
    };
    let choose = move |event: ev::Event| {
        if let Ok(class) = event_target_value(&event).parse() {
            draft.edit(|spec| spec.settings.attack.target_class = class);
        }
    };
    view! {
        <Field
            path="attack.target_class"
            label="Target class"
            range=Signal::derive(move || format!("one of {}", classes.with(Vec::len)))
            why="The class that triggered images should be classified as."
            error=draft.error_at("attack.target_class")
            control=move |id, about| {
                view! {
                    <span class="select">
                        <span class="swatch swatch-target" aria-hidden="true"></span>
                        <select id=id aria-describedby=about on:change=choose>{options}</select>
                    </span>
                }
            }
        />
    }
}
