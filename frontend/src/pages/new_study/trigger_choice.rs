//! The kind of trigger: a card for each one from the literature, with what it does and where it was published.

use leptos::prelude::*;
use shared::{
    TriggerSpec,
    trigger::{CATALOGUE, CatalogueEntry, Family},
};

use super::draft::Draft;
use crate::attack::TriggerOnImage;

/// The last trigger of each card, so that switching back and forth loses nothing.
type Kept = Vec<(&'static str, TriggerSpec)>;

/// The card that is shown as chosen: the one that was pressed as long as the trigger is of its kind, otherwise the one that
/// matches the trigger's parameters.
fn chosen(
    pressed: Option<&'static str>,
    trigger: &TriggerSpec,
    side: u32,
    patch: u32,
) -> &'static CatalogueEntry {
    let pressed = pressed.and_then(|id| CATALOGUE.iter().find(|entry| entry.id == id));
    let fits = |entry: &&CatalogueEntry| entry.spec(side, patch).kind() == trigger.kind();
    pressed.filter(fits).unwrap_or_else(|| CatalogueEntry::of(trigger, side, patch))
}

/// The choice.
#[component]
pub fn TriggerChoice() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let pressed = RwSignal::new(None::<&'static str>);
    let kept = StoredValue::new(Kept::new());
    let sides = draft.part(|spec| (spec.settings.model.image_size, spec.settings.model.patch_size));
    let id = Memo::new(move |_| {
        let (side, patch) = sides.get();
        draft.spec.with(|spec| chosen(pressed.get(), &spec.settings.attack.trigger, side, patch).id)
    });
    let entry = move || CATALOGUE.iter().find(|entry| entry.id == id.get());
    let choose = move |to: &'static CatalogueEntry| {
        let from = id.get_untracked();
        let (side, patch) = sides.get_untracked();
        pressed.set(Some(to.id));
        if from == to.id {
            return;
        }
        draft.edit(|spec| {
            kept.update_value(|kept| {
                kept.retain(|(id, _)| *id != from);
                kept.push((from, spec.settings.attack.trigger.clone()));
            });
            let before = kept.with_value(|kept| {
                kept.iter().find(|(id, _)| *id == to.id).map(|(_, trigger)| trigger.clone())
            });
            spec.settings.attack.trigger = before.unwrap_or_else(|| to.spec(side, patch));
        });
    };
    let card = move |entry: &'static CatalogueEntry| {
        let trigger = Memo::new(move |_| {
            let (side, patch) = sides.get();
            entry.spec(side, patch)
        });
        view! {
            <label class="key" title=entry.summary>
                <input
                    type="radio"
                    name="trigger"
                    value=entry.id
                    prop:checked=move || id.get() == entry.id
                    on:change=move |_| choose(entry)
                />
                <TriggerOnImage trigger image=draft.sample.into()/>
                <span>{entry.name}</span>
            </label>
        }
    };
    let family = |family: Family| {
        let cards = CATALOGUE.iter().filter(|entry| entry.family == family).map(card);
        view! {
            <div class="trigger-family" role="group" aria-label=family.name()>
                <span class="trigger-family-name" aria-hidden="true">{family.name()}</span>
                <div class="keys">{cards.collect_view()}</div>
            </div>
        }
    };
    let families = Family::ALL.map(family).into_iter().collect_view();
    view! {
        <fieldset class="field triggers" data-field="attack.trigger.kind">
            <div class="field-head">
                <legend>"Trigger"</legend>
            </div>
            <div class="trigger-families">{families}</div>
            <span class="field-why" id="trigger-about">
                {move || entry().map(|entry| entry.summary)}
                " "
                <cite>{move || entry().map(|entry| entry.paper)}</cite>
            </span>
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pressed_card_stays_chosen_while_its_kind_does() {
        let id = |pressed, trigger: &TriggerSpec| chosen(pressed, trigger, 32, 4).id;
        let of =
            |id: &str| CATALOGUE.iter().find(|entry| entry.id == id).map(|entry| entry.spec(32, 4));
        let mut badnets = of("badnets").expect("an entry");
        assert_eq!(id(None, &badnets), "badnets");
        if let TriggerSpec::Patched(patch) = &mut badnets {
            patch.x = 2;
        }
        assert_eq!(id(None, &badnets), "patched");
        assert_eq!(id(Some("badnets"), &badnets), "badnets");
        assert_eq!(id(Some("badnets"), &of("ftrojan").expect("an entry")), "ftrojan");
    }
}
