//! Studies on an imported encoder, and consistency checks between the two.

use super::{FieldError, ModelSpec, Settings, StudySpec};
use crate::{checkpoint::ImportedCheckpoint, run_kind::RunKind};

impl StudySpec {
    /// Makes the classifiers start from an imported checkpoint: takes its sizes, and sets the poisons of pre-training to 0.
    pub fn start_from(&mut self, checkpoint: &ImportedCheckpoint) {
        self.settings.encoder = Some(checkpoint.name.clone());
        self.settings.model = checkpoint.model;
        self.settings.pretrain.poisons = 0;
        self.axes.retain(|axis| !axis.paths.iter().any(|path| path.starts_with("pretrain.")));
        self.runs.retain(|&kind| kind != RunKind::Pretrain && kind != RunKind::Knn);
        if self.runs.is_empty() {
            self.runs.push(RunKind::Probe);
        }
    }
}

impl Settings {
    /// Checks that the study's model sizes match the imported checkpoint.
    pub fn check_encoder(&self, checkpoint: &ImportedCheckpoint) -> Option<FieldError> {
        if self.model.has_encoder_of(&checkpoint.model) {
            return None;
        }
        let (own, theirs) = (sizes(&self.model), sizes(&checkpoint.model));
        let message = format!("{} has {theirs}, but the study's model {own}", checkpoint.name);
        Some(FieldError::new("encoder", message))
    }
}

/// Short description of the part of a model that a classifier uses.
fn sizes(model: &ModelSpec) -> String {
    let ModelSpec { image_size, patch_size, encoder, .. } = model;
    let (dim, depth, heads) = (encoder.dim, encoder.depth, encoder.heads);
    format!(
        "image_size {image_size}, patch_size {patch_size}, encoder dim {dim}, depth {depth}, heads {heads}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Content, Graph, presets};

    fn imported() -> ImportedCheckpoint {
        ImportedCheckpoint { name: "mae".into(), ..ImportedCheckpoint::default() }
    }

    #[test]
    fn a_study_that_starts_from_a_checkpoint_only_probes() {
        let mut spec = presets()[0].spec.clone();
        spec.start_from(&imported());
        assert_eq!((spec.validate(), spec.settings.check_encoder(&imported())), (vec![], None));
        let graph = Graph::of(&spec, &Content::default()).expect("sound");
        assert!(
            graph.nodes.iter().all(|node| node.kind == RunKind::Probe && node.inputs.is_empty())
        );
        assert_eq!(graph.nodes.len(), spec.values_of("probe.poisons").len());
    }

    #[test]
    fn sizes_and_poisons_that_do_not_fit_are_told() {
        let mut spec = presets()[0].spec.clone();
        spec.start_from(&imported());
        spec.settings.model.encoder.depth = 9;
        spec.settings.pretrain.poisons = 10;
        assert_eq!(
            spec.settings.check_encoder(&imported()).expect("another depth").to_string(),
            "encoder: mae has image_size 32, patch_size 4, encoder dim 192, depth 4, heads 3, but the study's model image_size 32, \
             patch_size 4, encoder dim 192, depth 9, heads 3"
        );
        assert_eq!(spec.validate()[0].field, "pretrain.poisons");
        spec.settings.encoder = Some(String::new());
        assert_eq!(spec.validate()[0].field, "encoder");
    }
}
