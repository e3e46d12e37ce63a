//! Studies on an imported encoder, and consistency checks between the two.

use super::{FieldError, ModelSpec, Settings, StudySpec};
use crate::{checkpoint::ImportedCheckpoint, run_kind::RunKind};

impl StudySpec {
    /// Makes the classifiers start from an imported checkpoint: takes its sizes, and sets the poisons of pre-training to 0. Where it has no
    /// decoder, the study keeps its own sizes of one, which a defence may train.
    pub fn start_from(&mut self, checkpoint: &ImportedCheckpoint) {
        self.settings.encoder = Some(checkpoint.name.clone());
        let decoder = self.settings.model.decoder;
        self.settings.model = checkpoint.model;
        if !checkpoint.has_decoder {
            self.settings.model.decoder = decoder;
        }
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

    /// Checks that the imported checkpoint can restore images for the defence of a study with these runs.
    pub fn check_restorer(
        &self,
        checkpoint: &ImportedCheckpoint,
        runs: &[RunKind],
    ) -> Option<FieldError> {
        if !runs.contains(&RunKind::Defence) || !self.takes_imported_restorer() {
            return None;
        }
        let ImportedCheckpoint { name, model, .. } = checkpoint;
        let error = |message| Some(FieldError::new("defence.restorer_checkpoint", message));
        if !checkpoint.has_decoder {
            return error(format!(
                "{name} is an encoder without a decoder, which restores nothing: import a whole MAE, or take another defence.restorer"
            ));
        }
        let (side, patch) = (self.model.image_size, self.model.patch_size);
        if (model.image_size, model.patch_size) == (side, patch) {
            return None;
        }
        error(format!(
            "{name} has image_size {}, patch_size {}, but the study's model image_size {side}, patch_size {patch}",
            model.image_size, model.patch_size
        ))
    }

    /// Checks that the imported checkpoint has what the defence of a study with these runs needs beside the encoder.
    pub fn check_decoder(
        &self,
        checkpoint: &ImportedCheckpoint,
        runs: &[RunKind],
    ) -> Option<FieldError> {
        let need = self.defence.decoder_need()?;
        if checkpoint.has_decoder || !runs.contains(&RunKind::Defence) {
            return None;
        }
        let message = format!(
            "{}, and {} is an encoder without a decoder: import a whole MAE, or take {}",
            need.why, checkpoint.name, need.instead
        );
        Some(FieldError::new(need.field, message))
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
    use crate::{
        settings::{BlockedBy, DedeDecoder, DefenceMethod, Restorer, TransformerSpec},
        study::{Content, Graph, presets},
    };

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
    fn a_checkpoint_without_a_decoder_leaves_the_study_its_own_sizes_of_one() {
        let one = TransformerSpec { dim: 4, depth: 1, heads: 1 };
        let mut checkpoint = imported();
        (checkpoint.model.encoder, checkpoint.model.decoder) = (one, one);
        let spec = presets()[0].spec.clone();
        for has_decoder in [true, false] {
            let mut spec = spec.clone();
            let own = spec.settings.model.decoder;
            checkpoint.has_decoder = has_decoder;
            spec.start_from(&checkpoint);
            let expected = if has_decoder { one } else { own };
            assert_eq!((spec.settings.model.encoder, spec.settings.model.decoder), (one, expected));
        }
    }

    #[test]
    fn a_defence_that_decodes_needs_a_decoder() {
        let (mut settings, runs) = (Settings::default(), [RunKind::Defence]);
        let without = imported();
        let whole = ImportedCheckpoint { has_decoder: true, ..imported() };
        for method in DefenceMethod::ALL {
            settings.defence.method = method;
            let needs = matches!(method, DefenceMethod::Bdmae | DefenceMethod::Dede);
            let error = settings.check_decoder(&without, &runs);
            assert_eq!(error.is_some(), needs, "{method:?}");
            assert_eq!(settings.check_decoder(&whole, &runs), None);
            assert_eq!(settings.check_decoder(&without, &[RunKind::Probe]), None);
        }
        settings.defence.method = DefenceMethod::Dede;
        assert_eq!(
            settings.check_decoder(&without, &runs).expect("it decodes").to_string(),
            "defence.decoder: DeDe decodes with the encoder's own decoder, and mae is an encoder without a decoder: import a whole \
             MAE, or take defence.decoder = \"trained\""
        );
        settings.defence.decoder = DedeDecoder::Trained;
        assert_eq!(settings.check_decoder(&without, &runs), None);
        settings.defence.method = DefenceMethod::Blocking;
        settings.defence.blocked_by = BlockedBy::Restored;
        assert_eq!(
            settings.check_decoder(&without, &runs).expect("it restores").to_string(),
            "defence.blocked_by: attention blocking restores the square with the encoder's own decoder, and mae is an encoder without \
             a decoder: import a whole MAE, or take black or another defence.restorer"
        );
        // An autoencoder that the study trains restores in its place; what DeDe decodes, no other one can.
        settings.defence.restorer = Restorer::Clean;
        assert_eq!(settings.check_decoder(&without, &runs), None);
        settings.defence.method = DefenceMethod::Bdmae;
        assert_eq!(settings.check_decoder(&without, &runs), None);
        (settings.defence.method, settings.defence.decoder) =
            (DefenceMethod::Dede, DedeDecoder::Own);
        assert!(settings.check_decoder(&without, &runs).is_some());
    }

    #[test]
    fn an_imported_restorer_needs_a_decoder_and_patches_of_the_study() {
        let mut settings = Settings::default();
        settings.defence.method = DefenceMethod::Bdmae;
        settings.defence.restorer = Restorer::Imported;
        let whole = ImportedCheckpoint { has_decoder: true, ..imported() };
        let runs = [RunKind::Defence];
        let error = |settings: &Settings, checkpoint: &ImportedCheckpoint| {
            settings.check_restorer(checkpoint, &runs).map(|error| error.to_string())
        };
        assert_eq!(error(&settings, &whole), None);
        assert_eq!(
            error(&settings, &imported()).expect("no decoder"),
            "defence.restorer_checkpoint: mae is an encoder without a decoder, which restores nothing: import a whole MAE, or take \
             another defence.restorer"
        );
        // Widths and depths are its own.
        let mut other = whole.clone();
        other.model.encoder.depth = 9;
        assert_eq!(error(&settings, &other), None);
        other.model.patch_size = 8;
        assert_eq!(
            error(&settings, &other).expect("other patches"),
            "defence.restorer_checkpoint: mae has image_size 32, patch_size 8, but the study's model image_size 32, patch_size 4"
        );
        settings.defence.method = DefenceMethod::Strip;
        assert_eq!(error(&settings, &other), None, "nothing is restored");
        let mut spec = presets()[0].spec.clone();
        spec.runs = runs.into();
        spec.settings.defence = settings.defence;
        assert_eq!(spec.validate(), []);
        spec.settings.defence.method = DefenceMethod::Bdmae;
        assert_eq!(
            spec.validate().iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "defence.restorer_checkpoint: must name an imported checkpoint, because defence.restorer is imported"
            ]
        );
        spec.settings.defence.restorer_checkpoint = Some("mae".into());
        assert_eq!(spec.validate(), []);
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
