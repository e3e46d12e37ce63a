//! Ready-made studies: the TOML files of `assets/presets`. Each starts with a comment that states its expected result and how long
//! it takes.

use serde::{Deserialize, Serialize};

use super::StudySpec;

/// A ready-made study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preset {
    /// Name on the command line and in URLs.
    pub id: String,
    /// Display name.
    pub title: String,
    /// Its purpose, its expected result and how long it takes.
    pub summary: String,
    /// The study.
    #[cfg_attr(feature = "openapi", schema(value_type = super::file::StudyFile))]
    pub spec: StudySpec,
}

#[cfg(feature = "presets")]
mod files {
    use super::{Preset, StudySpec};

    /// Name and text of every preset, the one for newcomers first.
    pub const FILES: [(&str, &str); 25] = [
        ("quick-look", include_str!("../../../assets/presets/quick-look.toml")),
        ("cifar10-quick", include_str!("../../../assets/presets/cifar10-quick.toml")),
        ("cifar10-finetune", include_str!("../../../assets/presets/cifar10-finetune.toml")),
        ("cifar10-tiny", include_str!("../../../assets/presets/cifar10-tiny.toml")),
        ("figure-2", include_str!("../../../assets/presets/figure-2.toml")),
        ("figure-3", include_str!("../../../assets/presets/figure-3.toml")),
        ("ssl-backdoor", include_str!("../../../assets/presets/ssl-backdoor.toml")),
        ("corrupt-encoder", include_str!("../../../assets/presets/corrupt-encoder.toml")),
        ("tact", include_str!("../../../assets/presets/tact.toml")),
        ("adap-blend", include_str!("../../../assets/presets/adap-blend.toml")),
        ("adap-patch", include_str!("../../../assets/presets/adap-patch.toml")),
        ("all-to-all", include_str!("../../../assets/presets/all-to-all.toml")),
        ("several-targets", include_str!("../../../assets/presets/several-targets.toml")),
        ("patch-count", include_str!("../../../assets/presets/patch-count.toml")),
        ("patch-alignment", include_str!("../../../assets/presets/patch-alignment.toml")),
        ("survival", include_str!("../../../assets/presets/survival.toml")),
        ("mask-ratio", include_str!("../../../assets/presets/mask-ratio.toml")),
        ("badencoder", include_str!("../../../assets/presets/badencoder.toml")),
        ("redrawn", include_str!("../../../assets/presets/redrawn.toml")),
        ("restorer", include_str!("../../../assets/presets/restorer.toml")),
        ("loss-split", include_str!("../../../assets/presets/loss-split.toml")),
        ("defence-matrix", include_str!("../../../assets/presets/defence-matrix.toml")),
        ("defence-matrix-small", include_str!("../../../assets/presets/defence-matrix-small.toml")),
        ("encoder-detection", include_str!("../../../assets/presets/encoder-detection.toml")),
        ("published", include_str!("../../../assets/presets/published.toml")),
    ];

    /// All presets, the one for newcomers first.
    pub fn presets() -> Vec<Preset> {
        FILES.iter().map(|(id, text)| read(id, text)).collect()
    }

    fn read(id: &str, text: &str) -> Preset {
        let spec: StudySpec = toml::from_str(text).expect("a test reads every preset");
        let comment = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let summary = comment.collect::<Vec<_>>().join(" ");
        Preset { id: id.into(), title: spec.name.clone(), summary, spec }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_preset_says_what_it_gives() {
            for preset in presets() {
                assert!(
                    preset.summary.ends_with('.') && preset.summary.len() > 80,
                    "{}",
                    preset.id
                );
                assert_eq!(preset.spec.validate(), [], "{}", preset.id);
                let text = toml::to_string(&preset.spec).expect("TOML");
                assert_eq!(toml::from_str::<StudySpec>(&text).expect("a study"), preset.spec);
            }
        }
    }
}

#[cfg(feature = "presets")]
pub use files::{FILES, presets};
