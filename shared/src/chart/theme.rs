//! Colours of a figure outside the dashboard, whose own style sheet assigns colours to the same roles.

use std::fmt::Write;

use super::role::Role;
use crate::palette::{self, Theme};

/// The rules of the classes of all drawings, for a `<style>` element: in a figure's file, or in a page of [`Style::Page`] drawings.
///
/// [`Style::Page`]: super::Style::Page
pub fn css(theme: Theme) -> String {
    let mut css = String::from(
        "text{font-family:Inter,system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",Arial,sans-serif}",
    );
    for role in Role::ALL {
        let (name, colour) = (role.name(), palette::value(role.colour(), theme));
        write!(css, ".l-{name}{{stroke:{colour};fill:none}}.f-{name}{{fill:{colour}}}")
            .expect("writing to a string never fails");
    }
    css
}
