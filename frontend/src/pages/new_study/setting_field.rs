//! The control of a setting of any type. Label, unit, range, default and explanation come from the table of settings.

use leptos::{ev, prelude::*};
use shared::{
    Settings, StudySpec,
    param::{self, ALL, Choice, Domain, Setting, Value},
};

use super::draft::Draft;
use crate::{
    components::{Field, FieldMessage, Segmented, format},
    run_name::value,
};

/// A number as a person writes it: without an exponent or superfluous digits.
pub fn written(value: f64) -> String {
    format!("{value}")
}

/// Reads what was typed.
fn parse(text: &str, whole: bool) -> Result<f64, String> {
    let value: f64 =
        text.trim().replace(',', ".").parse().map_err(|_| "takes a number".to_owned())?;
    if !value.is_finite() {
        Err("takes a number".into())
    } else if whole && (value.fract() != 0.0 || value < 0.0) {
        Err("takes a whole number, 0 or more".into())
    } else {
        Ok(value)
    }
}

/// Reads a limit; an empty text stands for all images.
fn parse_limit(text: &str) -> Result<Value, String> {
    match text.trim() {
        "" => Ok(ALL.into()),
        text => text
            .parse::<u32>()
            .map(Value::from)
            .map_err(|_| "takes a whole number, or nothing for all images".into()),
    }
}

/// Unit and range: `px, 1–32`; with a default: `1–10,000, default 60`. An excluded end is spelled out.
fn range(setting: &Setting, unit: &str, high: f64, default: Option<&Value>) -> String {
    let mut parts = Vec::new();
    if !unit.is_empty() {
        parts.push(unit.to_owned());
    }
    match setting.domain {
        Domain::Real { low, above, below, step, .. } if above || (low > 0.0 && low <= step) => {
            let end = if below { "below" } else { "up to" };
            parts.push(format!("above 0, {end} {}", format::number(high)));
        }
        Domain::Whole { low, .. } => {
            parts.push(format!("{}–{}", format::number(low as f64), format::number(high)));
        }
        Domain::Real { low, .. } => {
            parts.push(format!("{}–{}", format::number(low), format::number(high)));
        }
        _ => {}
    }
    parts.extend(default.map(|default| format!("default {}", value(setting.path, default))));
    parts.join(", ")
}

/// The control of the setting at a path; nothing if the settings do not have it.
#[component]
pub fn SettingField(
    /// Its path.
    path: &'static str,
    /// Largest valid value, if another field determines it.
    #[prop(into, optional)]
    high: Option<Signal<f64>>,
    /// Whether there is a slider beside the field.
    #[prop(optional)]
    slider: bool,
    /// Corrects what a slider's step invalidated, such as a patch that now ends outside the image. Typed text stays as it
    /// is, with its error.
    #[prop(optional)]
    settle: Option<fn(&mut StudySpec)>,
    /// Whether the default is shown.
    #[prop(optional)]
    defaulted: bool,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let Some(setting) = draft.spec.with_untracked(|spec| param::find(path, &spec.settings)) else {
        return ().into_any();
    };
    let default = defaulted.then(|| param::get(&Settings::default(), path)).flatten();
    let highest = setting.domain.range().map_or(0.0, |(_, high)| high);
    let high = Signal::derive(move || high.map_or(highest, |high| high.get()));
    let varied = draft.part(move |spec| {
        let values = spec.axes.iter().any(|axis| axis.paths.iter().any(|other| other == path));
        values.then(|| spec.values_of(path))
    });
    // What a number of poisons counts is a setting of the attack.
    let poisons = path.ends_with(".poisons");
    let unit =
        draft.part(move |spec| if poisons { spec.settings.attack.counts() } else { setting.unit });
    let told = Signal::derive(move || match varied.get() {
        Some(values) => {
            let values: Vec<_> = values.iter().map(|its| value(path, its)).collect();
            format!("varied: {}", values.join(", "))
        }
        None => range(setting, unit.get(), high.get(), default.as_ref()),
    });
    match setting.domain {
        Domain::Whole { .. } | Domain::Real { .. } => {
            view! { <NumberField setting told high slider settle/> }.into_any()
        }
        Domain::Limit => view! { <LimitField setting told/> }.into_any(),
        Domain::Switch => view! { <SwitchField setting told/> }.into_any(),
        Domain::Choice(choices) => view! { <ChoiceField setting told choices/> }.into_any(),
        Domain::Name { .. } | Domain::Device | Domain::Structure => ().into_any(),
    }
}

