//! [`AttackSpec`]: triggers, targets and the choice of the images that get a trigger.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{ComposeSpec, is_false};
use crate::{
    field_error::FieldError,
    metric::{ClassMap, Goal, Target},
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

/// Which class an attack wants triggered images to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttackGoal {
    /// The target class.
    #[default]
    SingleTarget,
    /// The class after their own, the first for the last: `(y + 1) mod n` for class `y` of `n` (Gu, Dolan-Gavitt and Garg 2017, `BadNets`).
    AllToAll,
}

impl AttackGoal {
    /// Whether there is one target class: the default, which is not written.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A backdoor besides the main one: a trigger of its own with a target class of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BackdoorSpec {
    /// The class that images with this trigger should get, counted from 0 in the order of the class names.
    pub target_class: u32,
    /// The trigger. A key image is a built-in one.
    pub trigger: TriggerSpec,
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
    /// Which class triggered images should get.
    #[serde(default, skip_serializing_if = "AttackGoal::is_default")]
    pub goal: AttackGoal,
    /// The attacker's target class, counted from 0 in the order of the class names; without effect with the goal `all_to_all`.
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
    /// Poisons of the pre-training that are composed of several images.
    #[serde(default, skip_serializing_if = "ComposeSpec::is_default")]
    pub compose: ComposeSpec,
    /// The trigger.
    pub trigger: TriggerSpec,
    /// Backdoors besides the main one, which `trigger` and `target_class` make (multi-target, multi-trigger attacks). Each poisons images
    /// of its own, by the same settings and as many as the main one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<BackdoorSpec>,
}

fn is_zero(value: &impl PartialEq<f64>) -> bool {
    *value == 0.0
}

impl Default for AttackSpec {
    /// The published study's strongest blended trigger, on class 0.
    fn default() -> Self {
        let trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
        Self {
            goal: AttackGoal::default(),
            target_class: 0,
            clean_label: false,
            replace: false,
            poison_unit: PoisonUnit::default(),
            poisons: None,
            sources: Vec::new(),
            cover_ratio: 0.0,
            compose: ComposeSpec::default(),
            trigger,
            further: Vec::new(),
        }
    }
}

impl AttackSpec {
    /// Maximum number of backdoors besides the main one.
    pub const MOST_FURTHER: usize = 7;

    /// The attack with the main backdoor alone.
    pub fn main_backdoor(&self) -> Self {
        Self { further: Vec::new(), ..self.clone() }
    }

    /// The attack with each backdoor alone: the main one, then the further ones in order.
    pub fn backdoors(&self) -> Vec<Self> {
        let main = self.main_backdoor();
        let alone = |backdoor: &BackdoorSpec| Self {
            target_class: backdoor.target_class,
            trigger: backdoor.trigger.clone(),
            ..main.clone()
        };
        let further: Vec<Self> = self.further.iter().map(alone).collect();
        std::iter::once(main).chain(further).collect()
    }

    /// Whether each class has another target.
    pub fn is_all_to_all(&self) -> bool {
        self.goal == AttackGoal::AllToAll
    }

    /// Whether images of this class are poisoned.
    pub fn poisons_class(&self, class: u32) -> bool {
        if self.is_all_to_all() {
            return true;
        }
        match (self.clean_label, self.sources.as_slice()) {
            (true, _) => class == self.target_class,
            (false, []) => class != self.target_class,
            (false, sources) => sources.contains(&class),
        }
    }

    /// The class that triggered images should get.
    pub fn target(&self) -> Target {
        match self.goal {
            AttackGoal::SingleTarget => Target::Class(self.target_class),
            AttackGoal::AllToAll => Target::ALL_TO_ALL,
        }
    }

    /// Sets the class that triggered images should get. All-to-all leaves no room for source classes, clean labels and further
    /// backdoors, which are taken back.
    pub fn set_target(&mut self, target: Target) {
        match target {
            Target::Class(class) => {
                (self.goal, self.target_class) = (AttackGoal::SingleTarget, class);
            }
            Target::Mapped(ClassMap::AllToAll) => {
                (self.goal, self.clean_label) = (AttackGoal::AllToAll, false);
                self.sources.clear();
                self.further.clear();
            }
        }
    }

    /// What triggered images should be taken for, in a data set with this number of classes.
    pub fn goal_among(&self, classes: u32) -> Goal {
        match self.goal {
            AttackGoal::SingleTarget => Goal::SingleTarget {
                target_class: self.target_class,
                sources: self.sources.clone(),
            },
            AttackGoal::AllToAll => Goal::AllToAll { classes },
        }
    }

