//! Views with a name, kept in the browser.

use leptos::{ev, prelude::*};
use serde::{Deserialize, Serialize};

use super::{Explorer, view::View};
use crate::{
    components::{Glyph, Icon},
    kept,
};

const KEY: &str = "maskdoor-views";
/// Most views that are kept; the oldest goes first.
const MOST: usize = 50;

/// A view with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    name: String,
    /// The query of its address.
    query: String,
}

/// The list with a view under a name, which replaces one of the same name.
fn with(mut views: Vec<Named>, name: &str, query: String) -> Vec<Named> {
    views.retain(|view| view.name != name);
    views.push(Named { name: name.to_owned(), query });
    let excess = views.len().saturating_sub(MOST);
    views.drain(..excess);
    views
}

/// The list of saved views, and the form that saves this one.
#[component]
pub fn Saved(explorer: Explorer) -> impl IntoView {
    let views = RwSignal::new(kept::value::<Vec<Named>>(KEY).unwrap_or_default());
    let here = Memo::new(move |_| explorer.view.with(View::query));
    // The view that was forgotten last, until another is saved or opened.
    let forgotten = RwSignal::new(None::<Named>);
    let change = move |next: Vec<Named>| {
        kept::keep(KEY, &next);
        views.set(next);
        forgotten.set(None);
    };
    let save = Callback::new(move |name: String| {
        change(with(views.get_untracked(), &name, here.get_untracked()));
    });
    let open = move |event: ev::Event| {
        let name = event_target_value(&event);
        let query = views.with_untracked(|views| {
            views.iter().find(|view| view.name == name).map(|view| view.query.clone())
        });
        forgotten.set(None);
        if let Some(query) = query
            && let Ok(map) = web_sys::UrlSearchParams::new_with_str(&query)
        {
            explorer.go.run(View::read(|name| map.get(name)));
        }
    };
    let current = Memo::new(move |_| {
        views.with(|views| views.iter().find(|view| view.query == here.get()).cloned())
    });
    let options = move || {
        views
            .get()
            .into_iter()
            .map(|view| {
                let chosen = current.with(|current| current.as_ref() == Some(&view));
                view! { <option value=view.name.clone() selected=chosen>{view.name.clone()}</option> }
            })
            .collect_view()
    };
    let forget = move |_| {
        if let Some(gone) = current.get_untracked() {
            let mut next = views.get_untracked();
            next.retain(|view| *view != gone);
            change(next);
            forgotten.set(Some(gone));
        }
    };
    let undo = move |_| {
        if let Some(view) = forgotten.get_untracked() {
            change(with(views.get_untracked(), &view.name, view.query));
        }
    };
    view! {
        <div class="saved">
            <Show when=move || views.with(|views| !views.is_empty())>
                <span class="select">
                    <select aria-label="Saved view" on:change=open>
                        <option value="" selected=move || current.with(Option::is_none)>
                            "Saved views…"
                        </option>
                        {options}
                    </select>
                </span>
            </Show>
            <Show
                when=move || current.with(Option::is_none)
                fallback=move || {
                    view! {
                        <button type="button" class="button button-quiet" on:click=forget>
                            "Forget this view"
                        </button>
                    }
                }
            >
                <Naming save/>
            </Show>
            <span role="status">
                {move || {
                    forgotten
                        .get()
                        .map(|view| {
                            view! {
                                {format!("“{}” was forgotten.", view.name)}
                                <button type="button" class="button button-quiet" on:click=undo>"Undo"</button>
                            }
                        })
                }}
            </span>
        </div>
    }
}

/// The button that asks for a name.
#[component]
fn Naming(
    /// Called with the name.
    save: Callback<String>,
) -> impl IntoView {
    let open = RwSignal::new(false);
    let name = RwSignal::new(String::new());
    let done = move || {
        let text = name.get_untracked().trim().to_owned();
        if !text.is_empty() {
            save.run(text);
        }
    };
    view! {
        <Show
            when=move || open.get()
            fallback=move || {
                view! {
                    <button
                        type="button"
                        class="button button-quiet"
                        on:click=move |_| open.set(true)
                    >
                        <Icon glyph=Glyph::Star/>
                        "Save view"
                    </button>
                }
            }
        >
            <input
                type="text"
                aria-label="Name of the view"
                placeholder="Name of the view"
                maxlength="60"
                autofocus
                prop:value=name
                on:input=move |event: ev::Event| name.set(event_target_value(&event))
                on:keydown=move |event: ev::KeyboardEvent| match event.key().as_str() {
                    "Enter" => done(),
                    "Escape" => open.set(false),
                    _ => {}
                }
            />
            <button type="button" class="button" on:click=move |_| done()>"Save"</button>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_once_and_the_oldest_view_goes() {
        let mut views = Vec::new();
        for at in 0..MOST + 2 {
            views = with(views, &at.to_string(), format!("?x={at}"));
        }
        assert_eq!((views.len(), views[0].name.as_str()), (MOST, "2"));
        views = with(views, "5", "?x=new".into());
        assert_eq!((views.len(), views[MOST - 1].query.as_str()), (MOST, "?x=new"));
        assert_eq!(views.iter().filter(|view| view.name == "5").count(), 1);
    }
}
