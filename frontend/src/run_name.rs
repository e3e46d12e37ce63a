//! The names of runs and settings on the pages.

use std::collections::BTreeMap;

use crate::components::format;
use shared::{
    RunKind,
    api::RunRow,
    param::{self, SETTINGS, Setting, Value},
    run::RunPoint,
};

/// The settings that a run's study varies, by path.
pub type Varied = BTreeMap<String, Value>;

/// The setting at a path, of any trigger.
fn setting(path: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.path == path)
}

/// A setting's name, with the kind of run if two kinds share it: `Linear probe, epochs`. Fields that are not settings have
/// the name that the form gives them; settings that vary together are joined by ` & `.
pub fn label(path: &str) -> String {
    let path = path.strip_prefix("axes.").unwrap_or(path);
    if path.contains(" & ") {
        return path.split(" & ").map(label).collect::<Vec<_>>().join(" & ");
    }
    let others = [
        ("name", "Name"),
        ("tags", "Tags"),
        ("runs", "Kinds of runs"),
        ("axes", "Varied settings"),
        ("attack.trigger.fill.cell", "Cell of the checkerboard"),
    ];
    if let Some((_, name)) = others.into_iter().find(|(other, _)| *other == path) {
        return name.into();
    }
    param::title(path).unwrap_or_else(|| path.into())
}

/// A value as the form shows it.
pub fn value(path: &str, value: &Value) -> String {
    match (setting(path), value) {
        (_, Value::Number(number)) => format::number(*number),
        (Some(setting), value) => setting.words(value),
        (None, value) => value.to_string(),
    }
}

/// The varied settings that tables and names do not already show: all but poisons, seed and start.
pub fn besides(varied: &Varied) -> impl Iterator<Item = (&str, &Value)> {
    let own = |path: &str| path == "seed" || path == "finetune.start" || path.ends_with(".poisons");
    varied.iter().map(|(path, value)| (path.as_str(), value)).filter(move |(path, _)| !own(path))
}

/// The varied settings as text: `blend ratio 0.3, encoder depth 4`; empty if there are none.
pub fn varied_text(varied: &Varied) -> String {
    let texts = besides(varied)
        .map(|(path, its)| format!("{} {}", param::lower(&label(path)), value(path, its)));
    texts.collect::<Vec<_>>().join(", ")
}

/// A short name of a run, with its varied settings.
pub fn run_label(run: &RunRow) -> String {
    let varied = varied_text(&run.varied);
    let more = if varied.is_empty() { String::new() } else { format!(", {varied}") };
    format!("{}{more}", run.point.label())
}

/// What distinguishes a run from its neighbours in a tree. A leaf omits what its root already shows: `parent` holds the
/// settings that the root's study varies. `seeds` says whether there are several seeds.
pub fn run_name(point: RunPoint, varied: &Varied, parent: Option<&Varied>, seeds: bool) -> String {
    let RunPoint { ppr, lpr, seed, .. } = point;
    let mut parts = vec![match point.kind {
        RunKind::Pretrain => format!("Pre-training, PPR {ppr}"),
        RunKind::Implant => "Implanted backdoor".into(),
        RunKind::Knn => format!("Nearest neighbours, LPR {lpr}"),
        RunKind::Probe => format!("Probe, LPR {lpr}"),
        RunKind::Finetune if point.scratch => format!("From scratch, FPR {lpr}"),
        RunKind::Finetune => format!("Fine-tuning, FPR {lpr}"),
        RunKind::Defence => format!("Defence, LPR {lpr}"),
    }];
    if seeds && parent.is_none() {
        parts.push(format!("seed {seed}"));
    }
    let mut own = varied.clone();
    own.retain(|path, _| !parent.is_some_and(|parent| parent.contains_key(path)));
    let told = varied_text(&own);
    parts.extend((!told.is_empty()).then_some(told));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_called_as_the_form_has_them() {
        assert_eq!(label("probe.epochs"), "Linear probe, epochs");
        assert_eq!(label("attack.trigger.ratio"), "Blend ratio");
        assert_eq!(label("axes.attack.trigger.ratio & seed"), "Blend ratio & Seed");
        assert_eq!(label("model.unknown"), "model.unknown");
        assert_eq!(value("probe.optimizer", &"lars".into()), "LARS");
        assert_eq!(value("pretrain.flip", &true.into()), "on");
    }

    #[test]
    fn a_leaf_tells_what_its_root_does_not() {
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 10,
            lpr: 3,
            seed: 2,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let root = Varied::from([("attack.trigger.ratio".to_owned(), 0.3.into())]);
        let mut leaf = root.clone();
        leaf.insert("probe.optimizer".into(), "adamw".into());
        assert_eq!(run_name(point, &leaf, Some(&root), true), "Probe, LPR 3, optimiser AdamW");
        assert_eq!(run_name(point, &root, None, true), "Probe, LPR 3, seed 2, blend ratio 0.3");
    }
}