    /// What a number of poisons counts: `poisoned images per non-target class`.
    pub fn counts(&self) -> &'static str {
        if self.is_all_to_all() {
            return match self.poison_unit {
                PoisonUnit::Images => "poisoned images per class",
                PoisonUnit::ClassPermille => "‰ of the images of each class",
                PoisonUnit::SetPermille => "‰ of the training set",
            };
        }
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
        if *clean_label && self.is_all_to_all() {
            wrong(
                "clean_label",
                "must be false with the goal all_to_all, which gives each poison the label of the class after its own",
            );
        }
        if !sources.is_empty() && self.is_all_to_all() {
            wrong("sources", "must be empty with the goal all_to_all, which poisons every class");
        } else if !sources.is_empty() && *clean_label {
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
        errors.extend(self.check_further());
        errors
    }

    /// Checks how many further backdoors there are.
    pub(crate) fn check_number_of_further(&self) -> Option<FieldError> {
        let (many, most) = (self.further.len(), Self::MOST_FURTHER);
        let message = || format!("takes at most {most} backdoors besides the main one, not {many}");
        (many > most).then(|| FieldError::new("attack.further", message()))
    }

    /// The first error of further backdoors that do not fit the attack or each other.
    fn check_further(&self) -> Option<FieldError> {
        let wrong = |message: String| Some(FieldError::new("attack.further", message));
        if self.further.is_empty() {
            return None;
        }
        if let Some(error) = self.check_number_of_further() {
            return Some(error);
        }
        if self.is_all_to_all() {
            let message = "must be empty with the goal all_to_all, whose one trigger has each class as a target";
            return wrong(message.into());
        }
        if self.poisons.is_some() {
            let message =
                "must be empty with a poison list, which does not say which trigger an image gets";
            return wrong(message.into());
        }
        let backdoors = self.backdoors();
        for (i, backdoor) in backdoors.iter().enumerate() {
            if backdoors[..i].iter().any(|other| other.trigger == backdoor.trigger) {
                let label = backdoor.trigger.label();
                return wrong(format!(
                    "must have another trigger for each backdoor: two have {label}"
                ));
            }
            let target = backdoor.target_class;
            if i > 0 && self.sources.contains(&target) {
                return wrong(format!(
                    "must not have the target class {target}, which is among the source classes"
                ));
            }
            if i > 0 && self.cover_ratio > 0.0 && backdoor.trigger.cover_ratio() > 0.0 {
                return wrong(format!(
                    "must have cover_ratio = 0 in the trigger {}, or attack.cover_ratio must be 0: a set has cover samples of one kind",
                    backdoor.trigger.label()
                ));
            }
        }
        None
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
        let covers = |attack: &Self| (0..classes).any(|class| attack.covers_class(class));
        if self.cover_ratio > 0.0 && !self.backdoors().iter().all(covers) {
            return wrong(
                "leave no class for cover samples, which are neither of a source nor of the target"
                    .into(),
            );
        }
        None
    }

    /// Whether cover samples with the trigger are of this class.
    fn covers_class(&self, class: u32) -> bool {
        self.target() != Target::Class(class)
            && self.sources.is_empty() == self.poisons_class(class)
    }

    /// Checks the targets against a data set with this number of classes; `None` if it has these classes, or enough for all-to-all.
    pub fn check_target(&self, dataset: &str, classes: u32) -> Option<FieldError> {
        if self.is_all_to_all() {
            return (classes < 2).then(|| {
                let message = format!(
                    "must be single_target: {dataset} has no second class, which would be the next one"
                );
                FieldError::new("attack.goal", message)
            });
        }
        let wrong = |field: String, target: u32| {
            let last = classes.saturating_sub(1);
            let message =
                format!("{dataset} has the classes 0 to {last}, so there is no class {target}");
            (target >= classes).then(|| FieldError::new(field, message))
        };
        let further = self.further.iter().enumerate();
        let mut further =
            further.map(|(i, backdoor)| (format!("attack.further[{i}].target_class"), backdoor));
        wrong("attack.target_class".into(), self.target_class)
            .or_else(|| further.find_map(|(field, backdoor)| wrong(field, backdoor.target_class)))
    }

    /// Images that the main backdoor poisons of each class, for a number of poisons in the attack's unit and `images[c]` training images of class `c`.
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

