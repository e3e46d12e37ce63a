//! The explicit list of poisoned samples of one phase of one run.

mod list;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use list::{PoisonListError, format_list, named_twice, parse_list, resolve_list};

use crate::{
    run_kind::RunKind,
    settings::{AttackSpec, PoisonUnit},
    stream::{Purpose, shuffle, stream},
};

/// One poisoned sample: a copy of a training image, beside it or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoisonedSample {
    /// Index of the image in the training set of the study (after its per-class limit).
    pub index: u32,
    /// Its true class.
    pub class: u32,
}

/// The images that one phase poisons. Stored with the run; shown in the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PoisonPlan {
    /// Kind of the run that trains on these samples.
    #[serde(alias = "phase")]
    pub kind: RunKind,
    /// The study's seed, from which the samples were drawn, unless the study lists them.
    pub seed: u64,
    /// The class that poisoned samples are labelled with.
    pub target_class: u32,
    /// Poisoned images per poisoned class (PPR, LPR or FPR), or their rate in another unit.
    pub per_class: u32,
    /// What `per_class` counts.
    #[serde(default, skip_serializing_if = "PoisonUnit::is_default")]
    pub unit: PoisonUnit,
    /// Whether samples and covers take the place of their originals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// Copies that get the trigger and the target's label, class by class, in drawn or listed order. They are of every class except the
    /// target, of the source classes or, under a clean-label attack, of the target class.
    pub samples: Vec<PoisonedSample>,
    /// Whether cover samples get the trigger itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub triggered_covers: bool,
    /// Cover samples: copies that are changed like triggered images but keep their label. None of them is in `samples`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<PoisonedSample>,
}

/// How many images a phase poisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Number of poisons in the attack's unit (PPR, LPR or FPR).
    pub poisons: u32,
    /// Most images to poison of a class.
    pub most: u32,
}

impl From<u32> for Amount {
    fn from(poisons: u32) -> Self {
        Self { poisons, most: u32::MAX }
    }
}

impl Amount {
    /// The number of poisons as it is kept in a plan: images of a class are bounded themselves.
    fn kept(self, unit: PoisonUnit) -> u32 {
        if unit == PoisonUnit::Images { self.poisons.min(self.most) } else { self.poisons }
    }

    /// Images to poison of each class, of which there are `images[c]`.
    fn of_classes(self, attack: &AttackSpec, images: &[u32]) -> Vec<u32> {
        let counts = attack.poisons_of(images, self.poisons);
        counts.into_iter().map(|count| count.min(self.most)).collect()
    }
}

/// The images of each class, by their indices.
fn members(labels: &[u32]) -> Vec<Vec<u32>> {
    let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
    let mut members = vec![Vec::new(); classes];
    for (index, &class) in labels.iter().enumerate() {
        members[class as usize].push(index as u32);
    }
    members
}

/// The number of images of each class.
fn class_counts(members: &[Vec<u32>]) -> Vec<u32> {
    members.iter().map(|members| members.len() as u32).collect()
}

/// A class has too few images for the requested number of poisons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("class {class} has {available} training images, fewer than the {wanted} to poison")]
pub struct TooManyPoisons {
    /// The class.
    pub class: u32,
    /// Its number of training images.
    pub available: usize,
    /// The requested number of poisoned images, including cover samples.
    pub wanted: u32,
}

impl PoisonPlan {
    /// Draws images of every class that the attack poisons, as many as `amount` gives, then the cover samples, without replacement.
    /// `labels[i]` is the class of training image `i`. For a given seed, a draw of few images is a prefix of every larger draw.
    ///
    /// # Errors
    /// When a class has fewer images than requested.
    pub fn draw(
        kind: RunKind,
        labels: &[u32],
        attack: &AttackSpec,
        amount: impl Into<Amount>,
        seed: u64,
    ) -> Result<Self, TooManyPoisons> {
        Self::choose(kind, labels, &[], attack, amount.into(), seed)
    }

