//! A condition put together from lists, for who does not want to write it.

use leptos::{ev, prelude::*};
use shared::api::{ColumnKind, ResultColumn};

use super::Explorer;
use crate::components::{Glyph, Icon};

/// The comparisons of numbers, as written and as spoken.
const NUMBERS: [(&str, &str); 6] = [
    ("==", "is"),
    ("!=", "is not"),
    (">=", "is at least"),
    ("<=", "is at most"),
    (">", "is above"),
    ("<", "is below"),
];

/// The comparisons that a column takes.
fn comparisons(column: &ResultColumn) -> &'static [(&'static str, &'static str)] {
    if column.number { &NUMBERS } else { &NUMBERS[..2] }
}

/// The condition, if the value can be one of the column's.
fn condition(column: &ResultColumn, comparison: &str, value: &str) -> Option<String> {
    let value = value.trim();
    if column.number {
        value.parse::<f64>().ok().filter(|number| number.is_finite())?;
    } else if value.is_empty() {
        return None;
    }
    let known = comparisons(column).iter().any(|(sign, _)| *sign == comparison);
    known.then(|| format!("{} {comparison} {value}", column.name))
}

/// Where the choice of a column begins.
fn first(columns: &[ResultColumn]) -> Option<&ResultColumn> {
    let telling = |column: &&ResultColumn| column.kind == ColumnKind::Run && column.distinct > 1;
    columns.iter().find(telling).or_else(|| columns.first())
}

/// The button, and the small form that it opens.
#[component]
pub fn Condition(explorer: Explorer) -> impl IntoView {
    let open = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    let comparison = RwSignal::new("==".to_owned());
    let value = RwSignal::new(String::new());
    let column = Memo::new(move |_| {
        explorer.all.with(|all| {
            all.iter()
                .find(|column| name.with(|name| column.name == *name))
                .or_else(|| first(all))
                .cloned()
        })
    });
    // What was chosen for one column means nothing to another.
    Effect::new(move |_| {
        if let Some(column) = column.get() {
            comparison
                .set(if column.number && column.values.is_empty() { ">=" } else { "==" }.into());
            value.set(column.values.first().cloned().unwrap_or_default());
        }
    });
    let made = Memo::new(move |_| {
        column.with(|column| condition(column.as_ref()?, &comparison.get(), &value.get()))
    });
    let add = move || {
        if let Some(made) = made.get_untracked() {
            open.set(false);
            explorer.change(|view| view.narrow(&made));
        }
    };
    let signs = move || {
        column.with(|column| {
            let column = column.as_ref()?;
            let signs = comparisons(column).iter().map(|(sign, text)| {
                let here = comparison.with(|now| now == sign);
                view! { <option value=*sign selected=here>{*text}</option> }
            });
            Some(signs.collect_view())
        })
    };
    view! {
        <div class="condition">
            <button
                type="button"
                class="button button-small"
                aria-expanded=move || if open.get() { "true" } else { "false" }
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <Icon glyph=Glyph::Plus/>
                "Condition"
            </button>
            <Show when=move || open.get()>
                <div class="condition-form" role="group" aria-label="New condition">
                    <span class="select">
                        <select
                            aria-label="Column"
                            on:change=move |event: ev::Event| name.set(event_target_value(&event))
                        >
                            <ColumnOptions explorer column/>
                        </select>
                    </span>
                    <span class="select">
                        <select
                            aria-label="Comparison"
                            on:change=move |event: ev::Event| comparison.set(event_target_value(&event))
                        >
                            {signs}
                        </select>
                    </span>
                    <ValueChoice column value add=Callback::new(move |()| add())/>
                    <button
                        type="button"
                        class="button button-main button-small"
                        disabled=move || made.with(Option::is_none)
                        on:click=move |_| add()
                    >
                        "Add"
                    </button>
                </div>
            </Show>
        </div>
    }
}

/// The columns, those of runs first.
#[component]
fn ColumnOptions(explorer: Explorer, column: Memo<Option<ResultColumn>>) -> impl IntoView {
    let options = move |kind: ColumnKind| {
        explorer.all.with(|all| {
            let fits = all.iter().filter(|column| column.kind == kind);
            let option = |option: &ResultColumn| {
                let here = column.with(|it| it.as_ref().is_some_and(|it| it.name == option.name));
                let title = option.title.clone();
                view! { <option value=option.name.clone() selected=here>{title}</option> }
            };
            fits.map(option).collect_view()
        })
    };
    view! {
        <optgroup label="Runs">{move || options(ColumnKind::Run)}</optgroup>
        <optgroup label="Settings">{move || options(ColumnKind::Setting)}</optgroup>
        <optgroup label="Metrics">{move || options(ColumnKind::Metric)}</optgroup>
    }
}

/// The value: a list of what there is, or a field for numbers and where there is too much.
#[component]
fn ValueChoice(
    column: Memo<Option<ResultColumn>>,
    value: RwSignal<String>,
    add: Callback<()>,
) -> impl IntoView {
    let typed = move |event: ev::Event| value.set(event_target_value(&event));
    let list = move |column: &ResultColumn| {
        let options = column.values.iter().map(|option| {
            let here = value.with(|value| value == option);
            let text = option.trim_matches('"').to_owned();
            view! { <option value=option.clone() selected=here>{text}</option> }
        });
        view! {
            <span class="select">
                <select aria-label="Value" on:change=typed>{options.collect_view()}</select>
            </span>
        }
    };
    let field = move |column: &ResultColumn| {
        let known =
            column.values.iter().map(|value| view! { <option value=value.clone()></option> });
        view! {
            <input
                type="text"
                aria-label="Value"
                list="condition-values"
                inputmode=if column.number { "decimal" } else { "text" }
                prop:value=value
                on:input=typed
                on:keydown=move |event: ev::KeyboardEvent| {
                    if event.key() == "Enter" {
                        add.run(());
                    }
                }
            />
            <datalist id="condition-values">{known.collect_view()}</datalist>
        }
    };
    move || {
        column.with(|column| {
            let column = column.as_ref()?;
            Some(if column.values.is_empty() || column.number {
                field(column).into_any()
            } else {
                list(column).into_any()
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_fit_make_a_condition() {
        let column = |number, values: &[&str]| ResultColumn {
            name: "a.b".into(),
            title: "A".into(),
            unit: String::new(),
            kind: ColumnKind::Run,
            number,
            runs: 1,
            distinct: 1,
            values: values.iter().map(ToString::to_string).collect(),
        };
        let number = column(true, &[]);
        assert_eq!(condition(&number, ">=", " 0.3 ").as_deref(), Some("a.b >= 0.3"));
        assert_eq!(condition(&number, ">=", "much"), None);
        assert_eq!(condition(&number, ">=", "inf"), None);
        let text = column(false, &["\"x\""]);
        assert_eq!(condition(&text, "==", "\"x\"").as_deref(), Some("a.b == \"x\""));
        assert_eq!(condition(&text, ">=", "\"x\""), None);
        assert_eq!(condition(&text, "==", ""), None);
    }
}
