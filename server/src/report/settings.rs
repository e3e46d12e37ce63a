//! What the study varies, and its other settings.

use shared::{
    StudySpec,
    param::{self, SETTINGS, Setting, Value},
};

use super::html::{Cell, table};

fn setting(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.path == path)
}

/// A setting's title, or its path where this version does not know it.
fn title(path: &str) -> String {
    param::title(path).unwrap_or_else(|| path.to_owned())
}

fn words(path: &str, value: &Value) -> String {
    setting(path).map_or_else(|| value.to_string(), |setting| setting.words(value))
}

/// Settings with their values in one line.
pub(super) fn varied<'a>(values: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let told = values.map(|(path, value)| format!("{}: {}", title(path), words(path, value)));
    told.collect::<Vec<_>>().join("; ")
}

/// A table of the study's axes; empty if it has none.
pub(super) fn axes(spec: &StudySpec) -> String {
    if spec.axes.is_empty() {
        return String::new();
    }
    let row = |axis: &shared::study::Axis| {
        let titles: Vec<_> = axis.paths.iter().map(|path| title(path)).collect();
        let step = |step: &Vec<Value>| {
            let words: Vec<_> =
                axis.paths.iter().zip(step).map(|(path, value)| words(path, value)).collect();
            words.join(" with ")
        };
        let steps: Vec<_> = axis.values.iter().map(step).collect();
        vec![Cell::Text(titles.join(" & ")), Cell::Text(steps.join(", "))]
    };
    let rows: Vec<_> = spec.axes.iter().map(row).collect();
    table(&["Setting", "Values"].map(str::to_owned), &rows)
}

/// A table of all settings that some run of the study can depend on.
pub(super) fn all(spec: &StudySpec) -> String {
    let values = param::values(&spec.settings);
    let matters = |setting: &&Setting| {
        setting.is_in(&spec.settings)
            && spec.runs.iter().any(|&kind| setting.may_matter(&spec.settings, kind))
    };
    let row = |setting: &Setting| {
        let value = setting.words(values.get(setting.path)?);
        let unit =
            if setting.unit.is_empty() { String::new() } else { format!(" {}", setting.unit) };
        let cells = [title(setting.path), format!("{value}{unit}"), setting.path.to_owned()];
        Some(cells.map(Cell::Text).into())
    };
    let rows: Vec<Vec<Cell>> = SETTINGS.iter().filter(matters).filter_map(row).collect();
    table(&["Setting", "Value", "Path"].map(str::to_owned), &rows)
}
