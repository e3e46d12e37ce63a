//! A study on an imported encoder: what must hold between the two.

use super::{FieldError, ModelSpec, StudySpec};
use crate::api::ImportedCheckpoint;

impl StudySpec {
    /// Makes the probes start from an imported checkpoint: its sizes, and no pre-training to poison.
    pub fn start_from(&mut self, checkpoint: &ImportedCheckpoint) {
        self.encoder = Some(checkpoint.name.clone());
        self.model = checkpoint.model;
        self.grid.ppr = vec![0];
    }

    /// Every error that only the checkpoint shows: sizes that are not its own.
    pub fn validate_encoder(&self, checkpoint: &ImportedCheckpoint) -> Vec<FieldError> {
        if self.model.has_encoder_of(&checkpoint.model) {
            return Vec::new();
        }
        let (own, theirs) = (sizes(&self.model), sizes(&checkpoint.model));
        let message = format!("{} has {theirs}, but the study's model {own}", checkpoint.name);
        vec![FieldError::new("encoder", message)]
    }
}

/// The part of a model that a probe uses, in a few words.
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
    use crate::{run::Phase, study::presets};

    fn imported() -> ImportedCheckpoint {
        ImportedCheckpoint { name: "mae".into(), ..ImportedCheckpoint::default() }
    }

    #[test]
    fn a_study_that_starts_from_a_checkpoint_only_probes() {
        let mut spec = presets()[0].spec.clone();
        spec.start_from(&imported());
        assert_eq!((spec.validate(), spec.validate_encoder(&imported())), (vec![], vec![]));
        assert_eq!((spec.counts().pretrainings, spec.counts().probes), (0, 2));
        assert!(spec.points().iter().all(|point| point.phase == Phase::Probe));
        assert_eq!(spec.points().len(), 2);
    }

    #[test]
    fn sizes_and_poisons_that_do_not_fit_are_told() {
        let mut spec = presets()[0].spec.clone();
        spec.start_from(&imported());
        spec.model.encoder.depth = 9;
        spec.grid.ppr = vec![0, 10];
        assert_eq!(
            spec.validate_encoder(&imported())[0].to_string(),
            "encoder: mae has image_size 32, patch_size 4, encoder dim 192, depth 4, heads 3, but the study's model image_size 32, \
             patch_size 4, encoder dim 192, depth 9, heads 3"
        );
        assert_eq!(spec.validate()[0].field, "grid.ppr");
        spec.encoder = Some(String::new());
        assert_eq!(spec.validate()[0].field, "encoder");
    }
}