    /// Cover samples of the main backdoor of each class, for these poisoned images of each class.
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
        let mut further = self.further.iter();
        self.cover_ratio > 0.0
            || self.trigger.cover_ratio() > 0.0
            || further.any(|backdoor| backdoor.trigger.cover_ratio() > 0.0)
    }

    /// Number of images that all backdoors poison, for `images[c]` training images of class `c`.
    pub fn poisoned_images(&self, images: &[u32], poisons: u32) -> u32 {
        let of = |attack: &Self| sum(&attack.poisons_of(images, poisons));
        sum(&self.backdoors().iter().map(of).collect::<Vec<_>>())
    }

    /// Number of cover samples of all backdoors, for `images[c]` training images of class `c`.
    pub fn cover_images(&self, images: &[u32], poisons: u32) -> u32 {
        let of = |attack: &Self| sum(&attack.covers_of(&attack.poisons_of(images, poisons)));
        sum(&self.backdoors().iter().map(of).collect::<Vec<_>>())
    }
}

fn sum(counts: &[u32]) -> u32 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trigger::{BppSpec, PatchedSpec, SigSpec, WaNetSpec};

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
    fn all_to_all_poisons_each_class_alike() {
        let goal = AttackGoal::AllToAll;
        let mut attack = AttackSpec { goal, target_class: 1, ..AttackSpec::default() };
        assert_eq!(attack.poisons_of(&[50; 4], 10), [10; 4], "also the class of the setting");
        assert_eq!(attack.counts(), "poisoned images per class");
        attack.poison_unit = PoisonUnit::ClassPermille;
        assert_eq!(attack.poisons_of(&[500, 250, 100], 10), [5, 3, 1]);
        // The same number in all as with one target, shared among four classes instead of three.
        attack.poison_unit = PoisonUnit::SetPermille;
        assert_eq!(attack.poisons_of(&[1000; 4], 3), [3; 4]);
        let single = AttackSpec { goal: AttackGoal::SingleTarget, ..attack.clone() };
        assert_eq!(single.poisons_of(&[1000; 4], 3), [4, 0, 4, 4]);
        attack.cover_ratio = 1.0;
        assert_eq!(attack.covers_of(&[3; 4]), [3; 4]);
        assert_eq!(attack.check_sources("shapes", 4), None);
    }

    #[test]
    fn all_to_all_takes_no_sources_no_clean_label_and_two_classes() {
        let told = |attack: &AttackSpec| -> Vec<String> {
            attack.check_together().iter().map(ToString::to_string).collect()
        };
        let goal = AttackGoal::AllToAll;
        // The target class has no effect, so it cannot be wrong.
        let sound = AttackSpec { goal, target_class: 70, ..AttackSpec::default() };
        assert_eq!((told(&sound), sound.check_target("shapes", 2)), (Vec::new(), None));
        let error = sound.check_target("one", 1).map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "attack.goal: must be single_target: one has no second class, which would be the next one"
            )
        );
        let wrong = AttackSpec { clean_label: true, sources: vec![1], ..sound.clone() };
        assert_eq!(
            told(&wrong),
            [
                "attack.clean_label: must be false with the goal all_to_all, which gives each poison the label of the class after its own",
                "attack.sources: must be empty with the goal all_to_all, which poisons every class"
            ]
        );
        let mut set = AttackSpec { goal: AttackGoal::SingleTarget, ..wrong };
        set.set_target(Target::ALL_TO_ALL);
        assert_eq!((told(&set), set.target()), (Vec::new(), Target::ALL_TO_ALL));
        assert_eq!(set.goal_among(5), Goal::AllToAll { classes: 5 });
        set.set_target(Target::Class(4));
        assert_eq!((set.goal_among(5), set.target()), (4.into(), Target::Class(4)));
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

    fn further(target_class: u32, trigger: TriggerSpec) -> BackdoorSpec {
        BackdoorSpec { target_class, trigger }
    }

    #[test]
    fn each_backdoor_poisons_and_covers_by_the_same_settings() {
        let patched = TriggerSpec::Patched(PatchedSpec::default());
        let warp = WaNetSpec { cover_ratio: 2.0, ..WaNetSpec::default() };
        let further = vec![further(1, patched.clone()), further(3, TriggerSpec::WaNet(warp))];
        let mut attack = AttackSpec { further, ..AttackSpec::default() };
        let alone = attack.backdoors();
        assert_eq!(alone[0], AttackSpec { further: Vec::new(), ..attack.clone() });
        assert_eq!((alone[1].target_class, &alone[1].trigger), (1, &patched));
        let of_classes: Vec<_> = alone.iter().map(|one| one.poisons_of(&[50; 4], 10)).collect();
        assert_eq!(of_classes, [[0, 10, 10, 10], [10, 0, 10, 10], [10, 10, 10, 0]]);
        assert_eq!(attack.poisoned_images(&[50; 4], 10), 90);
        // Two covers for each poison of the warp alone.
        assert_eq!((attack.cover_images(&[50; 4], 10), attack.has_covers()), (60, true));
        // A clean-label attack poisons each target's own images.
        attack.clean_label = true;
        assert_eq!(attack.poisoned_images(&[50; 4], 10), 30);
        assert_eq!(attack.backdoors()[2].poisons_of(&[50; 4], 10), [0, 0, 0, 10]);
        attack.clean_label = false;
        attack.sources = vec![2];
        assert_eq!(attack.poisoned_images(&[50; 4], 10), 30);
    }

    #[test]
    fn further_backdoors_that_fit_nothing_are_named() {
        let told = |attack: &AttackSpec| -> Vec<String> {
            attack.check_together().iter().map(ToString::to_string).collect()
        };
        let sig = TriggerSpec::Sig(SigSpec::default());
        let with = |further: Vec<BackdoorSpec>| AttackSpec { further, ..AttackSpec::default() };
        let sound =
            with(vec![further(1, sig.clone()), further(0, TriggerSpec::Bpp(BppSpec::default()))]);
        assert_eq!(told(&sound), [""; 0], "two backdoors may have one target class");
        assert_eq!(sound.check_target("shapes", 2), None);
        let missing = sound.check_target("shapes", 1).map(|error| error.to_string());
        assert_eq!(
            missing.as_deref(),
            Some(
                "attack.further[0].target_class: shapes has the classes 0 to 0, so there is no class 1"
            )
        );
        let mut all = AttackSpec { goal: AttackGoal::AllToAll, ..sound.clone() };
        assert!(
            told(&all)[0].starts_with("attack.further: must be empty with the goal all_to_all")
        );
        all.set_target(Target::ALL_TO_ALL);
        assert_eq!((told(&all), all.further), (Vec::new(), Vec::new()));
        let list = AttackSpec { poisons: Some(["a".into()].into()), ..sound.clone() };
        assert!(told(&list)[0].starts_with("attack.further: must be empty with a poison list"));
        let sources = AttackSpec { sources: vec![1], ..sound.clone() };
        assert_eq!(
            told(&sources),
            ["attack.further: must not have the target class 1, which is among the source classes"]
        );
        let own = AttackSpec::default().trigger;
        assert_eq!(
            told(&with(vec![further(1, sig.clone()), further(2, own)])),
            [
                "attack.further: must have another trigger for each backdoor: two have blended stripes 0.40"
            ]
        );
        let warp = TriggerSpec::WaNet(WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() });
        let covered = AttackSpec { cover_ratio: 1.0, ..with(vec![further(1, warp)]) };
        assert!(told(&covered)[0].starts_with("attack.further: must have cover_ratio = 0"));
        let many = with(vec![further(1, sig); 8]);
        assert_eq!(
            told(&many),
            ["attack.further: takes at most 7 backdoors besides the main one, not 8"]
        );
    }

    #[test]
    fn further_backdoors_are_written_and_read() {
        let attack = AttackSpec {
            further: vec![further(3, TriggerSpec::Sig(SigSpec::default()))],
            ..AttackSpec::default()
        };
        let text = serde_json::to_string(&attack).expect("JSON");
        assert!(text.contains(r#""further":[{"target_class":3,"trigger":{"kind":"sig""#), "{text}");
        assert_eq!(serde_json::from_str::<AttackSpec>(&text).expect("JSON"), attack);
        let strange = text.replace(r#""target_class":3"#, r#""target":3"#);
        assert!(serde_json::from_str::<AttackSpec>(&strange).is_err());
    }

    #[test]
    fn what_is_the_default_is_not_written() {
        let text = serde_json::to_string(&AttackSpec::default()).expect("JSON");
        assert!(!text.contains("further"), "{text}");
        assert!(!text.contains("replace") && !text.contains("poison_unit"), "{text}");
        assert!(!text.contains("sources") && !text.contains("cover_ratio"), "{text}");
        assert!(!text.contains("goal") && !text.contains("compose"), "{text}");
        let other = AttackSpec {
            goal: AttackGoal::AllToAll,
            replace: true,
            sources: vec![3],
            cover_ratio: 0.5,
            compose: ComposeSpec { references: 2, ..ComposeSpec::default() },
            ..attack(PoisonUnit::SetPermille)
        };
        let text = serde_json::to_string(&other).expect("JSON");
        assert_eq!(serde_json::from_str::<AttackSpec>(&text).expect("JSON"), other);
    }
}