    /// As [`PoisonPlan::draw`], with the first of `listed` in each class instead of the first drawn ones.
    fn choose(
        kind: RunKind,
        labels: &[u32],
        listed: &[PoisonedSample],
        attack: &AttackSpec,
        amount: Amount,
        seed: u64,
    ) -> Result<Self, TooManyPoisons> {
        let purpose = match kind {
            RunKind::Pretrain | RunKind::Implant => Purpose::PoisonPretrain,
            RunKind::Knn | RunKind::Probe | RunKind::Defence => Purpose::PoisonProbe,
            RunKind::Finetune => Purpose::PoisonFinetune,
        };
        let members = members(labels);
        let poisons = amount.of_classes(attack, &class_counts(&members));
        let of_classes = poisons.iter().copied().zip(attack.covers_of(&poisons));
        let (mut samples, mut covers) = (Vec::new(), Vec::new());
        for ((class, mut indices), (poisoned, covered)) in (0..).zip(members).zip(of_classes) {
            let wanted = poisoned.saturating_add(covered);
            if wanted == 0 {
                continue;
            }
            if indices.len() < wanted as usize {
                return Err(TooManyPoisons { class, available: indices.len(), wanted });
            }
            shuffle(&mut stream(seed, purpose, u64::from(class), 0), &mut indices);
            let listed = listed.iter().filter(|sample| sample.class == class);
            let first: Vec<u32> =
                listed.take(poisoned as usize).map(|sample| sample.index).collect();
            let taken: HashSet<u32> = first.iter().copied().collect();
            indices.retain(|index| !taken.contains(index));
            indices.splice(..0, first);
            let mut drawn =
                indices[..wanted as usize].iter().map(|&index| PoisonedSample { index, class });
            samples.extend(drawn.by_ref().take(poisoned as usize));
            covers.extend(drawn);
        }
        Ok(Self {
            kind,
            seed,
            target_class: attack.target_class,
            per_class: amount.kept(attack.poison_unit),
            unit: attack.poison_unit,
            replaces: attack.replace,
            triggered_covers: attack.cover_ratio > 0.0,
            samples,
            covers,
        })
    }

    /// The samples that the attacker makes: the poisoned ones, then the cover samples.
    pub fn made(&self) -> impl Iterator<Item = &PoisonedSample> {
        self.samples.iter().chain(&self.covers)
    }

