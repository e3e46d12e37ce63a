//! The poison: which kinds of runs are made, how many images each poisons, and the seeds.

use leptos::{ev, prelude::*};
use shared::{
    RunKind, StudySpec, api::ImportedCheckpoint, param::Value, settings::AttackSpec, study::Axis,
};

use super::{
    defence_fields::DefenceFields,
    draft::Draft,
    implant_fields::ImplantFields,
    poison_list::PoisonList,
    setting_field::{SettingField, Toggle},
};
use crate::components::{ChipButton, FieldMessage, Glyph, Icon, format};

/// A list of whole numbers that a setting takes one after the other.
struct List {
    path: &'static str,
    label: &'static str,
    /// What its numbers are, unless they are poisons, whose unit the attack chooses.
    range: &'static str,
    why: &'static str,
    suggestions: &'static [u64],
    /// The kind of run that is made if the list is not empty.
    kind: Option<RunKind>,
}

static LISTS: [List; 4] = [
    List {
        path: "pretrain.poisons",
        label: "Pre-training, PPR",
        range: "",
        why: "One pre-training each. 0 is the clean encoder, for comparison.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        kind: None,
    },
    List {
        path: "probe.poisons",
        label: "Linear probe, LPR",
        range: "",
        why: "One probe each on every encoder. 0 is the clean probe.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        kind: Some(RunKind::Probe),
    },
    List {
        path: "finetune.poisons",
        label: "Fine-tuning, FPR",
        range: "",
        why: "One fine-tuning each on every encoder. Choose none for no fine-tuning; 0 is a clean one.",
        suggestions: &[0, 1, 3, 5, 10, 50],
        kind: Some(RunKind::Finetune),
    },
    List {
        path: "seed",
        label: "Seeds",
        range: "whole numbers",
        why: "The seed determines weights, order, masks and poisons; several seeds show how much the results vary.",
        suggestions: &[1, 2, 3],
        kind: None,
    },
];

impl List {
    fn get(&self, spec: &StudySpec) -> Vec<u64> {
        if self.kind.is_some_and(|kind| !spec.runs.contains(&kind)) {
            return Vec::new();
        }
        let values = spec.values_of(self.path);
        values.iter().filter_map(Value::number).map(|number| number as u64).collect()
    }

    fn set(&self, spec: &mut StudySpec, numbers: &[u64]) {
        if let Some(kind) = self.kind {
            spec.runs.retain(|&other| other != kind);
            if numbers.is_empty() {
                spec.axes.retain(|axis| axis.paths != [self.path]);
                return;
            }
            spec.runs.push(kind);
            spec.runs.sort_unstable();
        }
        let values = numbers.iter().map(|&number| Value::Number(number as f64)).collect();
        // The panel offers whole numbers only; the field shows an error for one that is too large.
        if spec.vary(self.path, values).is_err() {
            let values = numbers.iter().map(|&number| number as f64);
            spec.axes.push(Axis::of(self.path, values));
        }
    }
}

/// Whether models are also trained from scratch.
fn from_scratch(spec: &StudySpec) -> bool {
    spec.values_of("finetune.start").contains(&"scratch".into())
}

fn set_from_scratch(spec: &mut StudySpec, on: bool) {
    let starts: &[&str] = if on { &["encoder", "scratch"] } else { &["encoder"] };
    // The setting takes both values.
    let _ = spec.vary("finetune.start", starts.iter().map(|&start| start.into()).collect());
}

