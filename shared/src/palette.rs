//! The colours of pages and figures. `style/palette.csv` is their only home: the build makes the pages' custom properties of it, and
//! figures in files read it here.

use std::{str::FromStr, sync::LazyLock};

/// Colour theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark on white, for print.
    #[default]
    Light,
    /// Light on near-black, for slides.
    Dark,
}

impl FromStr for Theme {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "light" => Ok(Self::Light),
            "dark" => Ok(Self::Dark),
            _ => Err(format!("a theme is light or dark, not {text:?}")),
        }
    }
}

/// A named colour: its value in the light and in the dark theme, as `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Name of the custom property, without the dashes before it.
    pub name: &'static str,
    light: &'static str,
    dark: &'static str,
}

impl Colour {
    /// The value in a theme, as `#rrggbb`.
    pub fn value(self, theme: Theme) -> &'static str {
        match theme {
            Theme::Light => self.light,
            Theme::Dark => self.dark,
        }
    }
}

/// All colours, in the order of the file.
pub fn colours() -> &'static [Colour] {
    static ALL: LazyLock<Vec<Colour>> = LazyLock::new(|| {
        let rows = include_str!("../../style/palette.csv").lines().skip(1);
        rows.filter_map(|row| {
            let mut cells = row.split(',');
            Some(Colour { name: cells.next()?, light: cells.next()?, dark: cells.next()? })
        })
        .collect()
    });
    &ALL
}

/// The colour of a name, or black if there is none.
pub fn value(name: &str, theme: Theme) -> &'static str {
    colours().iter().find(|one| one.name == name).map_or("#000000", |one| one.value(theme))
}

#[cfg(test)]
mod tests;