    /// Number of samples that the training set gets more: none where they take the place of their originals.
    pub fn added(&self) -> usize {
        if self.replaces { 0 } else { self.samples.len() + self.covers.len() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::trigger::{BppSpec, TriggerSpec, WaNetSpec};

    fn attack(target_class: u32) -> AttackSpec {
        let trigger = TriggerSpec::Bpp(BppSpec::default());
        AttackSpec { target_class, trigger, ..AttackSpec::default() }
    }

    proptest! {
        #[test]
        fn a_plan_takes_exactly_n_of_each_poisoned_class(
            classes in 2u32..6, each in 15usize..20, n in 0u32..6, clean_label: bool, covers in 0u32..3, seed: u64
        ) {
            let labels: Vec<u32> = (0..classes).flat_map(|c| std::iter::repeat_n(c, each)).collect();
            let warp = WaNetSpec { cover_ratio: covers as f32, ..WaNetSpec::default() };
            let trigger = TriggerSpec::WaNet(warp);
            let attack = AttackSpec { target_class: 1, clean_label, trigger, ..AttackSpec::default() };
            let plan = PoisonPlan::draw(RunKind::Probe, &labels, &attack, n, seed).expect("enough images");
            let poisoned = if clean_label { 1 } else { classes - 1 };
            prop_assert_eq!(plan.samples.len() as u32, poisoned * n);
            prop_assert_eq!(plan.covers.len() as u32, poisoned * n * covers);
            let all = plan.samples.iter().chain(&plan.covers);
            prop_assert_eq!(all.clone().map(|s| s.index).collect::<HashSet<_>>().len(), plan.added());
            prop_assert_eq!(plan.made().count(), plan.added());
            for sample in all {
                prop_assert_eq!(labels[sample.index as usize], sample.class);
                prop_assert_eq!(sample.class == 1, clean_label);
            }
        }
    }

    #[test]
    fn fewer_poisons_are_a_part_of_more() {
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let few = PoisonPlan::draw(RunKind::Pretrain, &labels, &attack(0), 2, 4).expect("plan");
        let many = PoisonPlan::draw(RunKind::Pretrain, &labels, &attack(0), 9, 4).expect("plan");
        assert!(few.samples.iter().all(|sample| many.samples.contains(sample)));
    }

    #[test]
    fn phases_and_seeds_draw_apart() {
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let plan = |kind, seed| {
            PoisonPlan::draw(kind, &labels, &attack(0), 9, seed).expect("plan").samples
        };
        assert_ne!(plan(RunKind::Pretrain, 1), plan(RunKind::Probe, 1));
        assert_ne!(plan(RunKind::Probe, 1), plan(RunKind::Probe, 2));
    }

    #[test]
    fn half_of_the_target_class_by_hand() {
        let unit = PoisonUnit::ClassPermille;
        let ssl = AttackSpec { clean_label: true, replace: true, poison_unit: unit, ..attack(1) };
        let labels = [0, 1, 1, 2, 1, 0, 1, 1, 1];
        let plan = PoisonPlan::draw(RunKind::Pretrain, &labels, &ssl, 500, 2).expect("plan");
        assert_eq!((plan.samples.len(), plan.added(), plan.per_class), (3, 0, 500));
        assert!(plan.samples.iter().all(|s| s.class == 1 && labels[s.index as usize] == 1));
        // All that is in the plan of a smaller rate is in that of a larger one.
        let all = PoisonPlan::draw(RunKind::Pretrain, &labels, &ssl, 1000, 2).expect("plan");
        assert_eq!(all.samples[..3], plan.samples);
        assert_eq!(all.samples.len(), 6);
        let most = Amount { poisons: 500, most: 2 };
        let few = PoisonPlan::draw(RunKind::Knn, &labels, &ssl, most, 2).expect("plan");
        assert_eq!((few.samples.len(), few.per_class), (2, 500));
        let beside = AttackSpec { replace: false, ..ssl };
        let plan = PoisonPlan::draw(RunKind::Pretrain, &labels, &beside, 500, 2).expect("plan");
        assert_eq!((plan.samples.len(), plan.added()), (3, 3));
        let images = AttackSpec { poison_unit: PoisonUnit::Images, ..beside };
        let few =
            PoisonPlan::draw(RunKind::Knn, &labels, &images, Amount { poisons: 5, most: 2 }, 2);
        assert_eq!(few.map(|plan| (plan.samples.len(), plan.per_class)), Ok((2, 2)));
    }

    #[test]
    fn a_source_specific_plan_by_hand() {
        let tact = AttackSpec { sources: vec![2], cover_ratio: 2.0, ..attack(0) };
        let labels: Vec<u32> = (0..40).map(|i| i % 4).collect();
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, &tact, 3, 5).expect("plan");
        let classes = |samples: &[PoisonedSample]| -> Vec<u32> {
            samples.iter().map(|sample| sample.class).collect()
        };
        assert_eq!(classes(&plan.samples), [2, 2, 2]);
        assert_eq!(classes(&plan.covers), [1, 1, 1, 3, 3, 3]);
        assert!(plan.triggered_covers);
        assert_eq!(plan.made().map(|s| s.index).collect::<HashSet<_>>().len(), 9);
    }

    #[test]
    fn a_plan_of_copies_is_written_as_before_there_were_others() {
        let plan = PoisonPlan::draw(RunKind::Probe, &[0, 1], &attack(0), 1, 1).expect("plan");
        assert_eq!(
            serde_json::to_string(&plan).expect("JSON"),
            r#"{"kind":"probe","seed":1,"target_class":0,"per_class":1,"samples":[{"index":1,"class":1}]}"#
        );
    }

    #[test]
    fn too_many_poisons_name_the_class() {
        let error = PoisonPlan::draw(RunKind::Probe, &[0, 0, 0, 1, 1, 1, 2], &attack(0), 3, 1)
            .expect_err("class 2 has one");
        assert_eq!(error.to_string(), "class 2 has 1 training images, fewer than the 3 to poison");
    }
}
