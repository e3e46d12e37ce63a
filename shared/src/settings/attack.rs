//! [`AttackSpec`]: trigger, target and the choice of the images that get the trigger.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::is_false;
use crate::{
    field_error::FieldError,
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

    /// What a number of poisons counts: `poisoned images per non-target class`.
    pub fn counts(self, clean_label: bool) -> &'static str {
        match (self, clean_label) {
            (Self::Images, false) => "poisoned images per non-target class",
            (Self::Images, true) => "poisoned images of the target class",
            (Self::ClassPermille, false) => "‰ of the images of each non-target class",
            (Self::ClassPermille, true) => "‰ of the images of the target class",
            (Self::SetPermille, _) => "‰ of the training set",
        }
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
    /// The trigger.
    pub trigger: TriggerSpec,
}

impl Default for AttackSpec {
    /// The published study's strongest blended trigger, on class 0.
    fn default() -> Self {
        let trigger = TriggerSpec::Blended(BlendedSpec { ratio: 0.4, key: "stripes".into() });
        Self {
            target_class: 0,
            clean_label: false,
            replace: false,
            poison_unit: PoisonUnit::default(),
            poisons: None,
            trigger,
        }
    }
}

impl AttackSpec {
    /// Whether images of this class are poisoned.
    pub fn poisons_class(&self, class: u32) -> bool {
        (class == self.target_class) == self.clean_label
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
        let ratio = f64::from(self.trigger.cover_ratio());
        poisons.iter().map(|&count| (ratio * f64::from(count)).round() as u32).collect()
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
    fn what_is_the_default_is_not_written() {
        let text = serde_json::to_string(&AttackSpec::default()).expect("JSON");
        assert!(!text.contains("replace") && !text.contains("poison_unit"), "{text}");
        let other = AttackSpec { replace: true, ..attack(PoisonUnit::SetPermille) };
        let text = serde_json::to_string(&other).expect("JSON");
        assert_eq!(serde_json::from_str::<AttackSpec>(&text).expect("JSON"), other);
    }
}
