//! A number of the specification: its description, and the control that edits it.

use leptos::{ev, prelude::*};
use shared::StudySpec;

use super::draft::Draft;
use crate::components::{Field, format};

/// A number of the specification.
pub struct Number {
    /// Path of the field.
    pub path: &'static str,
    /// What it is.
    pub label: &'static str,
    /// Its unit; may be empty.
    pub unit: &'static str,
    /// Smallest sound value.
    pub low: f64,
    /// Largest sound value.
    pub high: f64,
    /// What an arrow key adds.
    pub step: f64,
    /// Whether it is a whole number.
    pub whole: bool,
    /// Why it matters, in one line.
    pub why: &'static str,
    /// Reads it.
    pub get: fn(&StudySpec) -> f64,
    /// Writes it.
    pub set: fn(&mut StudySpec, f64),
}

/// A number as a person writes it: without an exponent, with as few digits as tell it.
pub fn written(value: f64) -> String {
    format!("{value}")
}

/// A single-precision number as a person wrote it, not with the digits that double precision adds.
pub fn widened(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Reads what was typed.
fn parse(text: &str, whole: bool) -> Result<f64, String> {
    let value: f64 =
        text.trim().replace(',', ".").parse().map_err(|_| "takes a number".to_owned())?;
    if !value.is_finite() {
        Err("takes a number".into())
    } else if whole && (value.fract() != 0.0 || !(0.0..=f64::from(u32::MAX)).contains(&value)) {
        Err("takes a whole number from 0".into())
    } else {
        Ok(value)
    }
}

/// A whole number with commas, another one as it is.
fn grouped(value: f64) -> String {
    if value.fract() == 0.0 && value >= 1000.0 {
        format::count(value as u64)
    } else {
        written(value)
    }
}

/// Unit and range: `px, 1–32`; with a default: `1–10,000, default 60`. The lower end of a fraction that must only be
/// positive, and an upper end just under 1, are told in words.
fn range(number: &Number, high: f64, default: Option<f64>) -> String {
    let mut parts = Vec::new();
    if !number.unit.is_empty() {
        parts.push(number.unit.to_owned());
    }
    if !number.whole && number.low > 0.0 && number.low <= number.step {
        let end = if high < 1.0 { "below 1".into() } else { format!("up to {}", grouped(high)) };
        parts.push(format!("above 0, {end}"));
    } else {
        parts.push(format!("{}–{}", grouped(number.low), grouped(high)));
    }
    parts.extend(default.map(|default| format!("default {}", grouped(default))));
    parts.join(", ")
}

/// The control of a number: a text field, with a slider beside it where asked.
#[component]
pub fn NumberField(
    /// The number.
    number: &'static Number,
    /// Largest sound value where another field sets it.
    #[prop(into, optional)]
    high: Option<Signal<f64>>,
    /// Whether a slider stands beside the field.
    #[prop(optional)]
    slider: bool,
    /// Puts right what a slider's step upset, such as a patch that now ends outside the image. What is typed stays as it
    /// is, with its error.
    #[prop(optional)]
    settle: Option<fn(&mut StudySpec)>,
    /// Default, where one is to be told.
    #[prop(optional_no_strip)]
    default: Option<f64>,
) -> impl IntoView {
    let draft = expect_context::<Draft>();
    let value = draft.part(move |spec| (number.get)(spec));
    let text = RwSignal::new(written(value.get_untracked()));
    let high = move || high.map_or(number.high, |high| high.get());

    // The field follows changes from elsewhere, but keeps what is being typed while it means the same.
    Effect::new(move |_| {
        let value = value.get();
        if parse(&text.get_untracked(), number.whole) != Ok(value) {
            text.set(written(value));
            draft.set_unparsed(number.path, None);
        }
    });
    let typed = move |event: ev::Event| {
        let entry = event_target_value(&event);
        let parsed = parse(&entry, number.whole);
        text.set(entry);
        draft.set_unparsed(number.path, parsed.as_ref().err().cloned());
        if let Ok(value) = parsed {
            draft.edit(|spec| (number.set)(spec, value));
        }
    };
    let slid = move |event: ev::Event| {
        if let Ok(value) = event_target_value(&event).parse() {
            draft.edit(|spec| {
                (number.set)(spec, value);
                if let Some(settle) = settle {
                    settle(spec);
                }
            });
        }
    };
    let error = draft.error_at(number.path);
    let wrong = move || error.with(Option::is_some).to_string();
    view! {
        <Field
            path=number.path
            label=number.label
            range=Signal::derive(move || range(number, high(), default))
            why=number.why
            error=error
            control=move |id, about| {
                // A field of type number hides "1." from the page while a person types 1.5.
                let field = view! {
                    <input
                        type=if number.whole { "number" } else { "text" }
                        class="number-input"
                        id=id
                        aria-describedby=about
                        aria-invalid=wrong
                        min=number.whole.then_some(number.low)
                        max=move || number.whole.then(high)
                        step=number.whole.then_some(number.step)
                        inputmode=if number.whole { "numeric" } else { "decimal" }
                        prop:value=move || text.get()
                        on:input=typed
                    />
                };
                if slider {
                    view! {
                        <div class="slider">
                            <input
                                type="range"
                                id=format!("{}-slider", number.path.replace('.', "-"))
                                aria-label=format!("{}, slider", number.label)
                                min=number.low
                                max=high
                                step=number.step
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_numbers() {
        assert_eq!(parse(" 12 ", true), Ok(12.0));
        assert_eq!(parse("0,4", false), Ok(0.4));
        assert_eq!(parse("1.5e-3", false), Ok(0.0015));
        assert_eq!(parse("1.5", true), Err("takes a whole number from 0".into()));
        assert_eq!(parse("-1", true), Err("takes a whole number from 0".into()));
        assert_eq!(parse("", true), Err("takes a number".into()));
        assert_eq!(parse("inf", false), Err("takes a number".into()));
    }

    #[test]
    fn single_precision_keeps_its_face() {
        assert_eq!(written(widened(0.4)), "0.4");
        assert_eq!(written(1.5e-3), "0.0015");
        assert_eq!(written(60.0), "60");
    }

    #[test]
    fn ranges_name_unit_and_default() {
        let number = Number {
            path: "a",
            label: "A",
            unit: "px",
            low: 1.0,
            high: 9.0,
            step: 1.0,
            whole: true,
            why: "",
            get: |_| 0.0,
            set: |_, _| {},
        };
        assert_eq!(range(&number, 32.0, None), "px, 1–32");
        assert_eq!(range(&number, 10_000.0, Some(4.0)), "px, 1–10,000, default 4");
        let share = Number { unit: "", low: 0.01, whole: false, ..number };
        assert_eq!(range(&share, 0.99, Some(0.75)), "above 0, below 1, default 0.75");
        assert_eq!(range(&share, 1.0, None), "above 0, up to 1");
    }
}
