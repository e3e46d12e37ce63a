//! Light or dark: the system's setting, or a choice made here. The choice is stored in the browser and set as `data-theme` on the page.

use leptos::prelude::*;

use crate::{
    components::{Glyph, Icon, theme_changed},
    kept,
};

/// `assets/index.html` reads it, too, before the first paint.
const KEY: &str = "maskdoor-theme";

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    /// The system's setting.
    System,
    Light,
    Dark,
}

impl Theme {
    fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// The value of `data-theme`; `None` leaves it to the system.
    fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    fn glyph(self) -> Glyph {
        match self {
            Self::System => Glyph::Contrast,
            Self::Light => Glyph::Sun,
            Self::Dark => Glyph::Moon,
        }
    }
}

fn stored() -> Theme {
    Theme::parse(&kept::text(KEY).unwrap_or_default())
}

/// Sets the theme on the page and stores it.
fn apply(theme: Theme) {
    let Some(root) = document().document_element() else { return };
    // If the browser refuses, only the choice is lost.
    if let Some(value) = theme.attribute() {
        let _ = root.set_attribute("data-theme", value);
        kept::keep_text(KEY, value);
    } else {
        let _ = root.remove_attribute("data-theme");
        kept::forget(KEY);
    }
}

/// The button that switches to the next theme.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = RwSignal::new(stored());
    Effect::new(move |_| {
        apply(theme.get());
        theme_changed();
    });
    let label = move || {
        let theme = theme.get();
        format!("Theme: {}. Change to {}", theme.name(), theme.next().name())
    };
    view! {
        <button
            type="button"
            class="icon-button"
            id="theme"
            aria-label=label
            title=label
            on:click=move |_| theme.update(|theme| *theme = theme.next())
        >
            {move || view! { <Icon glyph=theme.get().glyph()/> }}
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::Theme;

    #[test]
    fn a_choice_survives_text_and_the_button_goes_round() {
        for theme in [Theme::System, Theme::Light, Theme::Dark] {
            assert_eq!(Theme::parse(theme.attribute().unwrap_or_default()), theme);
            assert_eq!(theme.next().next().next(), theme);
        }
    }
}
