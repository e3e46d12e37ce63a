//! The attack: trigger, its parameters, the target class, and which images are poisoned.

use leptos::{ev, prelude::*};
use shared::{api::KeyInfo, param::Value};

use super::{
    composed::ComposeFields, draft::Draft, further_backdoors::FurtherBackdoors,
    poison_panel::toggled, setting_field::SettingField, trigger_choice::TriggerChoice,
    trigger_controls::TriggerControls,
};
use crate::components::{ChipButton, Field, FieldMessage};

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
                <SettingField path="attack.goal"/>
                <TargetClass/>
                <FurtherBackdoors/>
                <SettingField path="attack.clean_label"/>
                <SourceClasses/>
                <SettingField path="attack.cover_ratio"/>
                <SettingField path="attack.replace"/>
                <SettingField path="attack.poison_unit"/>
                <ComposeFields/>
            </div>
        </section>
    }
}

/// The classes that a source-specific attack poisons.
#[component]
fn SourceClasses() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let sources = draft.part(|spec| spec.settings.attack.sources.clone());
    let target = draft.part(|spec| spec.settings.attack.target_class);
    // These goals leave no choice of classes.
    let none =
        draft.part(|spec| spec.settings.attack.clean_label || spec.settings.attack.is_all_to_all());
    let classes = Memo::new(move |_| {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let toggle = move |class: u32| {
        draft.edit(|spec| {
            let attack = &mut spec.settings.attack;
            attack.sources = toggled(std::mem::take(&mut attack.sources), class);
        });
    };
    let chips = move || {
        let target = target.get();
        // A source that cannot be one stays visible, so that it can be turned off.
        let offered = move |class: &u32| *class != target || sources.get().contains(class);
        let known = (0u32..).zip(classes.get()).filter(move |(class, _)| offered(class));
        known
            .map(|(class, name)| {
                let on = Signal::derive(move || sources.with(|all| all.contains(&class)));
                view! {
                    <ChipButton
                        name=format!("Source class: {name}")
                        label=name
                        on
                        toggle=Callback::new(move |()| toggle(class))
                    />
                }
            })
            .collect_view()
    };
    let range = move || match sources.with(Vec::len) {
        0 => "all besides the target".to_owned(),
        chosen => format!("{chosen} of {}", classes.with(Vec::len)),
    };
    let error = draft.error_at("attack.sources");
    let is_shown = move || !none.get() || sources.with(|sources| !sources.is_empty());
    view! {
        <Show when=is_shown>
            <fieldset class="field" class:field-wrong=move || error.with(Option::is_some) data-field="attack.sources">
                <div class="field-head">
                    <legend>"Source classes"</legend>
                    <span class="field-range">{range}</span>
                </div>
                <div class="chips">{chips}</div>
                <FieldMessage id="attack-sources-error".to_owned() message=error/>
                <span class="field-why">
                    "Only their images are poisoned, and count in ASR (source-specific attacks, TaCT). Choose none for all."
                </span>
            </fieldset>
        </Show>
    }
}

/// The classes to choose a target from. A target that the data set does not have stays visible, so that its error makes sense.
pub(super) fn class_options(target: u32, names: Vec<String>) -> impl IntoView {
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
}

/// The target class of the attack, unless each class has another one. A study that varies the goal needs it, too.
#[component]
fn TargetClass() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let target = draft.part(|spec| spec.settings.attack.target_class);
    let is_wanted =
        draft.part(|spec| spec.values_of("attack.goal").contains(&Value::from("single_target")));
    let classes = Memo::new(move |_| {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let options = move || class_options(target.get(), classes.get());
    let choose = move |event: ev::Event| {
        if let Ok(class) = event_target_value(&event).parse() {
            draft.edit(|spec| spec.settings.attack.target_class = class);
        }
    };
    view! {
        <Show when=move || is_wanted.get()>
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
        </Show>
    }
}
