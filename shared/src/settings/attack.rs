//! [`AttackSpec`]: trigger, target and the choice of the images that get the trigger.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::{
    field_error::FieldError,
    metric::Goal,
    trigger::{BlendedSpec, TriggerSpec},
};

/// What numbers of poisons (PPR, LPR, FPR) count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PoisonUnit {
    /// Images of each poisoned class.
    #[default]
    Images,
    /// Thousandths of the images of each poisoned class.
    ClassPermille,
    /// Thousandths of the training set, shared out evenly among the poisoned classes.
    SetPermille,
}

impl PoisonUnit {
    /// Whether numbers of poisons are images: the default, which is not written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `permille` thousandths of a number of images, halves rounded up.
fn thousandths(images: u64, permille: u32) -> u64 {
    (images.saturating_mul(permille.into()).saturating_add(500)) / 1000
}

/// Share `place` of `total` in `shares` even shares, of which the first ones take the remainder.
fn even_share(total: u64, shares: usize, place: usize) -> u32 {
    let shares = shares.max(1) as u64;
    let share = total / shares + u64::from((place as u64) < total % shares);
    share.try_into().unwrap_or(u32::MAX)
}

/// Trigger and target class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AttackSpec {
    /// The attacker's target class, counted from 0 in the order of the class names.
    #[serde(default)]
    pub target_class: u32,
    /// Whether the poisons are images of the target class, which keep their label (label-consistent poisoning: Turner, Tsipras and
    /// Madry 2019), instead of images of every other class, which get the target's label.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clean_label: bool,
    /// Whether a poisoned image takes the place of its original (Saha et al. 2022) instead of being added to it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replace: bool,
    /// What numbers of poisons (PPR, LPR, FPR) count.
    #[serde(default, skip_serializing_if = "PoisonUnit::is_default")]
    pub poison_unit: PoisonUnit,
    /// Names of the training images to poison, as the data set names them; drawn by the seed when absent. Each phase takes the
    /// first of each poisoned class in this order, as many as it poisons. All points of a study share one list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub poisons: Option<Arc<[String]>>,
    /// Classes whose images are poisoned, and whose triggered images should be taken for the target (source-specific attacks: Tang et al.
    /// 2021, `TaCT`); all classes besides the target when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<u32>,
    /// Cover samples per poisoned image: images that get the trigger and keep their label (Qi et al. 2023). They are of the poisoned classes
    /// or, with sources, of all classes that are neither a source nor the target.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cover_ratio: f64,
    /// The trigger.
    pub trigger: TriggerSpec,
}

fn is_zero(value: &impl PartialEq<f64>) -> bool {
    *value == 0.0
}

impl Default for AttackSpec {
    /// The published study's strongest blended trigger, on class 0.
    fn default() -> Self {
        let trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
        Self {
            target_class: 0,
            clean_label: false,
            replace: false,
            poison_unit: PoisonUnit::default(),
            poisons: None,
            sources: Vec::new(),
            cover_ratio: 0.0,
            trigger,
        }
    }
}

impl AttackSpec {
    /// Whether images of this class are poisoned.
    pub fn poisons_class(&self, class: u32) -> bool {
        match (self.clean_label, self.sources.as_slice()) {
            (true, _) => class == self.target_class,
            (false, []) => class != self.target_class,
            (false, sources) => sources.contains(&class),
        }
    }

    /// What triggered images should be taken for.
    pub fn goal(&self) -> Goal {
        Goal { target_class: self.target_class, sources: self.sources.clone() }
    }

