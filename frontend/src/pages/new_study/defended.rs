//! A study that applies a defence to a run of another study, or to an imported encoder.

use shared::{
    RunId, RunKind, Settings, StudySpec,
    api::StudyDetail,
    param,
    settings::{DefenceGroups, DefenceMethod, DefenceSpec, DefendedSet, ProtectedClassifier},
};

use crate::run_name::varied_text;

/// Longest name of a study.
const NAME: usize = 120;
/// Poisons of each class in the set that a defence judges, where the run has none.
const POISONS: u32 = 10;

/// The study with only the settings of one of its runs, and a defence as what is run. A defence before a linear probe protects a probe with as
/// many poisons, one of a pre-training with poisons judges its set, and a fine-tuned classifier is repaired. `None` where the study does not have
/// the run.
pub fn run(study: &StudyDetail, run: RunId) -> Option<StudySpec> {
    let row = study.runs.iter().find(|row| row.id == run)?;
    let mut spec = study.spec.clone();
    spec.axes.clear();
    // A kind first: it brings the settings that belong to it.
    let (kinds, others): (Vec<_>, Vec<_>) =
        row.varied.iter().partition(|(path, _)| path.split('.').next_back() == Some("kind"));
    for (path, value) in kinds.into_iter().chain(others) {
        // The server wrote them from settings.
        let _ = param::set(&mut spec.settings, path, value);
    }
    spec.settings.seed = row.point.seed;
    let Settings { pretrain, probe, knn, defence, .. } = &mut spec.settings;
    match row.point.kind {
        RunKind::Probe => {
            (defence.classifier, defence.poisons) = (ProtectedClassifier::Probe, probe.poisons);
        }
        RunKind::Knn => defence.poisons = knn.poisons,
        RunKind::Finetune => defence.method = DefenceMethod::FinePruning,
        RunKind::Pretrain if pretrain.poisons > 0 => {
            defence.method = DefenceMethod::Spectral;
            (defence.set, defence.groups) = (DefendedSet::Pretrain, DefenceGroups::Clusters);
        }
        RunKind::Pretrain | RunKind::Implant | RunKind::Defence => poisoned(defence),
    }
    spec.runs = vec![RunKind::Defence];
    let label = [row.point.label(), varied_text(&row.varied)];
    let label: Vec<_> = label.into_iter().filter(|part| !part.is_empty()).collect();
    spec.name = format!("Defence of {}", label.join(", ")).chars().take(NAME).collect();
    Some(spec)
}

/// A defence has something to find.
fn poisoned(defence: &mut DefenceSpec) {
    if defence.poisons == 0 {
        defence.poisons = POISONS;
    }
}

/// Makes a study that starts from an imported encoder apply a defence to it.
pub fn import(spec: &mut StudySpec) {
    spec.axes.clear();
    spec.runs = vec![RunKind::Defence];
    poisoned(&mut spec.settings.defence);
    let encoder = spec.settings.encoder.as_deref().unwrap_or("an imported encoder");
    spec.name = format!("Defence of {encoder}").chars().take(NAME).collect();
}

#[cfg(test)]
mod tests {
    use shared::study::Content;

    use super::*;
    use crate::fixture;

    #[test]
    fn a_kind_of_trigger_is_set_before_what_belongs_to_it() {
        let mut study = fixture::study(shared::study::presets()[0].spec.clone());
        let row = &mut study.runs[0];
        row.varied.insert("attack.trigger.count".into(), 4.into());
        row.varied.insert("attack.trigger.kind".into(), "patched".into());
        let id = row.id;
        let defence = run(&study, id).expect("it has the run");
        assert_eq!(param::get(&defence.settings, "attack.trigger.count"), Some(4.into()));
    }

    #[test]
    fn an_imported_encoder_is_all_that_is_defended() {
        let mut spec = shared::study::presets()[0].spec.clone();
        spec.start_from(&shared::checkpoint::ImportedCheckpoint {
            name: "mae".into(),
            ..Default::default()
        });
        import(&mut spec);
        assert_eq!((spec.name.as_str(), spec.validate()), ("Defence of mae", vec![]));
        let graph = shared::study::Graph::of(&spec, &Content::default()).expect("sound");
        assert_eq!(graph.nodes.len(), 1);
        assert_eq!(graph.nodes[0].settings.defence.poisons, POISONS);
    }

    #[test]
    fn a_defence_has_the_settings_of_the_run() {
        let mut spec = shared::study::presets()[0].spec.clone();
        spec.vary("probe.poisons", vec![0.into(), 7.into()]).expect("a setting");
        let study = fixture::study(spec);
        assert!(!study.runs.is_empty());
        for row in &study.runs {
            let defence = run(&study, row.id).expect("it has the run");
            assert_eq!(defence.validate(), [], "{}", defence.name);
            let graph = shared::study::Graph::of(&defence, &Content::default()).expect("sound");
            let judged: Vec<_> =
                graph.nodes.iter().filter(|node| node.kind == RunKind::Defence).collect();
            assert_eq!(judged.len(), 1, "{}", defence.name);
            assert_eq!(judged[0].settings.seed, row.point.seed);
            assert_eq!(judged[0].settings.pretrain.poisons, row.point.ppr, "{}", defence.name);
            if row.point.kind == RunKind::Probe {
                assert_eq!(judged[0].settings.defence.poisons, row.point.lpr);
            }
        }
    }
}
