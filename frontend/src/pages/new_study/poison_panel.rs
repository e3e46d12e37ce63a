//! The poison: how many images each phase poisons, and the seeds.

use leptos::{ev, prelude::*};
use shared::{StudySpec, study::AttackSpec};

use super::{
    choice::{Switch, SwitchField},
    draft::Draft,
    poison_list::PoisonList,
};
use crate::components::{ChipButton, FieldMessage, Glyph, Icon, format};

/// A list of numbers of the grid.
struct List {
    path: &'static str,
    label: &'static str,
    range: &'static str,
    why: &'static str,
    suggestions: &'static [u64],
    get: fn(&StudySpec) -> Vec<u64>,
    set: fn(&mut StudySpec, Vec<u64>),
}

fn wide(counts: &[u32]) -> Vec<u64> {
    counts.iter().map(|&count| count.into()).collect()
}

fn narrow(counts: Vec<u64>) -> Vec<u32> {
    counts.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect()
}

static LISTS: [List; 4] = [
    List {
        path: "grid.ppr",
        label: "Pre-training, PPR",
        range: "poisoned images per non-target class",
        why: "One pre-training each. 0 is the clean encoder, to compare with.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        get: |spec| wide(&spec.grid.ppr),
        set: |spec, counts| spec.grid.ppr = narrow(counts),
    },
    List {
        path: "grid.lpr",
        label: "Linear probe, LPR",
        range: "poisoned images per non-target class",
        why: "One probe each on every encoder. 0 is the clean probe.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        get: |spec| wide(&spec.grid.lpr),
        set: |spec, counts| spec.grid.lpr = narrow(counts),
    },
    List {
        path: "grid.fpr",
        label: "Fine-tuning, FPR",
        range: "poisoned images per non-target class",
        why: "One fine-tuning each of every encoder. None: no fine-tuning; 0 is a clean one.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        get: |spec| wide(&spec.grid.fpr),
        set: |spec, counts| spec.grid.fpr = narrow(counts),
    },
    List {
        path: "grid.seeds",
        label: "Seeds",
        range: "whole numbers",
        why: "Weights, order, masks and poisons come from the seed; several show how far results scatter.",
        suggestions: &[1, 2, 3],
        get: |spec| spec.grid.seeds.clone(),
        set: |spec, seeds| spec.grid.seeds = seeds,
    },
];

static SCRATCH: Switch = Switch {
    path: "grid.scratch",
    label: "Also from scratch",
    default: false,
    why: "The same training of a model that was not pre-trained, for every FPR and seed: what the pre-training is worth.",
    get: |spec| spec.grid.scratch,
    set: |spec, on| spec.grid.scratch = on,
};

/// The numbers to show: the suggestions and what is chosen, in order, each once.
fn shown(suggestions: &[u64], chosen: &[u64]) -> Vec<u64> {
    let mut all: Vec<u64> = suggestions.iter().chain(chosen).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The chosen numbers with one turned on or off, in order.
fn toggled(mut chosen: Vec<u64>, number: u64) -> Vec<u64> {
    if chosen.contains(&number) {
        chosen.retain(|&other| other != number);
    } else {
        chosen.push(number);
        chosen.sort_unstable();
    }
    chosen
}

/// What the chosen counts poison in all: `0 / 90 poisoned copies beside 5,000 clean images`.
fn poisoned_text(attack: &AttackSpec, classes: u32, images: u64, counts: &[u64]) -> String {
    let counts = narrow(counts.to_vec());
    let listed = |count: &dyn Fn(u32) -> u32| {
        let texts = counts.iter().map(|&each| format::count(u64::from(count(each))));
        texts.collect::<Vec<_>>().join(" / ")
    };
    let poisoned = listed(&|each| attack.poisoned_images(classes, each));
    let covers = if attack.trigger.cover_ratio() > 0.0 {
        format!(" and {} cover samples", listed(&|each| attack.cover_images(classes, each)))
    } else {
        String::new()
    };
    format!("{poisoned} poisoned copies{covers} beside {} clean images", format::count(images))
}

/// The panel.
#[component]
pub fn PoisonPanel() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let lists = LISTS.iter().map(|list| view! { <NumberList list/> }).collect_view();
    let finetunes = draft.part(|spec| !spec.grid.fpr.is_empty());
    view! {
        <section class="panel" aria-labelledby="poison-title">
            <header class="panel-head">
                <h2 id="poison-title">"Poison"</h2>
            </header>
            <div class="panel-body stack">
                {lists}
                <Show when=move || finetunes.get()>
                    <SwitchField switch=&SCRATCH/>
                </Show>
                <PoisonList/>
            </div>
        </section>
    }
}

