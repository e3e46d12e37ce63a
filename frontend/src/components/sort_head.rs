//! The head of a column that sorts a table.

use leptos::prelude::*;

use super::{Glyph, Icon};

/// What a table is sorted by after a click on a column's head: `asr` in ascending order, `-asr` in descending, an empty text for the table's own
/// order. Numbers begin with the largest, texts with the first; a third click restores the table's order.
pub fn next_sort(now: &str, column: &str, number: bool) -> String {
    let down = format!("-{column}");
    let (first, second) =
        if number { (down, column.to_owned()) } else { (column.to_owned(), down) };
    if now == first {
        second
    } else if now == second {
        String::new()
    } else {
        first
    }
}

/// The head of a column; a click sorts by it.
#[component]
pub fn SortHead(
    /// The column's name in `sort`.
    name: String,
    /// What is read there.
    head: String,
    /// In full.
    #[prop(into)]
    title: String,
    /// Whether the column has numbers.
    number: bool,
    /// What the table is sorted by, as [`next_sort`] has it.
    #[prop(into)]
    sort: Signal<String>,
    /// Called with the column's name.
    chosen: Callback<String>,
) -> impl IntoView {
    let known = name.clone();
    let descending = Memo::new(move |_| {
        sort.with(|sort| match sort.strip_prefix('-') {
            Some(sort) => (sort == known).then_some(true),
            None => (*sort == known).then_some(false),
        })
    });
    let aria = move || match descending.get() {
        None => "none",
        Some(true) => "descending",
        Some(false) => "ascending",
    };
    let arrow = move || {
        descending.get().map(|descending| {
            let glyph = if descending { Glyph::ArrowDown } else { Glyph::ArrowUp };
            view! { <Icon glyph/> }
        })
    };
    view! {
        <th scope="col" class:number=number aria-sort=aria>
            <button
                type="button"
                class="sort"
                title=title
                data-sort=name.clone()
                on:click=move |_| chosen.run(name.clone())
            >
                {head}
                {arrow}
            </button>
        </th>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_clicks_are_both_directions_and_the_table_s_order() {
        let clicks = |column, number| {
            let mut sort = String::new();
            [(); 3].map(|()| {
                sort = next_sort(&sort, column, number);
                sort.clone()
            })
        };
        assert_eq!(clicks("asr", true), ["-asr", "asr", ""]);
        assert_eq!(clicks("name", false), ["name", "-name", ""]);
        assert_eq!(next_sort("-asr", "ca", true), "-ca");
    }
}
