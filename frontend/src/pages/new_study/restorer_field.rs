//! Which imported checkpoint restores what a defence hides. Whole autoencoders are offered only.

use super::imported_field::Named;

/// The setting.
pub const RESTORER: Named = Named {
    path: "defence.restorer_checkpoint",
    label: "Imported restorer",
    none: "none chosen",
    chosen: |spec| spec.settings.defence.restorer_checkpoint.as_ref(),
    offered: |checkpoint| checkpoint.has_decoder,
    check: |spec, checkpoint| spec.settings.check_restorer(checkpoint, &spec.runs),
    choose: |spec, checkpoint| {
        spec.settings.defence.restorer_checkpoint = checkpoint.map(|it| it.name.clone());
    },
};

#[cfg(test)]
mod tests {
    use shared::{
        RunKind,
        api::ImportedCheckpoint,
        settings::{DefenceMethod, Restorer},
        study::presets,
    };

    use super::*;

    #[test]
    fn a_restorer_that_is_gone_or_has_no_decoder_is_told() {
        let mut spec = presets()[0].spec.clone();
        spec.runs = vec![RunKind::Defence];
        spec.settings.defence.method = DefenceMethod::Bdmae;
        spec.settings.defence.restorer = Restorer::Imported;
        assert_eq!(RESTORER.misfit(&spec, &[]), None, "none is chosen yet");
        spec.settings.defence.restorer_checkpoint = Some("mae".into());
        let gone = RESTORER.misfit(&spec, &[]);
        assert!(gone.is_some_and(|text| text.contains("no imported checkpoint mae")));
        let model = spec.settings.model;
        let encoder =
            ImportedCheckpoint { name: "mae".into(), model, ..ImportedCheckpoint::default() };
        let told = RESTORER.misfit(&spec, std::slice::from_ref(&encoder));
        assert!(told.is_some_and(|text| text.contains("without a decoder")));
        assert!(!(RESTORER.offered)(&encoder));
        let whole = ImportedCheckpoint { has_decoder: true, ..encoder };
        assert_eq!(RESTORER.misfit(&spec, &[whole]), None);
    }
}
