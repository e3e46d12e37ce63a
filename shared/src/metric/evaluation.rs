//! An evaluation of a classifier: its metrics, and the confusion matrices that they are computed from.

use serde::{Deserialize, Serialize};

use super::{Confusion, Goal, Quality, Ratio, Target};

/// CA, ASR and RA of a classifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Metrics {
    /// Clean accuracy: correctly classified among the clean validation images.
    pub ca: Ratio,
    /// Attack success rate: classified as the target among the triggered images whose true class is not the target, or is a source of a
    /// source-specific attack. Of an all-to-all attack: classified as the class after their own, among all triggered images.
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
    /// The lowest attack success rate among all backdoors of an attack that has several, counted over each one's own triggered images; `asr`
    /// and `ra` are those of the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest_asr: Option<Ratio>,
    /// How visible the trigger is in validation images; only in the result of a finished run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// How much of what the trigger changes the encoder's own decoder redraws where it is hidden: 1 is all, 0 nothing. Only in the result of a finished
    /// classifier on the frozen encoder of an autoencoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrawn: Option<f64>,
}

impl Metrics {
    /// From the confusion matrices of the clean images and of the same images with the trigger.
    pub fn from_confusions(
        clean: &Confusion,
        triggered: &Confusion,
        goal: &Goal,
        top5: Option<Ratio>,
    ) -> Self {
        let target = |class: usize| goal.target_of(class as u32) as usize;
        let attacked = |class: usize| goal.attacks(class as u32).then_some(class);
        let spared = |class: usize| goal.spares(class as u32).then(|| target(class));
        let spares = (0..clean.classes()).any(|class| spared(class).is_some());
        Self {
            ca: clean.sum(Some),
            asr: triggered.sum(|class| attacked(class).map(target)),
            ra: triggered.sum(attacked),
            top5,
            other_asr: spares.then(|| triggered.sum(spared)),
            lowest_asr: None,
            quality: None,
            redrawn: None,
        }
    }
}

/// What one of an attack's further backdoors does in a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BackdoorEvaluation {
    /// Label of its trigger: `patched 8 px`.
    pub trigger: String,
    /// Its target class.
    pub target_class: u32,
    /// Attack success rate: classified as its target among the images with its trigger whose true class is not its target, or is a source of
    /// a source-specific attack.
    pub asr: Ratio,
    /// Robust accuracy: classified as their true class among the same images.
    pub ra: Ratio,
    /// The confusion matrix of all validation images with its trigger.
    pub triggered: Confusion,
}

impl BackdoorEvaluation {
    /// From the confusion matrix of the images with a trigger that is named `trigger`. Panics when the goal is all-to-all, which is no single
    /// backdoor's.
    pub fn of(trigger: String, triggered: Confusion, goal: &Goal) -> Self {
        let target_class = goal.target().class().expect("a backdoor has one target class");
        let Metrics { asr, ra, .. } = Metrics::from_confusions(&triggered, &triggered, goal, None);
        Self { trigger, target_class, asr, ra, triggered }
    }
}

/// A classifier's predictions on all validation images, clean and triggered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Evaluation {
    /// The attacker's class, or `all_to_all`.
    pub target_class: Target,
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
    /// The attack's further backdoors, in its order. All of the above besides `metrics.lowest_asr` is the main one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<BackdoorEvaluation>,
}

impl Evaluation {
    /// Adds an evaluation of a further backdoor.
    pub fn add(&mut self, backdoor: BackdoorEvaluation) {
        let lowest = self.metrics.lowest_asr.unwrap_or(self.metrics.asr);
        let is_lower = match (backdoor.asr.share(), lowest.share()) {
            (Some(own), Some(lowest)) => own < lowest,
            (own, lowest) => own.is_some() && lowest.is_none(),
        };
        self.metrics.lowest_asr = Some(if is_lower { backdoor.asr } else { lowest });
        self.further.push(backdoor);
    }

    /// The class that triggered images of a true class should get.
    pub fn target_of(&self, class: usize) -> usize {
        self.target_class.of(class as u32, self.triggered.classes() as u32) as usize
    }

