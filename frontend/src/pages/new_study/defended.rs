//! A study that applies a defence to a run of another study, or to an imported encoder.

use shared::{
    RunId, RunKind, Settings, StudySpec,
    api::StudyDetail,
    param,
    settings::{DefenceGroups, DefenceMethod, DefenceSpec, DefendedSet, ProtectedClassifier},
};

use crate::run_name::run_label;

/// Longest name of a study.
const NAME: usize = 120;
/// Poisons of each class in the set that a defence judges, where the run has none.
const POISONS: u32 = 10;

/// A study of one defence, with the settings of a run. Of a poisoned pre-training it judges the training set; of a probe or nearest neighbours the
/// set with as many poisons; a fine-tuning it prunes. `None` where the study does not have the run.
pub fn run(study: &StudyDetail, run: RunId) -> Option<StudySpec> {
    let row = study.runs.iter().find(|row| row.id == run)?;
    let mut spec = study.spec.clone();
    spec.axes.clear();
    spec.settings = param::with(&spec.settings, &row.varied);
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
    spec.name = named(&run_label(row));
    Some(spec)
}

fn named(what: &str) -> String {
    format!("Defence of {what}").chars().take(NAME).collect()
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
    spec.name = named(encoder);
}

#[cfg(test)]
mod tests {
    use shared::study::Content;

    use super::*;
    use crate::fixture;

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
