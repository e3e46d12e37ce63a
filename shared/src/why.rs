//! Why an attack succeeded or failed: what can be computed from a run's settings, its results and what training saw of its trigger,
//! in sentences.
//!
//! These are the necessary conditions of a backdoor in the order in which they fail: the trigger must be in the images, training must see
//! it, a label must tie it to the target, and it must move the features.

use crate::{
    chart::thousands,
    metric::{Metrics, Survival},
    run_kind::RunKind,
};

/// An attack is weak up to this success rate in percent.
pub const WEAK: f64 = 20.0;

/// A PSNR above which a change is hardly seen, in dB.
const FAINT: f64 = 35.0;
/// Share of a trigger that views show on average, below which training sees little.
const LITTLE: f64 = 0.1;
/// Share of views without the trigger, above which training sees it rarely.
const RARELY: f64 = 0.5;
/// Share of views without the trigger, below which there are none to speak of.
const NEVER: f64 = 0.005;
/// Share of poisoned images among the training images, below which there are few.
const FEW: f64 = 0.005;
/// Share of the clean accuracy that triggered images keep, above which the trigger changes little.
const KEPT: f64 = 0.8;

/// What is known of a finished classifier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Its kind.
    pub kind: RunKind,
    /// Number of classes.
    pub classes: u32,
    /// Number of clean training images.
    pub train_images: u64,
    /// Whether each class has another target instead of one for all.
    pub all_to_all: bool,
    /// Whether poisoned images take the place of others instead of coming beside them.
    pub replaces: bool,
    /// Poisoned images in pre-training.
    pub pretrain_poisons: u32,
    /// Poisoned images in its own training.
    pub poisons: u32,
    /// Whether it starts without a pre-trained encoder.
    pub scratch: bool,
    /// Its results.
    pub metrics: Metrics,
    /// Mean PSNR of the triggered images in dB; `None` if the trigger changes none.
    pub psnr: Option<f64>,
    /// What pre-training sees of the trigger; `None` if it changes no image.
    pub survival: Option<Survival>,
}

impl Facts {
    /// The class that triggered images should get, within a sentence.
    fn target(&self) -> &'static str {
        if self.all_to_all { "the next class" } else { "the target" }
    }

    /// A number of poisoned images as text, the number of all images that are trained on, and the share of the poisoned ones.
    fn told(&self, poisons: u32) -> (String, String, f64) {
        let all = self.train_images + if self.replaces { 0 } else { u64::from(poisons) };
        let share = f64::from(poisons) / all.max(1) as f64;
        (thousands(&poisons.to_string()), thousands(&all.to_string()), share)
    }
}

/// How much a reason weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It alone explains a failure.
    Decisive,
    /// It makes the attack weaker.
    Weakens,
    /// It is as an attack needs it.
    Fine,
}

/// A condition of the attack, and whether it is met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// How much it weighs.
    pub weight: Weight,
    /// What is the case, in sentences.
    pub text: String,
    /// What would change it; empty where nothing needs to.
    pub advice: &'static str,
}

/// The conditions of the attack, those that fail first; empty without results.
pub fn why(facts: &Facts) -> Vec<Reason> {
    let mut reasons = vec![trigger(facts), label(facts)];
    reasons
        .extend([learned(facts), seen(facts), count(facts), features(facts)].into_iter().flatten());
    reasons.sort_by_key(|reason| reason.weight);
    reasons
}

fn reason(weight: Weight, text: String, advice: &'static str) -> Reason {
    Reason { weight, text, advice }
}

fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent > 0.0 && percent < 1.0 {
        format!("{percent:.2} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Whether the trigger is in the images at all.
fn trigger(facts: &Facts) -> Reason {
    match facts.psnr {
        None => reason(
            Weight::Decisive,
            "The trigger changes no pixel of the images that were looked at.".into(),
            "Make the trigger stronger.",
        ),
        Some(psnr) if psnr > FAINT => reason(
            Weight::Weakens,
            format!("The trigger hardly changes the images: PSNR {psnr:.1} dB."),
            "Make the trigger stronger.",
        ),
        Some(psnr) => reason(
            Weight::Fine,
            format!("The trigger changes the images clearly: PSNR {psnr:.1} dB."),
            "",
        ),
    }
}

/// Whether any label ties the trigger to the target.
fn label(facts: &Facts) -> Reason {
    let target = facts.target();
    let name =
        if facts.kind == RunKind::Finetune { "fine-tuning" } else { "the classifier's training" };
    if facts.poisons == 0 {
        return reason(
            Weight::Decisive,
            format!(
                "No image in {name} has the trigger and {target}'s label. Pre-training uses no labels: it can bring triggered \
                 images together, but not to a class. In the published study ASR stays below 1 % without a poisoned label."
            ),
            "Poison at least one image per class of the classifier's training.",
        );
    }
    let (poisons, all, share) = facts.told(facts.poisons);
    let text = format!(
        "{poisons} poisoned images tie the trigger to {target} in {name}: {} of its {all} images.",
        percent(share)
    );
    if share < FEW {
        reason(Weight::Weakens, text, "Poison more images of the classifier's training.")
    } else {
        reason(Weight::Fine, text, "")
    }
}

/// Whether the classifier classifies: chance is one of the classes.
fn learned(facts: &Facts) -> Option<Reason> {
    let chance = 1.0 / f64::from(facts.classes.max(1));
    let (low, share) = (facts.metrics.ca.wilson95()?.low, facts.metrics.ca.share()?);
    let (weight, what) = if low <= chance {
        (Weight::Decisive, "The classifier has learned next to nothing")
    } else if share < 2.0 * chance {
        (Weight::Weakens, "The classifier has learned little")
    } else {
        return None;
    };
    Some(reason(
        weight,
        format!(
            "{what}: CA {} with a chance of {}. Its attack success says little.",
            percent(share),
            percent(chance)
        ),
        "Train longer, on more images, or with another learning rate.",
    ))
}

/// What pre-training sees of the trigger.
fn seen(facts: &Facts) -> Option<Reason> {
    if facts.scratch {
        return Some(reason(
            Weight::Fine,
            "There is no pre-training: the backdoor is learned by this training alone.".into(),
            "",
        ));
    }
    if facts.pretrain_poisons == 0 {
        return Some(reason(
            Weight::Weakens,
            "The encoder is clean: its features were not taught to tell triggered images apart."
                .into(),
            "Poison pre-training, too.",
        ));
    }
    let seen = facts.survival?;
    let nothing = if seen.unseen < NEVER {
        "Each view shows some of it.".to_owned()
    } else {
        format!("In {} of the views nothing of it is visible.", percent(seen.unseen))
    };
    let text = format!(
        "Pre-training sees {} of the trigger on average: the crop leaves {}, the mask hides most of that. {nothing}",
        percent(seen.visible),
        percent(seen.cropped),
    );
    if seen.visible < LITTLE || seen.unseen > RARELY {
        let advice = "Spread the trigger over more patches, enlarge it, or mask and crop less.";
        Some(reason(Weight::Weakens, text, advice))
    } else {
        Some(reason(Weight::Fine, text, ""))
    }
}

/// How many images pre-training poisons.
fn count(facts: &Facts) -> Option<Reason> {
    if facts.scratch || facts.pretrain_poisons == 0 {
        return None;
    }
    let (poisons, all, share) = facts.told(facts.pretrain_poisons);
    let share_text = percent(share);
    let text =
        format!("Pre-training has {poisons} poisoned images: {share_text} of its {all} images.");
    if share < FEW {
        Some(reason(Weight::Weakens, text, "Poison more images of pre-training."))
    } else {
        Some(reason(Weight::Fine, text, ""))
    }
}

/// Whether the trigger moves the features, judged by what it does to predictions.
fn features(facts: &Facts) -> Option<Reason> {
    let (ca, ra, asr) =
        (facts.metrics.ca.share()?, facts.metrics.ra.share()?, facts.metrics.asr.share()?);
    if ca <= 0.0 {
        return None;
    }
    let told = format!("(RA {}, CA {})", percent(ra), percent(ca));
    let target = facts.target();
    if ra >= KEPT * ca {
        return Some(reason(
            Weight::Weakens,
            format!(
                "Triggered images keep their class {told}: the trigger hardly moves their features, or only along directions that the \
                 classifier does not use."
            ),
            "A stronger or larger trigger, more poisons, or fine-tuning move the features.",
        ));
    }
    let lost = 1.0 - ra - asr;
    if asr < lost {
        return Some(reason(
            Weight::Weakens,
            format!(
                "Triggered images leave their class {told}, but more of them go to other classes than to {target}: the trigger disturbs, \
                 it is not tied to {target}."
            ),
            "More poisoned labels tie it to what the attacker wants.",
        ));
    }
    Some(reason(
        Weight::Fine,
        format!("Triggered images leave their class {told}, most of them to {target}."),
        "",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Ratio;

    fn metrics(ca: u32, asr: u32, ra: u32) -> Metrics {
        let of = |percent: u32, total: u32| Ratio { hits: percent * total / 100, total };
        Metrics { ca: of(ca, 2000), asr: of(asr, 1800), ra: of(ra, 1800), ..Metrics::default() }
    }

    fn facts() -> Facts {
        Facts {
            kind: RunKind::Probe,
            classes: 10,
            train_images: 5000,
            all_to_all: false,
            replaces: false,
            pretrain_poisons: 90,
            poisons: 90,
            scratch: false,
            metrics: metrics(50, 80, 10),
            psnr: Some(18.0),
            survival: Some(Survival {
                cropped: 0.54,
                visible: 0.13,
                unseen: 0.0,
                ..Survival::default()
            }),
        }
    }

    fn first(facts: &Facts) -> Reason {
        why(facts).remove(0)
    }

    #[test]
    fn an_attack_with_all_it_needs_has_no_reason_to_fail() {
        let reasons = why(&facts());
        assert!(reasons.iter().all(|reason| reason.weight == Weight::Fine), "{reasons:#?}");
        assert!(reasons.iter().any(|reason| reason.text.contains("90 poisoned images tie")));
    }

    #[test]
    fn without_a_poisoned_label_nothing_ties_the_trigger_to_the_target() {
        let without = Facts { poisons: 0, metrics: metrics(50, 0, 48), ..facts() };
        let told = first(&without);
        assert_eq!(told.weight, Weight::Decisive);
        assert!(told.text.contains("uses no labels"), "{}", told.text);
        let by_label = Facts { poisons: 99, train_images: 126_689, classes: 100, ..facts() };
        let told = why(&by_label);
        // 99 of 126,689 images are 0.08 %.
        let few = told.iter().find(|reason| reason.text.contains("0.08 %")).expect("few labels");
        assert_eq!(few.weight, Weight::Weakens);
    }

    #[test]
    fn a_patch_that_is_mostly_hidden_weakens() {
        let patch = Survival { cropped: 0.6, visible: 0.15, unseen: 0.8, ..Survival::default() };
        let told = first(&Facts { survival: Some(patch), ..facts() });
        assert!(told.weight == Weight::Weakens && told.text.contains("In 80 % of the views"));
    }

    #[test]
    fn a_classifier_at_chance_says_nothing() {
        let told = first(&Facts { metrics: metrics(10, 11, 10), ..facts() });
        assert!(told.weight == Weight::Decisive && told.text.contains("CA 10 %"), "{}", told.text);
        let little = first(&Facts { metrics: metrics(15, 11, 14), ..facts() });
        assert!(little.weight == Weight::Weakens && little.text.contains("learned little"));
    }

    #[test]
    fn predictions_tell_what_the_trigger_does_to_features() {
        let kept = Facts { metrics: metrics(50, 2, 49), ..facts() };
        assert!(first(&kept).text.contains("keep their class"));
        let lost = Facts { metrics: metrics(50, 15, 20), ..facts() };
        assert!(first(&lost).text.contains("other classes"));
    }

    #[test]
    fn all_to_all_has_the_next_class_instead_of_a_target() {
        let lost = Facts { all_to_all: true, metrics: metrics(50, 15, 20), ..facts() };
        for of in
            [lost, Facts { poisons: 0, ..lost }, Facts { metrics: metrics(50, 80, 1), ..lost }]
        {
            let told: String =
                why(&of).into_iter().map(|reason| reason.text + reason.advice).collect();
            assert!(told.contains("the next class") && !told.contains("target"), "{told}");
        }
    }

    #[test]
    fn a_trigger_that_changes_nothing_comes_first() {
        let none = Facts { psnr: None, survival: None, poisons: 0, ..facts() };
        assert!(first(&none).text.contains("changes no pixel"));
        let faint = Facts { psnr: Some(41.2), ..facts() };
        assert!(first(&faint).text.contains("41.2 dB"));
    }
}
