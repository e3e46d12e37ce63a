//! What an evaluation runs on: the fields of the form, and the request made from them.

use leptos::{ev, prelude::*};
use shared::{
    StudySpec,
    api::{
        CheckpointInfo, ClassMatching, ClassifierSource, DatasetInfo, EvaluateRequest, StudyDetail,
    },
    metric::Target,
    study::FieldError,
    trigger::CATALOGUE,
};

use crate::components::{
    Fetched, Field,
    format::{class, message_at},
};

/// The choice of the next class for each class.
const ALL_TO_ALL: &str = "the next class (all-to-all)";

/// The choices; anything not chosen is as in the study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// Name of the data set.
    pub dataset: Option<String>,
    /// Index of the trigger in the catalogue.
    pub trigger: Option<usize>,
    /// The class, or all-to-all.
    pub target: Option<Target>,
    /// Images per class, as typed.
    pub per_class: String,
    /// Whether the classes are matched by their order instead of by name.
    pub in_order: bool,
}

/// The request for the choices, or what is wrong with them, found before the server is asked.
pub fn request(
    checkpoint: &CheckpointInfo,
    study: &StudySpec,
    choice: &Choice,
) -> Result<EvaluateRequest, FieldError> {
    let per_class = choice.per_class.trim();
    let test_per_class = match per_class.parse::<u32>() {
        Ok(number) if number > 0 => Some(number),
        _ if per_class.is_empty() => None,
        _ => return Err(FieldError::new("test_per_class", "takes a whole number, or nothing")),
    };
    let mut attack = study.settings.attack.main_backdoor();
    if let Some(entry) = choice.trigger.and_then(|place| CATALOGUE.get(place)) {
        attack.trigger =
            entry.spec(study.settings.model.image_size, study.settings.model.patch_size);
    }
    if let Some(target) = choice.target {
        attack.set_target(target);
    }
    attack.poisons = None;
    let (run, epoch) = (checkpoint.run, Some(checkpoint.epoch));
    Ok(EvaluateRequest {
        checkpoint: ClassifierSource::Run { run, epoch },
        dataset: choice.dataset.clone(),
        attack: Some(attack),
        test_per_class,
        classes: if choice.in_order { ClassMatching::Order } else { ClassMatching::Names },
    })
}

/// The fields.
#[component]
pub fn Choices(
    /// What is chosen.
    choice: RwSignal<Choice>,
    /// What is wrong with it.
    errors: RwSignal<Vec<FieldError>>,
    /// All data sets.
    datasets: Fetched<Vec<DatasetInfo>>,
    /// The checkpoint's study.
    study: StudyDetail,
) -> impl IntoView {
    let error = move |path: &'static str| {
        Signal::derive(move || errors.with(|errors| message_at(errors, path)))
    };
    let (own, of_study) = (study.spec.settings.dataset.name.clone(), study.classes);
    let attack = study.spec.settings.attack;
    let sets = move || {
        let named = datasets.value().unwrap_or_default().into_iter();
        named
            .map(|set| view! { <option value=set.name.clone()>{set.name.clone()}</option> })
            .collect_view()
    };
    let classes = Memo::new(move |_| {
        let named = choice.with(|choice| choice.dataset.clone());
        let all = datasets.value().unwrap_or_default();
        let chosen = named.and_then(|name| all.into_iter().find(|set| set.name == name));
        chosen.map_or_else(|| of_study.clone(), |set| set.classes)
    });
    let targets = move || {
        let names = classes.get();
        let known = (0..names.len()).map(|number| (number.to_string(), class(number, &names)));
        let all = (Target::ALL_TO_ALL.to_string(), ALL_TO_ALL.to_owned());
        known
            .chain([all])
            .map(|(value, name)| view! { <option value=value>{name}</option> })
            .collect_view()
    };
    let triggers = CATALOGUE
        .iter()
        .enumerate()
        .map(|(place, entry)| view! { <option value=place.to_string()>{entry.name}</option> })
        .collect_view();
    let target = match attack.target().class() {
        Some(class) => class.to_string(),
        None => ALL_TO_ALL.to_owned(),
    };
    let chosen = move |of: fn(&Choice) -> Option<String>| {
        Signal::derive(move || choice.with(|choice| of(choice).unwrap_or_default()))
    };
    view! {
        <Field path="dataset" label="Data set" why="Its validation images are used." error=error("dataset")
            control=move |id, about| view! {
                <Select id about own=own value=chosen(|choice| choice.dataset.clone()) options=sets choose=move |name: String| choice.update(|choice| {
                    choice.dataset = (!name.is_empty()).then_some(name);
                    choice.target = None;
                })/>
            }
        />
        <Field path="attack.trigger" label="Trigger" why="With its published parameters, scaled to the size of the images."
            error=error("attack.trigger.")
            control=move |id, about| view! {
                <Select id about own=attack.trigger.label() value=chosen(|choice| choice.trigger.map(|place| place.to_string())) options=triggers choose=move |place: String| choice.update(|choice| choice.trigger = place.parse().ok())/>
            }
        />
        <Field path="attack.target_class" label="Target class" why="The class that triggered images should be classified as."
            error=error("attack.target_class")
            control=move |id, about| view! {
                <Select id about own=target value=chosen(|choice| choice.target.map(|class| class.to_string())) options=targets choose=move |class: String| choice.update(|choice| choice.target = class.parse().ok())/>
            }
        />
        <Field path="classes" label="Classes" why="By order only where the classifier was trained with the data set's classes in this order."
            error=error("classes")
            control=move |id, about| view! {
                <span class="select">
                    <select
                        id=id
                        aria-describedby=about
                        on:change=move |event: ev::Event| choice.update(|choice| choice.in_order = event_target_value(&event) == "order")
                    >
                        <option value="names">"matched by name"</option>
                        <option value="order">"matched by order"</option>
                    </select>
                </span>
            }
        />
        <Field path="test_per_class" label="Images per class" why="The first ones by file name."
            error=error("test_per_class")
            control=move |id, about| view! {
                <input
                    type="text"
                    inputmode="numeric"
                    id=id
                    aria-describedby=about
                    placeholder="as in the study, or all"
                    autocomplete="off"
                    prop:value=move || choice.with(|choice| choice.per_class.clone())
                    on:input=move |event: ev::Event| {
                        let text = event_target_value(&event);
                        choice.update(|choice| choice.per_class = text);
                    }
                />
            }
        />
    }
}

