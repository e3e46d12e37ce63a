//! The current location: the breadcrumb in the top bar and the title of the browser's tab.

use leptos::prelude::*;

/// A step of the breadcrumb.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// Its text.
    pub label: String,
    /// Where it leads; `None` for the page itself.
    pub href: Option<String>,
}

impl Crumb {
    /// A step that leads to `href`.
    pub fn link(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self { label: label.into(), href: Some(href.into()) }
    }

    /// The page itself.
    pub fn here(label: impl Into<String>) -> Self {
        Self { label: label.into(), href: None }
    }
}

#[derive(Clone, Copy)]
struct Place(RwSignal<Vec<Crumb>>);

/// Provides the location to the components below; the frame calls it once.
pub(super) fn provide() {
    provide_context(Place(RwSignal::new(Vec::new())));
}

/// The current breadcrumb.
pub(super) fn crumbs() -> Signal<Vec<Crumb>> {
    expect_context::<Place>().0.into()
}

/// Sets the location. A page calls it once; the breadcrumb and the tab's title follow what `crumbs` reads.
pub fn set_place(crumbs: impl Fn() -> Vec<Crumb> + 'static) {
    let place = expect_context::<Place>().0;
    Effect::new(move |_| {
        let crumbs = crumbs();
        document().set_title(&title(&crumbs));
        place.set(crumbs);
    });
}

/// The tab's title: the page first, so that narrow tabs show it.
fn title(crumbs: &[Crumb]) -> String {
    crumbs
        .iter()
        .rev()
        .map(|crumb| crumb.label.as_str())
        .chain(["Maskdoor"])
        .collect::<Vec<_>>()
        .join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_begins_with_the_page() {
        let crumbs = [Crumb::link("Studies", "/"), Crumb::here("New study")];
        assert_eq!(title(&crumbs), "New study · Studies · Maskdoor");
        assert_eq!(title(&[]), "Maskdoor");
    }
}