    /// What a number of poisons counts: `poisoned images per non-target class`.
    pub fn counts(&self) -> &'static str {
        match (self.poison_unit, self.clean_label, self.sources.is_empty()) {
            (PoisonUnit::Images, true, _) => "poisoned images of the target class",
            (PoisonUnit::Images, false, true) => "poisoned images per non-target class",
            (PoisonUnit::Images, false, false) => "poisoned images per source class",
            (PoisonUnit::ClassPermille, true, _) => "‰ of the images of the target class",
            (PoisonUnit::ClassPermille, false, true) => "‰ of the images of each non-target class",
            (PoisonUnit::ClassPermille, false, false) => "‰ of the images of each source class",
            (PoisonUnit::SetPermille, ..) => "‰ of the training set",
        }
    }

    /// The errors of settings of the attack that do not fit each other.
    pub fn check_together(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: &str| {
            errors.push(FieldError::new(format!("attack.{field}"), message));
        };
        let Self { sources, clean_label, target_class, cover_ratio, .. } = self;
        if !sources.is_empty() && *clean_label {
            wrong(
                "sources",
                "must be empty with clean_label, which poisons the target class alone",
            );
        } else if sources.contains(target_class) {
            wrong("sources", "must not contain the target class");
        } else if (1..sources.len()).any(|i| sources[..i].contains(&sources[i])) {
            wrong("sources", "names a class twice");
        }
        if *cover_ratio > 0.0 && *clean_label {
            wrong("cover_ratio", "must be 0 with clean_label: its poisons keep their label, too");
        } else if *cover_ratio > 0.0 && self.trigger.cover_ratio() > 0.0 {
            wrong(
                "cover_ratio",
                "must be 0, or attack.trigger.cover_ratio must be: a set has cover samples of one kind",
            );
        }
        errors
    }

    /// Checks the source classes against a data set with this number of classes.
    pub fn check_sources(&self, dataset: &str, classes: u32) -> Option<FieldError> {
        let wrong = |message: String| Some(FieldError::new("attack.sources", message));
        if let Some(class) = self.sources.iter().find(|&&class| class >= classes) {
            let last = classes.saturating_sub(1);
            return wrong(format!(
                "{dataset} has the classes 0 to {last}, so there is no class {class}"
            ));
        }
        let covered = (0..classes).any(|class| self.covers_class(class));
        if self.cover_ratio > 0.0 && !covered {
            return wrong(
                "leave no class for cover samples, which are neither of a source nor of the target"
                    .into(),
            );
        }
        None
    }

    /// Whether cover samples with the trigger are of this class.
    fn covers_class(&self, class: u32) -> bool {
        class != self.target_class && self.sources.is_empty() == self.poisons_class(class)
    }

    /// Checks the target class against a data set with this number of classes; `None` if it has that class.
    pub fn check_target(&self, dataset: &str, classes: u32) -> Option<FieldError> {
        let target = self.target_class;
        (target >= classes).then(|| {
            let last = classes.saturating_sub(1);
            let message =
                format!("{dataset} has the classes 0 to {last}, so there is no class {target}");
            FieldError::new("attack.target_class", message)
        })
    }

    /// Images to poison of each class, for a number of poisons in the attack's unit and `images[c]` training images of class `c`.
    pub fn poisons_of(&self, images: &[u32], poisons: u32) -> Vec<u32> {
        let poisoned: Vec<usize> =
            (0..images.len()).filter(|&class| self.poisons_class(class as u32)).collect();
        let total = thousandths(images.iter().copied().map(u64::from).sum(), poisons);
        let mut counts = vec![0; images.len()];
        for (place, &class) in poisoned.iter().enumerate() {
            counts[class] = match self.poison_unit {
                PoisonUnit::Images => poisons,
                PoisonUnit::ClassPermille => {
                    thousandths(images[class].into(), poisons).try_into().unwrap_or(u32::MAX)
                }
                PoisonUnit::SetPermille => even_share(total, poisoned.len(), place),
            };
        }
        counts
    }

    /// Cover samples of each class, for these poisoned images of each class.
    pub fn covers_of(&self, poisons: &[u32]) -> Vec<u32> {
        let of_trigger = f64::from(self.trigger.cover_ratio());
        let ratio = if self.cover_ratio > 0.0 { self.cover_ratio } else { of_trigger };
        if self.cover_ratio == 0.0 || self.sources.is_empty() {
            return poisons
                .iter()
                .map(|&count| (ratio * f64::from(count)).round() as u32)
                .collect();
        }
        let total = (ratio * f64::from(sum(poisons))).round() as u64;
        let covered: Vec<usize> =
            (0..poisons.len()).filter(|&class| self.covers_class(class as u32)).collect();
        let mut counts = vec![0; poisons.len()];
        for (place, &class) in covered.iter().enumerate() {
            counts[class] = even_share(total, covered.len(), place);
        }
        counts
    }

    /// Whether there are cover samples beside poisons.
    pub fn has_covers(&self) -> bool {
        self.cover_ratio > 0.0 || self.trigger.cover_ratio() > 0.0
    }

    /// Number of poisoned images, for `images[c]` training images of class `c`.
    pub fn poisoned_images(&self, images: &[u32], poisons: u32) -> u32 {
        sum(&self.poisons_of(images, poisons))
    }

    /// Number of cover samples, for `images[c]` training images of class `c`.
    pub fn cover_images(&self, images: &[u32], poisons: u32) -> u32 {
        sum(&self.covers_of(&self.poisons_of(images, poisons)))
    }
}

