//! Paging through a long list.

use leptos::prelude::*;

use super::{Glyph, Icon, format};

/// The position of a page in a list: its first and last item, counted from 1, and the offsets of the neighbouring pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    first: u64,
    last: u64,
    previous: Option<u64>,
    next: Option<u64>,
}

fn part(offset: u64, limit: u64, total: u64) -> Part {
    let last = (offset + limit).min(total);
    Part {
        first: (offset + 1).min(total),
        last,
        previous: (offset > 0).then(|| offset.saturating_sub(limit)),
        next: (last < total).then_some(last),
    }
}

/// The position in a list, with buttons to the neighbouring pages; nothing if the list fits on one page.
#[component]
pub fn Pager(
    /// Offset of the first item shown.
    #[prop(into)]
    offset: Signal<u64>,
    /// Items per page.
    limit: u64,
    /// Number of all items.
    #[prop(into)]
    total: Signal<u64>,
    /// Goes to an offset.
    go: Callback<u64>,
) -> impl IntoView {
    let here = Memo::new(move |_| part(offset.get(), limit, total.get()));
    let step = move |to: Option<u64>| {
        if let Some(to) = to {
            go.run(to);
        }
    };
    let long = move || total.get() > limit;
    view! {
        <Show when=long>
            <nav class="pager" aria-label="Pages of the list">
                <span class="muted">
                    {move || {
                        let here = here.get();
                        format!("{}–{} of {}", here.first, here.last, format::count(total.get()))
                    }}
                </span>
                <button
                    type="button"
                    class="button"
                    disabled=move || here.get().previous.is_none()
                    on:click=move |_| step(here.get_untracked().previous)
                >
                    <Icon glyph=Glyph::ArrowLeft/>
                    "Previous"
                </button>
                <button
                    type="button"
                    class="button"
                    disabled=move || here.get().next.is_none()
                    on:click=move |_| step(here.get_untracked().next)
                >
                    "Next"
                    <Icon glyph=Glyph::ArrowRight/>
                </button>
            </nav>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_know_their_neighbours() {
        assert_eq!(part(0, 20, 45), Part { first: 1, last: 20, previous: None, next: Some(20) });
        assert_eq!(part(40, 20, 45), Part { first: 41, last: 45, previous: Some(20), next: None });
        assert_eq!(part(0, 20, 0), Part { first: 0, last: 0, previous: None, next: None });
        assert_eq!(part(5, 20, 45).previous, Some(0));
    }
}