/// A text field for a number, with a slider beside it if requested.
#[component]
fn NumberField(
    setting: &'static Setting,
    told: Signal<String>,
    high: Signal<f64>,
    slider: bool,
    settle: Option<fn(&mut StudySpec)>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let path = setting.path;
    let whole = matches!(setting.domain, Domain::Whole { .. });
    let (low, step) = match setting.domain {
        Domain::Whole { low, .. } => (low as f64, 1.0),
        Domain::Real { low, above, step, .. } => (if above { step } else { low }, step),
        _ => (0.0, 1.0),
    };
    let value =
        Memo::new(move |_| draft.value(path).and_then(|value| value.number()).unwrap_or(0.0));
    let text = RwSignal::new(written(value.get_untracked()));

    // The field follows changes from elsewhere, but keeps what is being typed while it means the same.
    Effect::new(move |_| {
        let value = value.get();
        if parse(&text.get_untracked(), whole) != Ok(value) {
            text.set(written(value));
            draft.set_unparsed(path, None);
        }
    });
    let typed = move |event: ev::Event| {
        let entry = event_target_value(&event);
        let parsed = parse(&entry, whole);
        text.set(entry);
        match parsed.and_then(|value| draft.set(path, &value.into(), None)) {
            Ok(()) => draft.set_unparsed(path, None),
            Err(message) => draft.set_unparsed(path, Some(message)),
        }
    };
    let slid = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).parse::<f64>() {
            // A slider offers only values that the setting takes.
            let _ = draft.set(path, &value.into(), settle);
        }
    };
    let error = draft.error_at(path);
    let wrong = move || error.with(Option::is_some).to_string();
    view! {
        <Field
            path=path
            label=setting.label
            range=told
            why=setting.why
            error=error
            control=move |id, about| {
                // A field of type number hides "1." from the page while a person types 1.5.
                let field = view! {
                    <input
                        type=if whole { "number" } else { "text" }
                        class="number-input"
                        id=id
                        aria-describedby=about
                        aria-invalid=wrong
                        min=whole.then_some(low)
                        max=move || whole.then(|| high.get())
                        step=whole.then_some(step)
                        inputmode=if whole { "numeric" } else { "decimal" }
                        prop:value=move || text.get()
                        on:input=typed
                    />
                };
                if slider {
                    view! {
                        <div class="slider">
                            <input
                                type="range"
                                id=format!("{}-slider", path.replace('.', "-"))
                                aria-label=format!("{}, slider", setting.label)
                                min=low
                                max=move || high.get()
                                step=step
                                prop:value=move || written(value.get())
                                on:input=slid
                            />
                            {field}
                        </div>
                    }
                        .into_any()
                } else {
                    field.into_any()
                }
            }
        />
    }
}

/// How many images of each class to take.
#[component]
fn LimitField(setting: &'static Setting, told: Signal<String>) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let path = setting.path;
    let value = Memo::new(move |_| draft.value(path));
    let written = |value: Option<Value>| match value.and_then(|value| value.number()) {
        Some(limit) => written(limit),
        None => String::new(),
    };
    let text = RwSignal::new(written(value.get_untracked()));
    Effect::new(move |_| {
        let value = value.get();
        if parse_limit(&text.get_untracked()).ok() != value {
            text.set(written(value));
            draft.set_unparsed(path, None);
        }
    });
    let typed = move |event: ev::Event| {
        let entry = event_target_value(&event);
        let parsed = parse_limit(&entry).and_then(|limit| draft.set(path, &limit, None));
        text.set(entry);
        draft.set_unparsed(path, parsed.err());
    };
    view! {
        <Field
            path
            label=setting.label
            range=told
            error=draft.error_at(path)
            control=move |id, about| {
                view! {
                    <input
                        type="text"
                        inputmode="numeric"
                        id=id
                        aria-describedby=about
                        placeholder="all"
                        prop:value=move || text.get()
                        on:input=typed
                    />
                }
            }
        />
    }
}

