//! The explicit list of poisoned samples of one phase of one run.

mod list;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use list::{PoisonListError, format_list, named_twice, parse_list, resolve_list};

use crate::{
    run_kind::RunKind,
    settings::AttackSpec,
    stream::{Purpose, shuffle, stream},
};

/// One added sample: a copy of a training image. The original stays.
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
    /// Poisoned images per poisoned class (PPR, LPR or FPR).
    pub per_class: u32,
    /// Copies that get the trigger and the target's label, class by class, in drawn or listed order. They are of every class except the
    /// target or, under a clean-label attack, of the target class.
    pub samples: Vec<PoisonedSample>,
    /// Cover samples: copies that are changed like triggered images but keep their label. None of them is in `samples`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<PoisonedSample>,
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
    /// Draws `per_class` images of every class that the attack poisons, then the cover samples, without replacement.
    /// `labels[i]` is the class of training image `i`. For a given seed, a draw of `n` images is a prefix of every larger draw.
    ///
    /// # Errors
    /// When a class has fewer images than requested.
    pub fn draw(
        kind: RunKind,
        labels: &[u32],
        attack: &AttackSpec,
        per_class: u32,
        seed: u64,
    ) -> Result<Self, TooManyPoisons> {
        Self::choose(kind, labels, &[], attack, per_class, seed)
    }

    /// As [`PoisonPlan::draw`], with the first `per_class` of `listed` in each class instead of the first drawn ones.
    fn choose(
        kind: RunKind,
        labels: &[u32],
        listed: &[PoisonedSample],
        attack: &AttackSpec,
        per_class: u32,
        seed: u64,
    ) -> Result<Self, TooManyPoisons> {
        let purpose = match kind {
            RunKind::Pretrain => Purpose::PoisonPretrain,
            RunKind::Knn | RunKind::Probe | RunKind::Defence => Purpose::PoisonProbe,
            RunKind::Finetune => Purpose::PoisonFinetune,
        };
        let target_class = attack.target_class;
        let wanted = per_class.saturating_add(attack.covers_per_class(per_class));
        let classes = labels.iter().max().map_or(0, |&last| last + 1);
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes as usize];
        for (index, &class) in labels.iter().enumerate() {
            members[class as usize].push(index as u32);
        }
        let (mut samples, mut covers) = (Vec::new(), Vec::new());
        for (class, mut indices) in (0..classes).zip(members) {
            if !attack.poisons_class(class) || per_class == 0 {
                continue;
            }
            if indices.len() < wanted as usize {
                return Err(TooManyPoisons { class, available: indices.len(), wanted });
            }
            shuffle(&mut stream(seed, purpose, u64::from(class), 0), &mut indices);
            let listed = listed.iter().filter(|sample| sample.class == class);
            let first: Vec<u32> =
                listed.take(per_class as usize).map(|sample| sample.index).collect();
            let taken: HashSet<u32> = first.iter().copied().collect();
            indices.retain(|index| !taken.contains(index));
            indices.splice(..0, first);
            let mut drawn =
                indices[..wanted as usize].iter().map(|&index| PoisonedSample { index, class });
            samples.extend(drawn.by_ref().take(per_class as usize));
            covers.extend(drawn);
        }
        Ok(Self { kind, seed, target_class, per_class, samples, covers })
    }

    /// Number of samples added to the training set.
    pub fn added(&self) -> usize {
        self.samples.len() + self.covers.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::trigger::{BppSpec, TriggerSpec, WaNetSpec};

    fn attack(target_class: u32) -> AttackSpec {
        AttackSpec {
            target_class,
            clean_label: false,
            poisons: None,
            trigger: TriggerSpec::Bpp(BppSpec::default()),
        }
    }

    proptest! {
        #[test]
        fn a_plan_takes_exactly_n_of_each_poisoned_class(
            classes in 2u32..6, each in 15usize..20, n in 0u32..6, clean_label: bool, covers in 0u32..3, seed: u64
        ) {
            let labels: Vec<u32> = (0..classes).flat_map(|c| std::iter::repeat_n(c, each)).collect();
            let warp = WaNetSpec { cover_ratio: covers as f32, ..WaNetSpec::default() };
            let attack = AttackSpec { target_class: 1, clean_label, poisons: None, trigger: TriggerSpec::WaNet(warp) };
            let plan = PoisonPlan::draw(RunKind::Probe, &labels, &attack, n, seed).expect("enough images");
            let poisoned = if clean_label { 1 } else { classes - 1 };
            prop_assert_eq!(plan.samples.len() as u32, poisoned * n);
            prop_assert_eq!(plan.covers.len() as u32, poisoned * n * covers);
            let all = plan.samples.iter().chain(&plan.covers);
            prop_assert_eq!(all.clone().map(|s| s.index).collect::<HashSet<_>>().len(), plan.added());
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
    fn too_many_poisons_name_the_class() {
        let error = PoisonPlan::draw(RunKind::Probe, &[0, 0, 0, 1, 1, 1, 2], &attack(0), 3, 1)
            .expect_err("class 2 has one");
        assert_eq!(error.to_string(), "class 2 has 1 training images, fewer than the 3 to poison");
    }
}
