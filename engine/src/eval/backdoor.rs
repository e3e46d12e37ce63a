//! An attack's further backdoors: each is evaluated like the main one, by its own trigger and towards its own target class.

use shared::{
    Trigger,
    metric::{BackdoorEvaluation, Confusion, Goal},
};

use super::accuracy::predictions;

/// A backdoor besides the main one, ready for test images.
#[derive(Clone, Debug)]
pub struct Backdoor {
    /// Label of its trigger.
    pub label: String,
    /// A text that identifies its trigger, for stored features.
    pub name: String,
    /// Its trigger.
    pub trigger: Trigger,
    /// What images with its trigger should be taken for.
    pub goal: Goal,
}

impl Backdoor {
    /// Counts the predictions on all test images with its trigger: `classes` scores (logits) for each image of `labels`, image after image. Panics
    /// when the lengths do not match.
    pub fn count(&self, labels: &[u32], scores: &[f32], classes: usize) -> BackdoorEvaluation {
        assert!(scores.len() == labels.len() * classes, "one score for each image and class");
        let triggered = Confusion::count(labels, &predictions(scores, classes), classes);
        BackdoorEvaluation::of(self.label.clone(), triggered, &self.goal)
    }
}

#[cfg(test)]
mod tests {
    use shared::{Ratio, Stage, TriggerSpec, trigger::BppSpec};

    use super::*;

    #[test]
    fn a_backdoor_counts_towards_its_own_target() {
        let spec = TriggerSpec::Bpp(BppSpec::default());
        let backdoor = Backdoor {
            label: spec.label(),
            name: String::new(),
            trigger: Trigger::prepare(&spec, None, 8, Stage::Test).unwrap(),
            goal: 1.into(),
        };
        // Images of the classes 0, 0, 1 and 2 are taken for 1, 0, 1 and 1: of the three that count, two.
        let scores = [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.5];
        let counted = backdoor.count(&[0, 0, 1, 2], &scores, 3);
        assert_eq!(
            (counted.asr, counted.ra),
            (Ratio { hits: 2, total: 3 }, Ratio { hits: 1, total: 3 })
        );
        assert_eq!((counted.target_class, counted.trigger), (1, spec.label()));
        assert_eq!(counted.triggered.rows, [[1, 1, 0], [0, 1, 0], [0, 1, 0]]);
    }
}