/// A drop-down whose first option is the study's value. It shows `value`, which another field may reset.
#[component]
fn Select<O: IntoView + 'static>(
    id: String,
    about: String,
    own: String,
    value: Signal<String>,
    options: O,
    choose: impl Fn(String) + 'static,
) -> impl IntoView {
    view! {
        <span class="select">
            <select
                id=id
                aria-describedby=about
                prop:value=move || value.get()
                on:change=move |event: ev::Event| choose(event_target_value(&event))
            >
                <option value="">{format!("as in the study ({own})")}</option>
                {options}
            </select>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{
        RunId, RunKind, RunState, StudyId, run::RunPoint, settings::BackdoorSpec, study::presets,
    };

    use super::*;

    #[test]
    fn what_is_not_chosen_is_the_study_s() {
        let checkpoint = CheckpointInfo {
            run: RunId::from_parts(9, [1; 10]),
            study: StudyId::from_parts(1, [0; 10]),
            study_name: "a".into(),
            point: RunPoint {
                kind: RunKind::Finetune,
                ppr: 0,
                lpr: 3,
                seed: 1,
                scratch: false,
                implanted: false,
                repairs: false,
            },
            varied: BTreeMap::new(),
            state: RunState::Done,
            file: "checkpoint-0020.safetensors".into(),
            epoch: 20,
            bytes: 1,
            created_at: 0,
        };
        let study = presets().remove(0).spec;
        let ask = |choice: &Choice| request(&checkpoint, &study, choice);
        let plain = ask(&Choice::default()).expect("a request");
        assert_eq!(
            plain.checkpoint,
            ClassifierSource::Run { run: checkpoint.run, epoch: Some(20) }
        );
        assert_eq!((plain.dataset, plain.test_per_class), (None, None));
        assert_eq!(plain.attack.as_ref(), Some(&study.settings.attack));
        let mut several = study.clone();
        several.settings.attack.further =
            vec![BackdoorSpec { target_class: 1, trigger: CATALOGUE[1].spec(32, 4) }];
        let of_several = request(&checkpoint, &several, &Choice::default()).expect("a request");
        assert_eq!(of_several.attack, plain.attack, "the main backdoor");
        let place = CATALOGUE.iter().position(|entry| entry.id == "sig");
        let (target, per_class) = (Some(Target::Class(4)), " 10 ".to_owned());
        let in_order = true;
        let dataset = Some("b".into());
        let other = ask(&Choice { dataset, trigger: place, target, per_class, in_order });
        let other = other.expect("a request");
        assert_eq!((other.dataset.as_deref(), other.test_per_class), (Some("b"), Some(10)));
        assert_eq!((plain.classes, other.classes), (ClassMatching::Names, ClassMatching::Order));
        let attack = other.attack.expect("an attack");
        assert_eq!((attack.trigger.kind(), attack.target_class), ("sig", 4));
        let all = ask(&Choice { target: "all_to_all".parse().ok(), ..Choice::default() });
        let attack = all.expect("a request").attack.expect("an attack");
        assert_eq!(attack.target(), Target::ALL_TO_ALL);
        let wrong = ask(&Choice { per_class: "0".into(), ..Choice::default() });
        assert_eq!(wrong.expect_err("no request").field, "test_per_class");
    }
}