/// On or off.
#[component]
fn SwitchField(setting: &'static Setting, told: Signal<String>) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let path = setting.path;
    let on = Signal::derive(move || draft.value(path) == Some(Value::Switch(true)));
    let set = Callback::new(move |on: bool| drop(draft.set(path, &on.into(), None)));
    view! {
        <Toggle path label=setting.label range=told why=setting.why on set/>
    }
}

/// A check box with its label and explanation.
#[component]
pub fn Toggle(
    /// Path of the field.
    path: &'static str,
    /// Its label.
    label: &'static str,
    /// Text beside the label.
    range: Signal<String>,
    /// Why it matters.
    why: &'static str,
    /// Whether it is on.
    on: Signal<bool>,
    /// Turns it on or off.
    set: Callback<bool>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    view! {
        <Field
            path
            label
            range
            why
            error=draft.error_at(path)
            control=move |id, about| {
                view! {
                    <span class="switch">
                        <input
                            type="checkbox"
                            id=id
                            aria-describedby=about
                            prop:checked=move || on.get()
                            on:change=move |event: ev::Event| set.run(event_target_checked(&event))
                        />
                        <span aria-hidden="true">{move || if on.get() { "on" } else { "off" }}</span>
                    </span>
                }
            }
        />
    }
}

/// One of a few names.
#[component]
fn ChoiceField(
    setting: &'static Setting,
    told: Signal<String>,
    choices: &'static [Choice],
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let path = setting.path;
    let value = Signal::derive(move || match draft.value(path) {
        Some(Value::Text(text)) => {
            choices.iter().find(|choice| choice.name == text).map(|it| it.name)
        }
        _ => None,
    });
    let choose = Callback::new(move |name: &'static str| drop(draft.set(path, &name.into(), None)));
    let error = draft.error_at(path);
    // Two kinds of runs have fields with the same name.
    let whose = path.split('.').next().unwrap_or_default();
    view! {
        <div class="field" class:field-wrong=move || error.with(Option::is_some) data-field=path>
            <div class="field-head">
                <span class="field-label">{setting.label}</span>
                <span class="field-range">{move || told.get()}</span>
            </div>
            <Segmented
                label=format!("{}, {whose}", setting.label)
                choices=choices.iter().map(|choice| (choice.name, choice.title.to_owned())).collect()
                value
                choose
            />
            <FieldMessage id=format!("{}-error", path.replace('.', "-")) message=error/>
            <span class="field-why">{setting.why}</span>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_numbers() {
        assert_eq!(parse(" 12 ", true), Ok(12.0));
        assert_eq!(parse("0,4", false), Ok(0.4));
        assert_eq!(parse("1.5e-3", false), Ok(0.0015));
        assert_eq!(parse("1.5", true), Err("takes a whole number, 0 or more".into()));
        assert_eq!(parse("-1", true), Err("takes a whole number, 0 or more".into()));
        assert_eq!(parse("", true), Err("takes a number".into()));
        assert_eq!(parse("inf", false), Err("takes a number".into()));
    }

    #[test]
    fn a_limit_may_be_left_out() {
        assert_eq!([parse_limit(""), parse_limit(" 500 ")], [Ok(ALL.into()), Ok(500u32.into())]);
        assert!(parse_limit("-1").is_err() && parse_limit("x").is_err());
    }

    #[test]
    fn ranges_name_unit_and_default() {
        let told = |path: &str, default: bool| {
            let settings = Settings::default();
            let setting = param::find(path, &settings).expect("a setting");
            let high = setting.domain.range().map_or(0.0, |(_, high)| high);
            let default = default.then(|| param::get(&settings, path)).flatten();
            range(setting, setting.unit, high, default.as_ref())
        };
        assert_eq!(told("model.patch_size", false), "px, 1–256");
        assert_eq!(told("pretrain.epochs", true), "1–10,000, default 60");
        assert_eq!(told("pretrain.mask_ratio", true), "share, above 0, below 1, default 0.75");
        assert_eq!(told("attack.trigger.ratio", false), "share, above 0, up to 1");
        assert_eq!(told("pretrain.base_lr", false), "per 256 images, above 0, up to 100");
        assert_eq!(told("probe.optimizer", true), "default LARS");
        assert_eq!(told("pretrain.flip", true), "default on");
    }
}
