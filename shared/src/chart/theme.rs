//! Colours of a figure in a separate file. In a page, the style sheet assigns colours to the same roles.

use std::fmt::Write;

use super::role::Role;
use crate::palette::{self, Theme};

/// The rules of all classes, for a `<style>` element.
pub(super) fn css(theme: Theme) -> String {
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