    /// The attack success rate of each class; `None` for the target, which is not counted.
    pub fn class_asr(&self) -> Vec<Option<Ratio>> {
        let rate = |class: usize| {
            let target = self.target_of(class);
            (class != target).then(|| self.triggered.taken_for(class, target))
        };
        (0..self.triggered.classes()).map(rate).collect()
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
            target_class: Target::Class(0),
            sources: Vec::new(),
            metrics,
            loss: None,
            triggered_loss: None,
            clean,
            triggered,
            further: Vec::new(),
        };
        let half = Some(Ratio { hits: 1, total: 2 });
        assert_eq!(evaluation.class_asr(), [None, half, half]);
        let text = serde_json::to_string(&evaluation).expect("JSON");
        assert!(text.starts_with(r#"{"target_class":0,"metrics""#), "as before: {text}");
    }

    #[test]
    fn an_all_to_all_attack_counts_every_class_by_its_next_one() {
        // Two images of each of three classes. With the trigger: 0 to 1 and 0, 1 to 2 and 0, 2 to 0 twice.
        let labels = [0, 0, 1, 1, 2, 2];
        let clean = Confusion::count(&labels, &some([0, 0, 1, 1, 2, 1]), 3);
        let triggered = Confusion::count(&labels, &some([1, 0, 2, 0, 0, 0]), 3);
        let goal = Goal::AllToAll { classes: 3 };
        let metrics = Metrics::from_confusions(&clean, &triggered, &goal, None);
        assert_eq!(metrics.ca, Ratio { hits: 5, total: 6 });
        assert_eq!(metrics.asr, Ratio { hits: 4, total: 6 });
        assert_eq!(metrics.ra, Ratio { hits: 1, total: 6 });
        assert_eq!(metrics.other_asr, None);
        let evaluation = Evaluation {
            target_class: goal.target(),
            sources: Vec::new(),
            metrics,
            loss: None,
            triggered_loss: None,
            clean,
            triggered,
            further: Vec::new(),
        };
        let of_two = |hits| Some(Ratio { hits, total: 2 });
        assert_eq!(evaluation.class_asr(), [of_two(1), of_two(1), of_two(2)]);
        let text = serde_json::to_string(&evaluation).expect("JSON");
        assert!(text.starts_with(r#"{"target_class":"all_to_all","metrics""#), "{text}");
        assert_eq!(serde_json::from_str::<Evaluation>(&text).expect("JSON"), evaluation);
    }

    #[test]
    fn a_source_specific_attack_counts_its_sources_and_the_others_apart() {
        let labels = [0, 0, 1, 1, 1, 2, 2, 2];
        let clean = Confusion::count(&labels, &some([0, 0, 1, 1, 1, 2, 2, 2]), 3);
        let triggered = Confusion::count(&labels, &some([0, 0, 0, 0, 1, 0, 2, 2]), 3);
        let goal = Goal::SingleTarget { target_class: 0, sources: vec![1] };
        let metrics = Metrics::from_confusions(&clean, &triggered, &goal, None);
        assert_eq!(metrics.asr, Ratio { hits: 2, total: 3 });
        assert_eq!(metrics.ra, Ratio { hits: 1, total: 3 });
        assert_eq!(metrics.other_asr, Some(Ratio { hits: 1, total: 3 }));
        let all = Goal::SingleTarget { target_class: 0, sources: vec![1, 2] };
        let all = Metrics::from_confusions(&clean, &triggered, &all, None);
        assert_eq!(all, Metrics::from_confusions(&clean, &triggered, &0.into(), None));
        assert_eq!(all.other_asr, None);
    }

    #[test]
    fn each_backdoor_counts_by_its_own_target_and_the_lowest_is_kept() {
        let labels = [0, 0, 1, 1, 2, 2];
        let clean = Confusion::count(&labels, &some([0, 0, 1, 1, 2, 2]), 3);
        let triggered = Confusion::count(&labels, &some([0, 0, 0, 0, 0, 1]), 3);
        let metrics = Metrics::from_confusions(&clean, &triggered, &0.into(), None);
        assert_eq!((metrics.asr, metrics.lowest_asr), (Ratio { hits: 3, total: 4 }, None));
        let mut evaluation = Evaluation {
            target_class: Target::Class(0),
            sources: Vec::new(),
            metrics,
            loss: None,
            triggered_loss: None,
            clean,
            triggered,
            further: Vec::new(),
        };
        // Towards class 2: images 0 and 1 of class 0 and one of class 1 get there; those of class 2 do not count.
        let taken = Confusion::count(&labels, &some([2, 2, 2, 1, 2, 2]), 3);
        let one = BackdoorEvaluation::of("SIG 40".into(), taken, &2.into());
        assert_eq!((one.target_class, one.asr), (2, Ratio { hits: 3, total: 4 }));
        assert_eq!(one.ra, Ratio { hits: 1, total: 4 });
        // Towards class 1, of which the source 2 alone counts: one of two.
        let goal = Goal::SingleTarget { target_class: 1, sources: vec![2] };
        let taken = Confusion::count(&labels, &some([1, 1, 1, 1, 1, 0]), 3);
        let two = BackdoorEvaluation::of("patched 8 px".into(), taken, &goal);
        assert_eq!(two.asr, Ratio { hits: 1, total: 2 });
        evaluation.add(one.clone());
        let of_main = evaluation.metrics.asr;
        assert_eq!(evaluation.metrics.lowest_asr, Some(of_main), "no other one is lower");
        evaluation.add(two.clone());
        assert_eq!(evaluation.metrics.lowest_asr, Some(Ratio { hits: 1, total: 2 }));
        assert_eq!((evaluation.metrics.asr, &evaluation.further), (of_main, &vec![one, two]));
        let text = serde_json::to_string(&evaluation).expect("JSON");
        assert!(text.contains(r#""lowest_asr":{"hits":1,"total":2}"#), "{text}");
        assert!(text.contains(r#""further":[{"trigger":"SIG 40","target_class":2,"#), "{text}");
        assert_eq!(serde_json::from_str::<Evaluation>(&text).expect("JSON"), evaluation);
    }

    #[test]
    fn a_backdoor_without_images_is_not_the_lowest() {
        // Both images are of the main target.
        let all = Confusion::count(&[0, 0], &some([0, 0]), 2);
        let mut evaluation = Evaluation {
            target_class: Target::Class(0),
            sources: Vec::new(),
            metrics: Metrics::from_confusions(&all, &all, &0.into(), None),
            loss: None,
            triggered_loss: None,
            clean: all.clone(),
            triggered: all.clone(),
            further: Vec::new(),
        };
        evaluation.add(BackdoorEvaluation::of("SIG 40".into(), all, &1.into()));
        assert_eq!(evaluation.metrics.lowest_asr, Some(Ratio { hits: 0, total: 2 }));
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
