//! Reads a study's specification from a TOML file or a preset, or only its attack.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    StudySpec, param,
    settings::AttackSpec,
    study::{Axis, converted},
};

use super::{StudyArgs, presets};
use crate::terminal::note;

/// The study called `name`: a file if there is one, a preset otherwise.
///
/// # Errors
/// When there is neither, or when the file cannot be read or is not a study.
pub fn load(name: &str) -> anyhow::Result<StudySpec> {
    let path = Path::new(name);
    if path.exists() {
        let text = fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
        let spec = parse(&text).map_err(|reason| anyhow!("{name}, {reason}"))?;
        if let Some(words) = converted(&text) {
            note(format_args!("{name}: {words}"));
        }
        return Ok(spec);
    }
    match presets::find(name) {
        Some(preset) => Ok(preset.spec),
        None => bail!("there is no file {name}, and {}", presets::unknown(name)),
    }
}

/// As [`load`], with the changes from the command line.
///
/// # Errors
/// As [`load`], and when a change names an unknown setting, or a value that the setting does not take.
pub(super) fn load_changed(args: &StudyArgs) -> anyhow::Result<StudySpec> {
    let mut spec = load(&args.study)?;
    if !args.runs.is_empty() {
        spec.runs.clone_from(&args.runs);
    }
    for text in &args.set {
        let (path, value) = param::parse_assignment(text, &spec.settings)?;
        spec.vary(path, vec![value])?;
    }
    if let Some(device) = args.device {
        spec.axes.retain(|axis| axis.paths != ["device"]);
        let varied = spec.axes.iter().any(|axis| axis.paths.iter().any(|path| path == "device"));
        anyhow::ensure!(!varied, "device: the study varies it together with another setting");
        spec.settings.device = device;
    }
    for text in &args.axis {
        let axis = Axis::parse(text, &spec.settings)?;
        for path in &axis.paths {
            spec.axes.retain(|known| !known.paths.contains(path));
        }
        spec.axes.push(axis);
    }
    Ok(spec)
}

/// The `[attack]` table of a TOML file, which may be a study or contain nothing else.
///
/// # Errors
/// When the file cannot be read, or has no `[attack]` table.
pub fn load_attack(path: &Path) -> anyhow::Result<AttackSpec> {
    #[derive(Deserialize)]
    struct WithAttack {
        attack: AttackSpec,
    }
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
    let file: WithAttack = parse(&text).map_err(|reason| anyhow!("{name}, {reason}"))?;
    Ok(file.attack)
}

/// Reads a study's TOML, or a part of it.
///
/// # Errors
/// A message with the line and the field: `line 7, attack.target_class: …`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let at = |error: &toml::de::Error| {
        let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        error.span().map_or_else(String::new, |span| format!("line {}, ", line(span.start)))
    };
    let deserializer = toml::Deserializer::parse(text)
        .map_err(|error| format!("{}no TOML: {}", at(&error), error.message()))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = match error.path().to_string() {
            root if root == "." => "study".to_owned(),
            path => path,
        };
        format!("{}{path}: {}", at(error.inner()), error.inner().message())
    })
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn a_preset_survives_toml() {
        for preset in presets() {
            let text = toml::to_string_pretty(&preset.spec).unwrap();
            assert_eq!(parse::<StudySpec>(&text).unwrap(), preset.spec);
        }
    }

    #[test]
    fn errors_name_line_and_field() {
        let text = toml::to_string_pretty(&presets()[0].spec).unwrap();
        let errors: Vec<_> = [
            ("name = ", "name = = "),
            ("name = \"shapes\"", "name = 3"),
            ("ratio = ", "ratio = \"x\" # "),
            ("ratio = ", "share = "),
            ("\"pretrain.poisons\" = [", "seed = {}\n\"pretrain.poisons\" = ["),
            ("[attack]", "[attacks]"),
            ("optimizer = \"lars\"", "optimizer = \"sgd\""),
            ("kind = \"blended\"", "kind = \"mixed\""),
        ]
        .into_iter()
        .map(|(from, to)| {
            assert!(text.contains(from), "{from}");
            parse::<StudySpec>(&text.replacen(from, to, 1)).unwrap_err()
        })
        .collect();
        insta::assert_debug_snapshot!(errors);
    }
}
