//! Colours of a figure in a separate file. In a page, the style sheet assigns colours to the same roles.

use std::fmt::Write;

use super::role::Role;

/// Colour theme of a figure in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white, for print.
    #[default]
    Light,
    /// Light on near-black, for slides.
    Dark,
}

impl std::str::FromStr for Theme {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "light" => Ok(Self::Light),
            "dark" => Ok(Self::Dark),
            _ => Err(format!("a theme is light or dark, not {text:?}")),
        }
    }
}

impl Theme {
    /// Colour of a role. The series' colours come from Okabe and Ito's palette, which is safe for colour-blind readers, without
    /// blue, vermilion and purple, which mean clean, triggered and target here; they are lighter on a dark background.
    fn colour(self, role: Role) -> &'static str {
        let (light, dark) = match role {
            Role::Ground => ("#ffffff", "#14171c"),
            Role::Ink => ("#1b1f24", "#e6e9ee"),
            Role::Muted => ("#59636e", "#9aa5b1"),
            Role::Grid => ("#dde2e8", "#2d333b"),
            Role::Clean => ("#0072b2", "#56a8e0"),
            Role::Triggered => ("#d55e00", "#f0813a"),
            Role::Series(0) => ("#00805c", "#2fc396"),
            Role::Series(1) => ("#c28500", "#f0b83c"),
            Role::Series(2) => ("#3d9bd1", "#8fd0f5"),
            Role::Series(3) => ("#7a5c3e", "#c8a47e"),
            Role::Series(4) => ("#5b6472", "#aeb7c4"),
            Role::Series(_) => ("#8a8f1f", "#d5da63"),
        };
        match self {
            Self::Light => light,
            Self::Dark => dark,
        }
    }

    /// The rules of all classes, for a `<style>` element.
    pub(super) fn css(self) -> String {
        let mut css = String::from(
            "text{font-family:system-ui,-apple-system,\"Segoe UI\",\"Inter\",\"DejaVu Sans\",Arial,sans-serif}",
        );
        for role in Role::ALL {
            let (name, colour) = (role.name(), self.colour(role));
            write!(css, ".l-{name}{{stroke:{colour};fill:none}}.f-{name}{{fill:{colour}}}")
                .expect("writing to a string never fails");
        }
        css
    }
}