/// One list as chips, with a field to add another number.
#[component]
fn NumberList(list: &'static List) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let chosen = draft.part(move |spec| (list.get)(spec));
    let entry = RwSignal::new(String::new());
    let wrong = RwSignal::new(None::<String>);
    let toggle =
        move |number: u64| draft.edit(|spec| (list.set)(spec, toggled((list.get)(spec), number)));
    let add = move || {
        let text = entry.get_untracked();
        if text.trim().is_empty() {
            return;
        }
        match text.trim().parse::<u64>() {
            Ok(number) if chosen.with_untracked(|chosen| chosen.contains(&number)) => {
                entry.set(String::new());
            }
            Ok(number) => {
                toggle(number);
                entry.set(String::new());
                wrong.set(None);
            }
            Err(_) => wrong.set(Some("takes a whole number from 0".into())),
        }
    };
    let own = draft.error_at(list.path);
    let error = Signal::derive(move || wrong.get().or_else(|| own.get()));
    let id = list.path.replace('.', "-");
    let chips = move || {
        shown(list.suggestions, &chosen.get())
            .into_iter()
            .map(|number| {
                let on = Signal::derive(move || chosen.with(|chosen| chosen.contains(&number)));
                view! {
                    <ChipButton
                        label=number.to_string()
                        title=format!("{}: {number}", list.label)
                        on=on
                        toggle=Callback::new(move |()| toggle(number))
                    />
                }
            })
            .collect_view()
    };
    let clean_label = draft.part(|spec| spec.attack.clean_label);
    let range = move || {
        if list.path != "grid.seeds" && clean_label.get() {
            "poisoned images of the target class"
        } else {
            list.range
        }
    };
    let poisoned = move || {
        draft.dataset.with(|dataset| {
            let dataset = dataset.as_ref()?;
            if list.path == "grid.seeds" || chosen.with(Vec::is_empty) {
                return None;
            }
            let classes = dataset.classes.len() as u32;
            Some(draft.spec.with(|spec| {
                let images = spec.samples_per_epoch(&dataset.train_counts, 0);
                chosen.with(|chosen| poisoned_text(&spec.attack, classes, images.into(), chosen))
            }))
        })
    };
    view! {
        <fieldset class="field" class:field-wrong=move || error.with(Option::is_some) data-field=list.path>
            <div class="field-head">
                <legend>{list.label}</legend>
                <span class="field-range">{range}</span>
            </div>
            <div class="chips">
                {chips}
                <span class="chip-add">
                    <input
                        type="text"
                        inputmode="numeric"
                        id=id.clone()
                        aria-label=format!("{}, another number", list.label)
                        aria-describedby=format!("{id}-error")
                        placeholder="other"
                        prop:value=move || entry.get()
                        on:input=move |event: ev::Event| {
                            entry.set(event_target_value(&event));
                            wrong.set(None);
                        }
                        on:keydown=move |event: ev::KeyboardEvent| {
                            if event.key() == "Enter" {
                                event.prevent_default();
                                add();
                            }
                        }
                        on:blur=move |_| add()
                    />
                    <button type="button" aria-label=format!("Add to {}", list.label) on:click=move |_| add()>
                        <Icon glyph=Glyph::Plus/>
                    </button>
                </span>
            </div>
            {move || poisoned().map(|text| view! { <p class="field-fact">{text}</p> })}
            <FieldMessage id=format!("{id}-error") message=error/>
            <span class="field-why">{list.why}</span>
        </fieldset>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn chips_are_the_suggestions_and_the_choice() {
        assert_eq!(shown(&[0, 1, 10], &[7, 10]), [0, 1, 7, 10]);
        assert_eq!(toggled(vec![0, 10], 3), [0, 3, 10]);
        assert_eq!(toggled(vec![0, 10], 10), [0]);
    }

    #[test]
    fn poisons_are_counted_over_the_other_classes() {
        assert_eq!(
            poisoned_text(&presets()[0].spec.attack, 10, 5000, &[0, 10]),
            "0 / 90 poisoned copies beside 5,000 clean images"
        );
    }
}
