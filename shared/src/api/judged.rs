//! The images that a defence judged.

use serde::{Deserialize, Serialize};

use crate::settings::DefenceMethod;

/// Images that a defence decided alike about and that are alike in truth. Clean images that it kept are in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum JudgedGroup {
    /// Poisoned or triggered images that it flags.
    #[default]
    Found,
    /// Poisoned or triggered images that it does not flag.
    Missed,
    /// Clean images that it flags.
    FalseAlarms,
}

impl JudgedGroup {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Found, Self::Missed, Self::FalseAlarms];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Missed => "missed",
            Self::FalseAlarms => "false-alarms",
        }
    }

    /// The group of an image by the defence's decision and the truth.
    pub fn of(flagged: bool, poisoned: bool) -> Option<Self> {
        match (flagged, poisoned) {
            (true, true) => Some(Self::Found),
            (false, true) => Some(Self::Missed),
            (true, false) => Some(Self::FalseAlarms),
            (false, false) => None,
        }
    }
}

/// An image that a defence judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JudgedImage {
    /// Its place in the list of the run's images, by which its picture is asked for.
    pub at: u32,
    /// Its index among the training images, for a sample filter, or the validation images; that of its original, for what the attacker adds.
    pub index: u32,
    /// The name of that image.
    pub name: String,
    /// Its true class.
    pub class: u32,
    /// Its label in the judged set; none where the method is given no labels.
    pub label: Option<u32>,
    /// Higher ones are more suspicious.
    pub score: f64,
    /// Whether the attacker changed it: a poison, a triggered image or a cover sample.
    pub changed: bool,
}

/// What a defence made of a few images, clean and triggered: BDMAE or `DeDe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefenceStrips {
    /// The defence.
    pub method: DefenceMethod,
    /// Patches a side.
    pub columns: u32,
    /// The strips: clean images, then the same ones triggered.
    pub strips: Vec<DefenceStrip>,
}

/// What a defence made of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DefenceStrip {
    /// The image.
    pub image: JudgedImage,
    /// A number for each patch, row by row: BDMAE's score, `DeDe`'s mean squared error in the space of the targets.
    pub map: Vec<f64>,
    /// BDMAE's structure score of each patch before the refinement; empty for `DeDe` and in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub structure: Vec<f64>,
    /// BDMAE's label score of each patch before the refinement; empty as the structure score is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label: Vec<f64>,
    /// Whether BDMAE restores each patch; empty for `DeDe`.
    pub restored: Vec<bool>,
    /// The class without the defence; `None` for none.
    pub before: Option<u32>,
    /// The class under the defence; `None` where the image is refused.
    pub after: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_images_that_are_kept_are_in_no_group() {
        let of = |flagged| [true, false].map(|poisoned| JudgedGroup::of(flagged, poisoned));
        assert_eq!(of(true), [Some(JudgedGroup::Found), Some(JudgedGroup::FalseAlarms)]);
        assert_eq!(of(false), [Some(JudgedGroup::Missed), None]);
        for group in JudgedGroup::ALL {
            assert_eq!(serde_json::to_value(group).unwrap(), group.as_str());
        }
    }
}
