//! Which encoder the probes start from: one that the study trains, or an imported one.

use super::imported_field::Named;

/// The setting.
pub const ENCODER: Named = Named {
    path: "encoder",
    label: "Encoder",
    none: "pre-trained by the study",
    chosen: |spec| spec.settings.encoder.as_ref(),
    offered: |_| true,
    check: |spec, checkpoint| spec.settings.check_encoder(checkpoint),
    choose: |spec, checkpoint| match checkpoint {
        Some(checkpoint) => spec.start_from(checkpoint),
        None => spec.settings.encoder = None,
    },
};

#[cfg(test)]
mod tests {
    use shared::{api::ImportedCheckpoint, study::presets};

    use super::*;

    #[test]
    fn an_encoder_that_is_gone_or_of_other_sizes_is_told() {
        let mut spec = presets()[0].spec.clone();
        let mae = ImportedCheckpoint { name: "mae".into(), ..ImportedCheckpoint::default() };
        let all = std::slice::from_ref(&mae);
        assert_eq!(ENCODER.misfit(&spec, &[]), None);
        (ENCODER.choose)(&mut spec, Some(&mae));
        assert_eq!(ENCODER.misfit(&spec, all), None);
        let gone = ENCODER.misfit(&spec, &[]);
        assert!(gone.is_some_and(|text| text.contains("no imported checkpoint mae")));
        spec.settings.model.encoder.heads = 2;
        assert!(ENCODER.misfit(&spec, all).is_some_and(|text| text.contains("heads 2")));
    }
}
