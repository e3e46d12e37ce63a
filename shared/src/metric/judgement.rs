//! What a defence found, compared with the truth.

use serde::{Deserialize, Serialize};

use super::{Detection, Metrics};

/// What a defence found, compared with the truth, which it was not told.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Judgement {
    /// How it tells poisoned from clean images: those of a training set, or triggered from clean validation images.
    pub detection: Detection,
    /// How it tells the same images under the same labels *without* the trigger: what it finds only because labels are wrong. `None` where no
    /// label is wrong: under a clean-label attack, without labels, and for images that a classifier is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Detection>,
    /// The classifier that an input filter protects, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Metrics>,
    /// The same classifier on the same images with the filter: a refused image has no class, so that it counts as wrong in CA and RA, and as no
    /// success in ASR.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Metrics>,
}

impl Judgement {
    /// `AUROC 0.934 (without the trigger 0.912), 80 of 90 poisoned and 12 of 500 clean images flagged`.
    pub fn in_words(&self) -> String {
        let area = |of: &Detection| of.auroc.map_or("none".into(), |area| format!("{area:.3}"));
        let control = self.control.as_ref();
        let control = control.map(|of| format!(" (without the trigger {})", area(of)));
        let Detection { found, false_alarms, .. } = self.detection;
        format!(
            "AUROC {}{}, {} of {} poisoned and {} of {} clean images flagged",
            area(&self.detection),
            control.unwrap_or_default(),
            found.hits,
            found.total,
            false_alarms.hits,
            false_alarms.total
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_words_by_hand() {
        let poisoned = [true, false, false];
        let detection = Detection::of(&[3.0, 2.0, 1.0], &poisoned, &poisoned).unwrap();
        let control = Detection::of(&[1.0, 2.0, 3.0], &[false; 3], &poisoned);
        let mut judgement = Judgement { detection, control, before: None, after: None };
        assert_eq!(
            judgement.in_words(),
            "AUROC 1.000 (without the trigger 0.000), 1 of 1 poisoned and 0 of 2 clean images flagged"
        );
        judgement.control = None;
        judgement.detection.auroc = None;
        assert_eq!(
            judgement.in_words(),
            "AUROC none, 1 of 1 poisoned and 0 of 2 clean images flagged"
        );
    }
}