/// The numbers to show: the suggestions and what is chosen, in order, each once.
fn shown(suggestions: &[u64], chosen: &[u64]) -> Vec<u64> {
    let mut all: Vec<u64> = suggestions.iter().chain(chosen).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The chosen numbers with one turned on or off, in order.
pub fn toggled<T: Copy + Ord>(mut chosen: Vec<T>, number: T) -> Vec<T> {
    if chosen.contains(&number) {
        chosen.retain(|&other| other != number);
    } else {
        chosen.push(number);
        chosen.sort_unstable();
    }
    chosen
}

/// What the chosen counts poison in total, of `images[c]` training images of class `c`: `0 or 90 poisoned copies beside 5,000 clean
/// images`.
fn poisoned_text(attack: &AttackSpec, images: &[u32], counts: &[u64]) -> String {
    let listed = |count: &dyn Fn(u32) -> u32| {
        let counts = counts.iter().map(|&each| u32::try_from(each).unwrap_or(u32::MAX));
        let texts: Vec<_> = counts.map(|each| format::count(u64::from(count(each)))).collect();
        match &texts[..] {
            [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => texts.concat(),
        }
    };
    let poisoned = listed(&|each| attack.poisoned_images(images, each));
    let covers = if attack.has_covers() {
        format!(" and {} cover samples", listed(&|each| attack.cover_images(images, each)))
    } else {
        String::new()
    };
    let all = format::count(images.iter().copied().map(u64::from).sum());
    if attack.replace {
        format!("{poisoned} poisoned images{covers} in place of as many of {all} clean images")
    } else {
        format!("{poisoned} poisoned copies{covers} beside {all} clean images")
    }
}

/// The panel.
#[component]
pub fn PoisonPanel(
    /// The imported checkpoints.
    imports: Signal<Vec<ImportedCheckpoint>>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let lists = LISTS.iter().map(|list| view! { <NumberList list/> }).collect_view();
    let finetunes = draft.part(|spec| spec.runs.contains(&RunKind::Finetune));
    let scratch = draft.part(from_scratch);
    let imported = draft.part(|spec| spec.settings.encoder.is_some());
    let asks = draft.part(|spec| spec.runs.contains(&RunKind::Knn));
    let judges = draft.part(|spec| spec.runs.contains(&RunKind::Defence));
    let make = move |kind: RunKind| {
        Callback::new(move |on: bool| {
            draft.edit(|spec| {
                spec.runs.retain(|&other| other != kind);
                if on {
                    spec.runs.push(kind);
                    spec.runs.sort_unstable();
                }
            });
        })
    };
    let (ask, judge) = (make(RunKind::Knn), make(RunKind::Defence));
    let start = Callback::new(move |on: bool| draft.edit(|spec| set_from_scratch(spec, on)));
    view! {
        <section class="panel" aria-labelledby="poison-title">
            <header class="panel-head">
                <h2 id="poison-title">"Poison"</h2>
            </header>
            <div class="panel-body stack">
                {lists}
                <ImplantFields/>
                <Show when=move || finetunes.get()>
                    <Toggle
                        path="finetune.start"
                        label="Also from scratch"
                        range=Signal::stored("default off".to_owned())
                        why="The same training without pre-training, for every FPR and seed: shows what pre-training contributes."
                        on=scratch.into()
                        set=start
                    />
                </Show>
                <Show when=move || !imported.get()>
                    <Toggle
                        path="runs"
                        label="Nearest neighbours"
                        range=Signal::stored("of every stored checkpoint".to_owned())
                        why="CA and ASR by nearest neighbours after each pre-training: shows what the encoder had learnt by each epoch."
                        on=asks.into()
                        set=ask
                    />
                </Show>
                <Show when=move || asks.get()>
                    <SettingField path="knn.poisons"/>
                </Show>
                <Toggle
                    path="runs.defence"
                    label="Defence"
                    range=Signal::stored("of every encoder".to_owned())
                    why="A published method that looks for the poisons, or for triggered images, without being told which they are."
                    on=judges.into()
                    set=judge
                />
                <Show when=move || judges.get()>
                    <DefenceFields imports/>
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
    let chosen = draft.part(move |spec| list.get(spec));
    let entry = RwSignal::new(String::new());
    let set_wrong = move |message: Option<&str>| {
        draft.set_unparsed(list.path, message.map(str::to_owned));
    };
    let toggle = move |number: u64| {
        draft.edit(|spec| {
            let numbers = toggled(list.get(spec), number);
            list.set(spec, &numbers);
        });
    };
    let add = move || {
        let text = entry.get_untracked();
        if text.trim().is_empty() {
            set_wrong(None);
            return;
        }
        match text.trim().parse::<u64>() {
            Ok(number) if chosen.with_untracked(|chosen| chosen.contains(&number)) => {
                entry.set(String::new());
            }
            Ok(number) => {
                toggle(number);
                entry.set(String::new());
                set_wrong(None);
            }
            Err(_) => set_wrong(Some("takes a whole number, 0 or more")),
        }
    };
    let error = draft.error_at(list.path);
    let id = list.path.replace('.', "-");
    let chips = move || {
        shown(list.suggestions, &chosen.get())
            .into_iter()
            .map(|number| {
                let on = Signal::derive(move || chosen.with(|chosen| chosen.contains(&number)));
                view! {
                    <ChipButton
                        label=number.to_string()
                        name=format!("{}: {number}", list.label)
                        on=on
                        toggle=Callback::new(move |()| toggle(number))
                    />
                }
            })
            .collect_view()
    };
    let counted = draft.part(|spec| spec.settings.attack.counts());
    let range = move || if list.path == "seed" { list.range } else { counted.get() };
    let poisoned = move || {
        draft.dataset.with(|dataset| {
            let dataset = dataset.as_ref()?;
            if list.path == "seed" || chosen.with(Vec::is_empty) {
                return None;
            }
            Some(draft.spec.with(|spec| {
                let images = spec.settings.dataset.train_images(&dataset.train_counts);
                chosen.with(|chosen| poisoned_text(&spec.settings.attack, &images, chosen))
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
                            set_wrong(None);
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
    use shared::{settings::PoisonUnit, study::presets};

    use super::*;

    #[test]
    fn chips_are_the_suggestions_and_the_choice() {
        assert_eq!(shown(&[0, 1, 10], &[7, 10]), [0, 1, 7, 10]);
        assert_eq!(toggled(vec![0, 10], 3), [0, 3, 10]);
        assert_eq!(toggled(vec![0, 10], 10), [0]);
    }

    #[test]
    fn poisons_are_counted_over_the_other_classes() {
        let mut attack = presets()[0].spec.settings.attack.clone();
        let text = |attack: &AttackSpec| poisoned_text(attack, &[500; 10], &[0, 10]);
        assert_eq!(text(&attack), "0 or 90 poisoned copies beside 5,000 clean images");
        (attack.replace, attack.poison_unit) = (true, PoisonUnit::SetPermille);
        assert_eq!(
            text(&attack),
            "0 or 50 poisoned images in place of as many of 5,000 clean images"
        );
    }

    #[test]
    fn a_list_is_a_value_an_axis_or_no_runs() {
        let mut spec = presets()[0].spec.clone();
        let [_, probe, finetune, seed] = &LISTS;
        probe.set(&mut spec, &[0, 3]);
        assert_eq!(probe.get(&spec), [0, 3]);
        probe.set(&mut spec, &[5]);
        assert_eq!((spec.settings.probe.poisons, probe.get(&spec)), (5, vec![5]));
        probe.set(&mut spec, &[]);
        assert!(!spec.runs.contains(&RunKind::Probe) && probe.get(&spec).is_empty());
        assert!(finetune.get(&spec).is_empty());
        finetune.set(&mut spec, &[0]);
        set_from_scratch(&mut spec, true);
        assert!(spec.runs.contains(&RunKind::Finetune) && from_scratch(&spec));
        set_from_scratch(&mut spec, false);
        assert!(!from_scratch(&spec));
        seed.set(&mut spec, &[]);
        assert!(spec.validate().iter().any(|error| error.field == "axes.seed"), "no seed is told");
    }
}