fn sum(counts: &[u32]) -> u32 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trigger::WaNetSpec;

    fn attack(poison_unit: PoisonUnit) -> AttackSpec {
        AttackSpec { poison_unit, ..AttackSpec::default() }
    }

    #[test]
    fn counts_by_hand() {
        let warp = WaNetSpec { cover_ratio: 1.5, ..WaNetSpec::default() };
        let trigger = TriggerSpec::WaNet(warp);
        let mut attack = AttackSpec { target_class: 3, trigger, ..AttackSpec::default() };
        let ten = [500; 10];
        assert_eq!(attack.poisoned_images(&ten, 10), 90);
        assert_eq!(attack.poisoned_images(&[500], 10), 10);
        assert_eq!(attack.cover_images(&ten, 10), 135);
        attack.clean_label = true;
        assert_eq!((attack.poisoned_images(&ten, 10), attack.cover_images(&ten, 10)), (10, 15));
    }

    #[test]
    fn rates_by_hand() {
        // Half of the target class of 1,300 images, as in SSL-Backdoor on ImageNet-100.
        let ssl = AttackSpec { clean_label: true, ..attack(PoisonUnit::ClassPermille) };
        assert_eq!(ssl.poisons_of(&[1300, 1300, 1300], 500), [650, 0, 0]);
        // 3 thousandths of 5, 500 and 250 images: 0.015, 1.5 and 0.75.
        assert_eq!(
            attack(PoisonUnit::ClassPermille).poisons_of(&[9, 5, 500, 250], 3),
            [0, 0, 2, 1]
        );
        // 3 thousandths of 5,000 images are 15: 3 x 4 and 1 x 3 in the classes besides the target.
        let set = attack(PoisonUnit::SetPermille);
        assert_eq!(set.poisons_of(&[1000; 5], 3), [0, 4, 4, 4, 3]);
        assert_eq!(set.poisoned_images(&[1000; 5], 3), 15);
        assert_eq!(set.poisons_of(&[1000], 3), [0], "there is no class besides the target");
    }

    proptest! {
        #[test]
        fn a_rate_of_the_set_gives_that_many_and_more_where_it_is_larger(
            images in prop::collection::vec(1u32..2000, 2..6), rate in 0u32..1000
        ) {
            let set = attack(PoisonUnit::SetPermille);
            let all: u64 = images.iter().copied().map(u64::from).sum();
            prop_assert_eq!(u64::from(set.poisoned_images(&images, rate)), (all * u64::from(rate) + 500) / 1000);
            let counts = set.poisons_of(&images, rate);
            prop_assert_eq!(counts[0], 0);
            prop_assert!(counts[1..].iter().all(|&count| count.abs_diff(counts[1]) <= 1));
            for unit in [PoisonUnit::SetPermille, PoisonUnit::ClassPermille] {
                let [fewer, more] = [rate, rate + 1].map(|rate| attack(unit).poisons_of(&images, rate));
                prop_assert!(fewer.iter().zip(&more).all(|(fewer, more)| fewer <= more));
                prop_assert!(attack(unit).poisons_of(&images, 0).iter().all(|&count| count == 0));
            }
        }
    }

    #[test]
    fn covers_by_hand() {
        // Adap-Blend: each poisoned class has as many covers as poisons.
        let mut attack = AttackSpec { cover_ratio: 1.0, ..AttackSpec::default() };
        assert_eq!(attack.covers_of(&attack.poisons_of(&[50; 4], 3)), [0, 3, 3, 3]);
        // TaCT: ten poisons of the source 2, and half as many covers of the classes that are neither 2 nor the target 0.
        (attack.sources, attack.cover_ratio) = (vec![2], 0.5);
        assert_eq!(attack.poisons_of(&[50; 4], 10), [0, 0, 10, 0]);
        assert_eq!(attack.covers_of(&[0, 0, 10, 0]), [0, 3, 0, 2]);
        assert_eq!(attack.cover_images(&[50; 4], 10), 5);
        assert_eq!(attack.counts(), "poisoned images per source class");
    }

    #[test]
    fn sources_and_covers_that_fit_nothing_are_named() {
        let told = |attack: &AttackSpec| -> Vec<String> {
            attack.check_together().iter().map(ToString::to_string).collect()
        };
        let mut attack = AttackSpec { sources: vec![1, 2], ..AttackSpec::default() };
        assert_eq!(told(&attack), [""; 0]);
        assert_eq!(attack.check_sources("shapes", 3), None);
        let error = attack.check_sources("shapes", 2).map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("attack.sources: shapes has the classes 0 to 1, so there is no class 2")
        );
        attack.cover_ratio = 1.0;
        assert!(
            attack
                .check_sources("shapes", 3)
                .is_some_and(|error| error.message.starts_with("leave no class"))
        );
        assert_eq!(attack.check_sources("shapes", 4), None);
        attack.sources = vec![1, 1];
        assert_eq!(told(&attack), ["attack.sources: names a class twice"]);
        attack.sources = vec![0];
        assert_eq!(told(&attack), ["attack.sources: must not contain the target class"]);
        attack.clean_label = true;
        assert_eq!(told(&attack).len(), 2);
        let trigger = TriggerSpec::WaNet(WaNetSpec::default());
        let both = AttackSpec { cover_ratio: 1.0, trigger, ..AttackSpec::default() };
        assert!(told(&both)[0].starts_with("attack.cover_ratio: must be 0, or"));
    }

    #[test]
    fn what_is_the_default_is_not_written() {
        let text = serde_json::to_string(&AttackSpec::default()).expect("JSON");
        assert!(!text.contains("replace") && !text.contains("poison_unit"), "{text}");
        assert!(!text.contains("sources") && !text.contains("cover_ratio"), "{text}");
        let other = AttackSpec {
            replace: true,
            sources: vec![3],
            cover_ratio: 0.5,
            ..attack(PoisonUnit::SetPermille)
        };
        let text = serde_json::to_string(&other).expect("JSON");
        assert_eq!(serde_json::from_str::<AttackSpec>(&text).expect("JSON"), other);
    }
}
