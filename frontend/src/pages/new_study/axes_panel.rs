//! Varied settings: any setting takes several values, and every combination is run.

use leptos::{ev, html::Select, prelude::*};
use shared::{
    Settings, StudySpec,
    param::{self, Domain, SETTINGS, Setting, Value},
    study::Axis,
};

use super::draft::Draft;
use crate::{
    components::{FieldMessage, Glyph, Icon, format::message_at},
    run_name::label,
};

/// Settings whose values other panels list.
const ELSEWHERE: [&str; 5] =
    ["pretrain.poisons", "probe.poisons", "finetune.poisons", "finetune.start", "seed"];

/// The axes that this panel shows, by their names.
fn names(spec: &StudySpec) -> Vec<String> {
    let here =
        |axis: &&Axis| !(axis.paths.len() == 1 && ELSEWHERE.contains(&axis.paths[0].as_str()));
    spec.axes.iter().filter(here).map(Axis::name).collect()
}

/// The settings that could be varied but are not yet: those that take numbers, a name from a list, or on and off.
fn candidates(spec: &StudySpec) -> Vec<&'static Setting> {
    let taken =
        |path: &str| spec.axes.iter().any(|axis| axis.paths.iter().any(|other| other == path));
    SETTINGS
        .iter()
        .filter(|setting| setting.is_in(&spec.settings) && !ELSEWHERE.contains(&setting.path))
        .filter(|setting| {
            !matches!(setting.domain, Domain::Structure | Domain::Name { .. } | Domain::Device)
        })
        .filter(|setting| !taken(setting.path))
        .collect()
}

/// The part of a study that a path belongs to.
fn part(path: &str) -> &'static str {
    match path.split('.').next().unwrap_or_default() {
        "attack" => "Attack",
        "model" => "Model",
        "pretrain" => "Pre-training",
        "knn" => "Nearest neighbours",
        "probe" => "Linear probe",
        "finetune" => "Fine-tuning",
        _ => "Study",
    }
}

/// The values of an axis as a line of text.
fn text(spec: &StudySpec, name: &str) -> String {
    let axis = spec.axes.iter().find(|axis| axis.name() == name);
    axis.map_or_else(String::new, |axis| {
        let text = axis.to_string();
        text.split_once('=').map(|(_, values)| values.replace(',', ", ")).unwrap_or_default()
    })
}

/// Reads the values of an axis.
fn parse(name: &str, values: &str, settings: &Settings) -> Result<Axis, String> {
    let values: Vec<&str> =
        values.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
    if values.is_empty() {
        return Err("takes at least one value; separate several with commas".into());
    }
    Axis::parse(&format!("{name}={}", values.join(",")), settings).map_err(|error| {
        let apart = if holds_several(&values) { "; separate several with commas" } else { "" };
        format!("{}{apart}", error.message)
    })
}

/// Whether a value looks like several, between semicolons or spaces.
fn holds_several(values: &[&str]) -> bool {
    values.iter().any(|value| value.contains([';', ' ']))
}

/// What an axis of this setting takes, as text.
fn takes(name: &str, settings: &Settings) -> String {
    match param::find(name, settings) {
        Some(setting) if setting.unit.is_empty() => setting.domain.takes(),
        Some(setting) => format!("{} {}", setting.domain.takes(), setting.unit),
        None => "one value of each, separated by colons".into(),
    }
}

/// The values that a new axis starts with: all of them where there are few, otherwise the current one.
fn beginning(setting: &Setting, settings: &Settings) -> Vec<Value> {
    match setting.domain {
        Domain::Switch => vec![false.into(), true.into()],
        Domain::Choice(choices) if choices.len() <= 3 => {
            choices.iter().map(|choice| choice.name.into()).collect()
        }
        _ => param::get(settings, setting.path).into_iter().collect(),
    }
}

/// Identifier of the field of an axis.
pub fn axis_id(name: &str) -> String {
    format!("axis-{}", name.replace(['.', ' ', '&'], "-"))
}

/// The panel.
#[component]
pub fn AxesPanel() -> impl IntoView {
    let draft = expect_context::<Draft>();
    let shown = draft.part(names);
    let free = Memo::new(move |_| {
        draft
            .spec
            .with(|spec| candidates(spec).iter().map(|setting| setting.path).collect::<Vec<_>>())
    });
    let select = NodeRef::<Select>::new();
    // The setting that was chosen leaves the list, and a browser then shows the one in its place as chosen.
    Effect::new(move |_| {
        free.track();
        request_animation_frame(move || {
            if let Some(select) = select.get_untracked() {
                select.set_value("");
            }
        });
    });
    let add = move |event: ev::Event| {
        let path = event_target_value(&event);
        draft.edit(|spec| {
            if let Some(setting) = param::find(&path, &spec.settings) {
                let values = beginning(setting, &spec.settings);
                spec.axes.push(Axis::of(setting.path, values));
            }
        });
    };
    let options = move || {
        let free = free.get();
        let mut parts: Vec<&'static str> = Vec::new();
        for path in &free {
            if !parts.contains(&part(path)) {
                parts.push(part(path));
            }
        }
        parts
            .into_iter()
            .map(|group| {
                let of = free.iter().filter(|path| part(path) == group);
                let options = of
                    .map(|path| view! { <option value=*path>{label(path)}</option> })
                    .collect_view();
                view! { <optgroup label=group>{options}</optgroup> }
            })
            .collect_view()
    };
    view! {
        <section class="panel" aria-labelledby="axes-title">
            <header class="panel-head">
                <h2 id="axes-title">"Varied settings"</h2>
                <span class="muted small">"every combination is run"</span>
            </header>
            <div class="panel-body stack">
                <For each=move || shown.get() key=String::clone let:name>
                    <AxisField name/>
                </For>
                <div class="field">
                    <div class="field-head">
                        <label for="axis-add">"Vary another setting"</label>
                    </div>
                    <span class="select">
                        <select id="axis-add" node_ref=select on:change=add prop:value="">
                            <option value="" selected=true>"choose one"</option>
                            {options}
                        </select>
                    </span>
                    <span class="field-why">
                        "Runs that do not depend on a varied setting are shared by all of its values. Poison counts and seeds are under Poison."
                    </span>
                </div>
            </div>
        </section>
    }
}

