//! The choice of the table's columns.

use leptos::{ev, prelude::*};
use shared::api::ColumnKind;

use super::{Explorer, view::shown_columns};

/// The names with one added or removed; empty if that gives what is shown anyway.
fn toggled(shown: &[String], name: &str, own: &[String]) -> Vec<String> {
    let mut names = shown.to_vec();
    match names.iter().position(|known| known == name) {
        Some(at) => drop(names.remove(at)),
        None => names.push(name.to_owned()),
    }
    if names == own { Vec::new() } else { names }
}

/// The button with the list of columns.
#[component]
pub fn Chooser(explorer: Explorer) -> impl IntoView {
    let shown = Memo::new(move |_| {
        explorer.view.with(|view| explorer.columns.with(|columns| shown_columns(view, columns)))
    });
    let search = RwSignal::new(String::new());
    let toggle = move |name: &str| {
        explorer.change(|view| {
            let own = explorer.columns.with_untracked(|columns| {
                let open = super::view::View { columns: Vec::new(), ..view.clone() };
                shown_columns(&open, columns)
            });
            view.columns = toggled(&shown.get_untracked(), name, &own);
            // Without a column nothing would be left to choose from in the address.
            view.offset = 0;
        });
    };
    let group = move |kind: ColumnKind, label: &'static str| {
        let items = move || {
            let begun = search.get().to_lowercase();
            explorer.columns.with(|columns| {
                columns
                    .iter()
                    .filter(|column| column.kind == kind)
                    .filter(|column| {
                        column.title.to_lowercase().contains(&begun)
                            || column.name.to_lowercase().contains(&begun)
                    })
                    .map(|column| {
                        let (name, known) = (column.name.clone(), column.name.clone());
                        let on = move || shown.with(|shown| shown.contains(&known));
                        let differs = column.distinct > 1;
                        view! {
                            <label class="study-check" title=column.name.clone()>
                                <input
                                    type="checkbox"
                                    prop:checked=on
                                    on:change=move |_| toggle(&name)
                                />
                                <span class:muted=!differs>{column.title.clone()}</span>
                            </label>
                        }
                    })
                    .collect_view()
            })
        };
        view! {
            <fieldset>
                <legend>{label}</legend>
                {items}
            </fieldset>
        }
    };
    view! {
        <details class="column-chooser">
            <summary class="button button-small">"Columns"</summary>
            <div class="column-list">
                <input
                    type="search"
                    class="input"
                    aria-label="Search the columns"
                    placeholder="Search"
                    prop:value=search
                    on:input=move |event: ev::Event| search.set(event_target_value(&event))
                />
                {group(ColumnKind::Run, "Runs")}
                {group(ColumnKind::Metric, "Metrics")}
                {group(ColumnKind::Setting, "Settings; grey where all runs agree")}
                <Show when=move || explorer.view.with(|view| !view.columns.is_empty())>
                    <button
                        type="button"
                        class="link small"
                        on:click=move |_| explorer.change(|view| view.columns.clear())
                    >
                        "Those that differ again"
                    </button>
                </Show>
            </div>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_anyway_is_not_in_the_address() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let own = names(&["study", "ca"]);
        assert_eq!(toggled(&own, "asr", &own), names(&["study", "ca", "asr"]));
        assert_eq!(toggled(&names(&["study", "ca", "asr"]), "asr", &own), names(&[]));
        assert_eq!(toggled(&own, "ca", &own), names(&["study"]));
    }
}
