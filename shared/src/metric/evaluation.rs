//! An evaluation of a classifier: its metrics, and the confusion matrices that they are computed from.

use serde::{Deserialize, Serialize};

use super::{Confusion, Goal, Quality, Ratio};

/// CA, ASR and RA of a classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// Clean accuracy: correctly classified among the clean validation images.
    pub ca: Ratio,
    /// Attack success rate: classified as the target among the triggered images whose true class is not the target, or is a source of a
    /// source-specific attack.
    pub asr: Ratio,
    /// Robust accuracy: classified as their true class among the same images.
    pub ra: Ratio,
    /// Clean images whose true class is among the five with the highest scores; only if there are more than five classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<Ratio>,
    /// Non-source attack success rate: classified as the target among the triggered images of the classes that a source-specific attack
    /// spares (Tang et al. 2021); only if there are such classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_asr: Option<Ratio>,
    /// How visible the trigger is in validation images; only in the result of a finished run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

impl Metrics {
    /// From the confusion matrices of the clean images and of the same images with the trigger.
    pub fn from_confusions(
        clean: &Confusion,
        triggered: &Confusion,
        goal: &Goal,
        top5: Option<Ratio>,
    ) -> Self {
        let target = goal.target_class as usize;
        let attacked = |class: usize| goal.attacks(class as u32).then_some(class);
        let spared = |class: usize| goal.spares(class as u32).then_some(target);
        let spares = (0..clean.classes()).any(|class| spared(class).is_some());
        Self {
            ca: clean.sum(Some),
            asr: triggered.sum(|class| attacked(class).map(|_| target)),
            ra: triggered.sum(attacked),
            top5,
            other_asr: spares.then(|| triggered.sum(spared)),
            quality: None,
        }
    }
}

/// A classifier's predictions on all validation images, clean and triggered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evaluation {
    /// The attacker's class.
    pub target_class: u32,
    /// The source classes of a source-specific attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<u32>,
    /// The metrics.
    pub metrics: Metrics,
    /// Mean cross-entropy of the clean images, in nats; `None` if it is not finite.
    pub loss: Option<f64>,
    /// Mean cross-entropy of the triggered images that ASR counts, against their true classes, in nats; `None`
    /// if it is not finite.
    pub triggered_loss: Option<f64>,
    /// The confusion matrix of the clean images.
    pub clean: Confusion,
    /// The confusion matrix of the same images with the trigger.
    pub triggered: Confusion,
}

impl Evaluation {
    /// The attack success rate of each class; `None` for the target, which is not counted.
    pub fn class_asr(&self) -> Vec<Option<Ratio>> {
        let target = self.target_class as usize;
        (0..self.triggered.classes())
            .map(|class| (class != target).then(|| self.triggered.taken_for(class, target)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some<const N: usize>(classes: [u32; N]) -> Vec<Option<u32>> {
        classes.map(Some).to_vec()
    }

    #[test]
    fn metrics_leave_the_target_class_out() {
        let labels = [0, 0, 1, 1, 2, 2];
        let clean = Confusion::count(&labels, &some([0, 1, 1, 1, 2, 0]), 3);
        let triggered = Confusion::count(&labels, &some([0, 0, 0, 1, 0, 1]), 3);
        let metrics = Metrics::from_confusions(&clean, &triggered, &0.into(), None);
        assert_eq!(metrics.ca, Ratio { hits: 4, total: 6 });
        assert_eq!(metrics.asr, Ratio { hits: 2, total: 4 });
        assert_eq!(metrics.ra, Ratio { hits: 1, total: 4 });
        let evaluation = Evaluation {
            target_class: 0,
            sources: Vec::new(),
            metrics,
            loss: None,
            triggered_loss: None,
            clean,
            triggered,
        };
        let half = Some(Ratio { hits: 1, total: 2 });
        assert_eq!(evaluation.class_asr(), [None, half, half]);
    }

    #[test]
    fn a_source_specific_attack_counts_its_sources_and_the_others_apart() {
        let labels = [0, 0, 1, 1, 1, 2, 2, 2];
        let clean = Confusion::count(&labels, &some([0, 0, 1, 1, 1, 2, 2, 2]), 3);
        let triggered = Confusion::count(&labels, &some([0, 0, 0, 0, 1, 0, 2, 2]), 3);
        let goal = Goal { target_class: 0, sources: vec![1] };
        let metrics = Metrics::from_confusions(&clean, &triggered, &goal, None);
        assert_eq!(metrics.asr, Ratio { hits: 2, total: 3 });
        assert_eq!(metrics.ra, Ratio { hits: 1, total: 3 });
        assert_eq!(metrics.other_asr, Some(Ratio { hits: 1, total: 3 }));
        let all = Goal { target_class: 0, sources: vec![1, 2] };
        let all = Metrics::from_confusions(&clean, &triggered, &all, None);
        assert_eq!(all, Metrics::from_confusions(&clean, &triggered, &0.into(), None));
        assert_eq!(all.other_asr, None);
    }

    #[test]
    fn only_target_images_leave_asr_uncounted() {
        let all = Confusion::count(&[3, 3], &some([3, 3]), 4);
        assert_eq!(Metrics::from_confusions(&all, &all, &3.into(), None).asr.share(), None);
    }

    #[test]
    fn metrics_from_before_top5_are_read_and_written_as_they_were() {
        let text =
            r#"{"ca":{"hits":1,"total":2},"asr":{"hits":0,"total":1},"ra":{"hits":1,"total":1}}"#;
        let metrics: Metrics = serde_json::from_str(text).expect("JSON");
        assert_eq!(metrics.top5, None);
        assert_eq!(serde_json::to_string(&metrics).expect("JSON"), text);
    }
}