/// One axis: its values as text, and a button that removes it.
#[component]
fn AxisField(
    /// Its name: a path, or several joined by ampersands.
    name: String,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let (of, title) = (name.clone(), label(&name));
    let values = draft.part(move |spec| text(spec, &of));
    let entry = RwSignal::new(values.get_untracked());
    let path = StoredValue::new(format!("axes.{name}"));
    let set_wrong = move |message: Option<String>| {
        path.with_value(|path| draft.set_unparsed(path, message));
    };
    // Also when another preset or trigger removes the axis: its text can no longer be corrected.
    on_cleanup(move || set_wrong(None));
    let of = name.clone();
    let parsed =
        move |typed: &str| draft.spec.with_untracked(|spec| parse(&of, typed, &spec.settings));
    let read = parsed.clone();
    // The field follows changes from elsewhere, but keeps what is being typed while it means the same.
    Effect::new(move |_| {
        let values = values.get();
        let known = |axis: &Axis| draft.spec.with_untracked(|spec| spec.axes.contains(axis));
        if !read(&entry.get_untracked()).is_ok_and(|axis| known(&axis)) {
            entry.set(values);
            set_wrong(None);
        }
    });
    let of = name.clone();
    let typed = move |event: ev::Event| {
        let typed = event_target_value(&event);
        let axis = parsed(&typed);
        entry.set(typed);
        set_wrong(axis.as_ref().err().cloned());
        if let Ok(axis) = axis {
            draft.edit(|spec| {
                if let Some(known) = spec.axes.iter_mut().find(|known| known.name() == of) {
                    *known = axis;
                }
            });
        }
    };
    let of = name.clone();
    let remove = move |_| {
        draft.edit(|spec| {
            // The first value is kept.
            let first = spec.axes.iter().find(|axis| axis.name() == of);
            let first =
                first.and_then(|axis| Some((axis.paths.clone(), axis.values.first()?.clone())));
            spec.axes.retain(|axis| axis.name() != of);
            for (path, value) in
                first.into_iter().flat_map(|(paths, step)| paths.into_iter().zip(step))
            {
                // It was a value of the axis and was validated with the study.
                let _ = param::set(&mut spec.settings, &path, &value);
            }
        });
    };
    let own = name.clone();
    let error = Signal::derive(move || {
        draft.errors.with(|errors| {
            path.with_value(|path| message_at(errors, path).or_else(|| message_at(errors, &own)))
        })
    });
    let of = name.clone();
    let takes = draft.part(move |spec| takes(&of, &spec.settings));
    let id = axis_id(&name);
    view! {
        <div class="field" class:field-wrong=move || error.with(Option::is_some) data-field=name.clone()>
            <div class="field-head">
                <label for=id.clone()>{title.clone()}</label>
                <span class="field-range">{takes}</span>
            </div>
            <div class="axis">
                <input
                    type="text"
                    id=id.clone()
                    aria-describedby=format!("{id}-error")
                    autocomplete="off"
                    placeholder="0.2, 0.3, 0.4"
                    prop:value=move || entry.get()
                    on:input=typed
                />
                <button type="button" class="button" aria-label=format!("Do not vary {title}") on:click=remove>
                    <Icon glyph=Glyph::Close/>
                </button>
            </div>
            <FieldMessage id=format!("{id}-error") message=error/>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn an_axis_is_a_line_of_text() {
        let mut spec = presets()[0].spec.clone();
        assert_eq!(names(&spec), [""; 0]);
        let axis = parse("attack.trigger.ratio", " 0.2,0.3, ", &spec.settings).expect("values");
        spec.axes.push(axis);
        assert_eq!(names(&spec), ["attack.trigger.ratio"]);
        assert_eq!(text(&spec, "attack.trigger.ratio"), "0.2, 0.3");
        let refused = parse("attack.trigger.ratio", "2", &spec.settings);
        assert_eq!(refused.expect_err("too much"), "takes a number above 0 and at most 1, not 2");
        let apart = parse("attack.trigger.ratio", "0.2; 0.4", &spec.settings);
        assert!(apart.expect_err("no commas").ends_with("; separate several with commas"));
        assert!(parse("probe.epochs", " ", &spec.settings).is_err());
    }

    #[test]
    fn what_can_be_varied_is_there_and_free() {
        let mut spec = presets()[0].spec.clone();
        let free = |spec: &StudySpec, path: &str| candidates(spec).iter().any(|it| it.path == path);
        assert!(free(&spec, "attack.trigger.ratio") && free(&spec, "attack.trigger.kind"));
        assert!(!free(&spec, "attack.trigger.levels"), "of another trigger");
        assert!(!free(&spec, "seed") && !free(&spec, "dataset.name"));
        spec.axes.push(Axis::of("attack.trigger.ratio", [0.2, 0.3]));
        assert!(!free(&spec, "attack.trigger.ratio"));
    }
}
