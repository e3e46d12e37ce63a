//! Backdoors besides the main one: a trigger of the catalogue and a target class each.

use leptos::{ev, prelude::*};
use shared::{
    settings::{AttackSpec, BackdoorSpec},
    trigger::{CATALOGUE, CatalogueEntry},
};

use super::{attack_panel::class_options, draft::Draft};
use crate::{
    attack::TriggerGlyph,
    components::{FieldMessage, Glyph, Icon},
};

/// Another backdoor for an attack: the first kind of trigger and the first of `classes` classes that no backdoor has yet.
fn another(attack: &AttackSpec, side: u32, patch: u32, classes: u32) -> BackdoorSpec {
    let known = attack.backdoors();
    let free = |class: &u32| known.iter().all(|other| other.target_class != *class);
    let target_class = (0..classes).find(free).unwrap_or(0);
    let triggers = CATALOGUE.iter().map(|entry| entry.spec(side, patch));
    let mut new = triggers.filter(|trigger| {
        // Of covers there is one kind in a set.
        let covers = attack.cover_ratio > 0.0 && trigger.cover_ratio() > 0.0;
        !covers && known.iter().all(|other| other.trigger.kind() != trigger.kind())
    });
    let trigger = new.next().unwrap_or_else(|| CATALOGUE[0].spec(side, patch));
    BackdoorSpec { target_class, trigger }
}

/// The list; nothing with all-to-all, which leaves no class for another backdoor, unless there are some.
#[component]
pub fn FurtherBackdoors() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let count = draft.part(|spec| spec.settings.attack.further.len());
    let all_to_all = draft.part(|spec| spec.settings.attack.is_all_to_all());
    let error = Signal::derive(move || {
        draft.errors.with(|errors| {
            let own = errors.iter().find(|error| error.field.starts_with("attack.further"))?;
            let place = own.field.trim_start_matches("attack.further").trim_start_matches('.');
            Some(if place.is_empty() { own.message.clone() } else { own.to_string() })
        })
    });
    let add = move |_: ev::MouseEvent| {
        let classes =
            draft.dataset.with_untracked(|set| set.as_ref().map_or(0, |set| set.classes.len()));
        draft.edit(|spec| {
            let model = spec.settings.model;
            let attack = &mut spec.settings.attack;
            let new = another(attack, model.image_size, model.patch_size, classes as u32);
            attack.further.push(new);
        });
    };
    let full = move || count.get() >= AttackSpec::MOST_FURTHER;
    let range = move || match count.get() {
        0 => "none".to_owned(),
        count => format!("{count} besides the main one"),
    };
    view! {
        <Show when=move || !all_to_all.get() || count.get() != 0>
            <fieldset class="field" class:field-wrong=move || error.with(Option::is_some) data-field="attack.further">
                <div class="field-head">
                    <legend>"Further backdoors"</legend>
                    <span class="field-range">{range}</span>
                </div>
                <ul class="further-backdoors">
                    <For each=move || 0..count.get() key=|place| *place let:place>
                        <Backdoor place/>
                    </For>
                </ul>
                <button
                    type="button"
                    class="button button-small"
                    disabled=full
                    on:click=add
                >
                    <Icon glyph=Glyph::Plus/>
                    "Add a backdoor"
                </button>
                <FieldMessage id="attack-further-error".to_owned() message=error/>
                <span class="field-why">
                    "Each poisons images of its own, as many as the main one, and has an ASR of its own. Triggers have their published \
                    parameters; a study's file can set others. The preview shows the main trigger."
                </span>
            </fieldset>
        </Show>
    }
}

/// The backdoor at a place of the list.
#[component]
fn Backdoor(place: usize) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let own = draft.part(move |spec| spec.settings.attack.further.get(place).cloned());
    let sides = draft.part(|spec| (spec.settings.model.image_size, spec.settings.model.patch_size));
    let classes = Memo::new(move |_| {
        draft.dataset.with(|set| set.as_ref().map(|set| set.classes.clone()).unwrap_or_default())
    });
    let change = move |change: &dyn Fn(&mut BackdoorSpec)| {
        draft.edit(|spec| {
            if let Some(backdoor) = spec.settings.attack.further.get_mut(place) {
                change(backdoor);
            }
        });
    };
    let trigger = Memo::new(move |_| own.get().map(|own| own.trigger));
    let target = Memo::new(move |_| own.get().map_or(0, |own| own.target_class));
    let triggers = move || {
        let (side, patch) = sides.get();
        let chosen = trigger.get().map(|trigger| CatalogueEntry::of(&trigger, side, patch).id);
        CATALOGUE
            .iter()
            .map(|entry| {
                view! {
                    <option value=entry.id selected=chosen == Some(entry.id)>{entry.name}</option>
                }
            })
            .collect_view()
    };
    let targets = move || class_options(target.get(), classes.get());
    let choose_trigger = move |event: ev::Event| {
        let (side, patch) = sides.get_untracked();
        if let Some(entry) = CatalogueEntry::find(&event_target_value(&event)) {
            change(&|backdoor| backdoor.trigger = entry.spec(side, patch));
        }
    };
    let choose_target = move |event: ev::Event| {
        if let Ok(class) = event_target_value(&event).parse() {
            change(&|backdoor| backdoor.target_class = class);
        }
    };
    let remove = move |_| {
        draft.edit(|spec| {
            let further = &mut spec.settings.attack.further;
            if place < further.len() {
                further.remove(place);
            }
        });
    };
    // The main one is the first.
    let number = place + 2;
    view! {
        <li>
            {move || trigger.get().map(|trigger| view! { <TriggerGlyph trigger/> })}
            <span class="select">
                <select aria-label=format!("Trigger of backdoor {number}") on:change=choose_trigger>
                    {triggers}
                </select>
            </span>
            <span class="select">
                <span class="swatch swatch-target" aria-hidden="true"></span>
                <select aria-label=format!("Target class of backdoor {number}") on:change=choose_target>
                    {targets}
                </select>
            </span>
            <button
                type="button"
                class="button button-small"
                aria-label=format!("Remove backdoor {number}")
                on:click=remove
            >
                <Icon glyph=Glyph::Trash/>
            </button>
            <span class="further-label muted small">
                {move || trigger.get().map(|trigger| trigger.label())}
            </span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_backdoor_has_a_trigger_and_a_target_of_its_own() {
        let mut attack = AttackSpec::default();
        for expected in [("patched", 1), ("random_patch", 2), ("sig", 0)] {
            let new = another(&attack, 32, 4, 3);
            assert_eq!((new.trigger.kind(), new.target_class), expected);
            attack.further.push(new);
            assert_eq!(attack.check_together(), []);
        }
        attack.cover_ratio = 1.0;
        while attack.further.len() < AttackSpec::MOST_FURTHER {
            attack.further.push(another(&attack, 32, 4, 20));
        }
        assert_eq!(attack.check_together(), [], "none has covers of its own");
    }
}
