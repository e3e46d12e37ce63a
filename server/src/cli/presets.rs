//! `maskdoor presets [show NAME]`.

use anyhow::Context;
use shared::study::{PRESET_FILES, Preset, presets};

use super::PresetCommand;
use crate::terminal::{Align, say, table};

pub fn run(command: Option<PresetCommand>) -> anyhow::Result<()> {
    match command {
        None => {
            let rows: Vec<_> =
                presets().into_iter().map(|preset| vec![preset.id, preset.summary]).collect();
            say(table(&[("preset", Align::Left), ("what it is", Align::Left)], &rows));
        }
        Some(PresetCommand::Show { name }) => {
            let file = PRESET_FILES.iter().find(|(id, _)| *id == name);
            let (_, text) = file.with_context(|| unknown(&name))?;
            say(text.trim_end());
        }
    }
    Ok(())
}

/// The preset of that name.
pub fn find(name: &str) -> Option<Preset> {
    presets().into_iter().find(|preset| preset.id == name)
}

/// The error message for a preset that does not exist.
pub fn unknown(name: &str) -> String {
    let known: Vec<_> = presets().into_iter().map(|preset| preset.id).collect();
    format!("there is no preset {name:?}; there are: {}", known.join(", "))
}
