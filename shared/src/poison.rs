//! The explicit list of poisoned samples of one phase of one run.

mod compose;
mod list;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use compose::{ComposeError, Composer, reference_order};
pub use list::{PoisonListError, format_list, named_twice, parse_list, resolve_list};

use crate::{
    composition::Composition,
    metric::{ClassMap, Target},
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
    /// The label that a poisoned sample gets, where it is not the target class of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<u32>,
    /// The backdoor whose trigger it gets: 0 for the main one, `i` for the `i`th of the attack's further ones, counted from 1.
    #[serde(default, skip_serializing_if = "is_main")]
    pub backdoor: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_main(backdoor: &u32) -> bool {
    *backdoor == 0
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
    /// The class that poisoned samples of the main backdoor are labelled with; `all_to_all` where each sample has a label of its own.
    pub target_class: Target,
    /// Images that each backdoor poisons of each class that it poisons (PPR, LPR or FPR), or their rate in another unit.
    pub per_class: u32,
    /// What `per_class` counts.
    #[serde(default, skip_serializing_if = "PoisonUnit::is_default")]
    pub unit: PoisonUnit,
    /// Whether samples and covers take the place of their originals.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// Copies that get the trigger and the target's label, class by class, in drawn or listed order. They are of every class except the
    /// target, of the source classes, under a clean-label attack of the target class or, under an all-to-all attack, of every class. Those
    /// of further backdoors follow, one backdoor after the other; each image is there once.
    pub samples: Vec<PoisonedSample>,
    /// What the samples are composed of, in their order; none where a sample is its image with the trigger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compositions: Vec<Composition>,
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

/// What one backdoor takes.
struct Drawn {
    /// The attack with this backdoor alone.
    alone: AttackSpec,
    /// Wanted poisoned images of each class.
    poisons: Vec<u32>,
    /// Wanted cover samples of each class.
    wanted_covers: Vec<u32>,
    samples: Vec<PoisonedSample>,
    covers: Vec<PoisonedSample>,
}

impl Drawn {
    /// Nothing yet, of these images of each class.
    fn of(alone: AttackSpec, amount: Amount, members: &[Vec<u32>]) -> Self {
        let poisons = amount.of_classes(&alone, &class_counts(members));
        let wanted_covers = alone.covers_of(&poisons);
        Self { alone, poisons, wanted_covers, samples: Vec::new(), covers: Vec::new() }
    }
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
    /// `labels[i]` is the class of training image `i`, one of `classes`. For a given seed, a draw of few images is a prefix of every larger
    /// draw.
    ///
    /// Each further backdoor draws by the same rules. It takes images that no other one has: the main backdoor's are those that it would draw
    /// alone, and the further ones take theirs in turn from the other end of the same order. So their draws are prefixes, too, unless
    /// `set_permille` gives two of them different counts of a class.
    ///
    /// # Errors
    /// When a class has fewer images than requested.
    pub fn draw(
        kind: RunKind,
        labels: &[u32],
        classes: u32,
        attack: &AttackSpec,
        amount: impl Into<Amount>,
        seed: u64,
    ) -> Result<Self, TooManyPoisons> {
        Self::choose(kind, labels, classes, &[], attack, amount.into(), seed)
    }

    /// As [`PoisonPlan::draw`], with the first of `listed` in each class instead of the first drawn ones.
    fn choose(
        kind: RunKind,
        labels: &[u32],
        classes: u32,
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
        let goal = attack.goal_among(classes);
        let members = members(labels);
        let mut backdoors: Vec<Drawn> = attack
            .backdoors()
            .into_iter()
            .map(|alone| Drawn::of(alone, amount, &members))
            .collect();
        for (class, mut indices) in (0..).zip(members) {
            let at = class as usize;
            let wanted = backdoors
                .iter()
                .flat_map(|drawn| [drawn.poisons[at], drawn.wanted_covers[at]])
                .fold(0, u32::saturating_add);
            if wanted == 0 {
                continue;
            }
            if indices.len() < wanted as usize {
                return Err(TooManyPoisons { class, available: indices.len(), wanted });
            }
            shuffle(&mut stream(seed, purpose, u64::from(class), 0), &mut indices);
            let (main, further) = backdoors.split_first_mut().expect("the main backdoor");
            let poisoned = main.poisons[at] as usize;
            let listed = listed.iter().filter(|sample| sample.class == class);
            let first: Vec<u32> = listed.take(poisoned).map(|sample| sample.index).collect();
            let taken: HashSet<u32> = first.iter().copied().collect();
            indices.retain(|index| !taken.contains(index));
            indices.splice(..0, first);
            let mut rest = indices.split_off(poisoned + main.wanted_covers[at] as usize);
            let (poisoned, covered) = indices.split_at(poisoned);
            let own = attack.is_all_to_all().then(|| goal.target_of(class));
            let of = |label, backdoor| {
                move |index: u32| PoisonedSample { index, class, label, backdoor }
            };
            main.samples.extend(poisoned.iter().copied().map(of(own, 0)));
            main.covers.extend(covered.iter().copied().map(of(None, 0)));
            let most = further.iter().map(|drawn| drawn.poisons[at]).max().unwrap_or(0);
            for turn in 0..most {
                for (i, drawn) in (1..).zip(&mut *further) {
                    let label = Some(drawn.alone.target_class);
                    let index = if turn < drawn.poisons[at] { rest.pop() } else { None };
                    drawn.samples.extend(index.map(of(label, i)));
                }
            }
            for (i, drawn) in (1..).zip(further) {
                let from = rest.len().saturating_sub(drawn.wanted_covers[at] as usize);
                drawn.covers.extend(rest.split_off(from).into_iter().map(of(None, i)));
            }
        }
        let (samples, covers): (Vec<_>, Vec<_>) =
            backdoors.into_iter().map(|drawn| (drawn.samples, drawn.covers)).unzip();
        let (samples, covers) = (samples.concat(), covers.concat());
        Ok(Self {
            kind,
            seed,
            target_class: attack.target(),
            per_class: amount.kept(attack.poison_unit),
            unit: attack.poison_unit,
            replaces: attack.replace,
            triggered_covers: attack.cover_ratio > 0.0,
            samples,
            compositions: Vec::new(),
            covers,
        })
    }

    /// The label that one of the poisoned samples gets.
    pub fn label_of(&self, sample: &PoisonedSample) -> u32 {
        sample.label.unwrap_or(match self.target_class {
            Target::Class(class) => class,
            Target::Mapped(ClassMap::AllToAll) => sample.class,
        })
    }

    /// Number of backdoors that poison an image: 1, unless the attack has further ones.
    pub fn backdoors(&self) -> usize {
        self.samples.iter().map(|sample| sample.backdoor as usize + 1).max().unwrap_or(1)
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
    use crate::{
        settings::{AttackGoal, BackdoorSpec},
        trigger::{BppSpec, SigSpec, TriggerSpec, WaNetSpec},
    };

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
            let plan = PoisonPlan::draw(RunKind::Probe, &labels, classes, &attack, n, seed).expect("enough images");
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
        let few = PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &attack(0), 2, 4).expect("plan");
        let many = PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &attack(0), 9, 4).expect("plan");
        assert!(few.samples.iter().all(|sample| many.samples.contains(sample)));
    }

    #[test]
    fn phases_and_seeds_draw_apart() {
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let plan = |kind, seed| {
            PoisonPlan::draw(kind, &labels, 3, &attack(0), 9, seed).expect("plan").samples
        };
        assert_ne!(plan(RunKind::Pretrain, 1), plan(RunKind::Probe, 1));
        assert_ne!(plan(RunKind::Probe, 1), plan(RunKind::Probe, 2));
    }

    #[test]
    fn half_of_the_target_class_by_hand() {
        let unit = PoisonUnit::ClassPermille;
        let ssl = AttackSpec { clean_label: true, replace: true, poison_unit: unit, ..attack(1) };
        let labels = [0, 1, 1, 2, 1, 0, 1, 1, 1];
        let plan = PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &ssl, 500, 2).expect("plan");
        assert_eq!((plan.samples.len(), plan.added(), plan.per_class), (3, 0, 500));
        assert!(plan.samples.iter().all(|s| s.class == 1 && labels[s.index as usize] == 1));
        // All that is in the plan of a smaller rate is in that of a larger one.
        let all = PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &ssl, 1000, 2).expect("plan");
        assert_eq!(all.samples[..3], plan.samples);
        assert_eq!(all.samples.len(), 6);
        let most = Amount { poisons: 500, most: 2 };
        let few = PoisonPlan::draw(RunKind::Knn, &labels, 3, &ssl, most, 2).expect("plan");
        assert_eq!((few.samples.len(), few.per_class), (2, 500));
        let beside = AttackSpec { replace: false, ..ssl };
        let plan = PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &beside, 500, 2).expect("plan");
        assert_eq!((plan.samples.len(), plan.added()), (3, 3));
        let images = AttackSpec { poison_unit: PoisonUnit::Images, ..beside };
        let few =
            PoisonPlan::draw(RunKind::Knn, &labels, 3, &images, Amount { poisons: 5, most: 2 }, 2);
        assert_eq!(few.map(|plan| (plan.samples.len(), plan.per_class)), Ok((2, 2)));
    }

    #[test]
    fn a_source_specific_plan_by_hand() {
        let tact = AttackSpec { sources: vec![2], cover_ratio: 2.0, ..attack(0) };
        let labels: Vec<u32> = (0..40).map(|i| i % 4).collect();
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 4, &tact, 3, 5).expect("plan");
        let classes = |samples: &[PoisonedSample]| -> Vec<u32> {
            samples.iter().map(|sample| sample.class).collect()
        };
        assert_eq!(classes(&plan.samples), [2, 2, 2]);
        assert_eq!(classes(&plan.covers), [1, 1, 1, 3, 3, 3]);
        assert!(plan.triggered_covers);
        assert_eq!(plan.made().map(|s| s.index).collect::<HashSet<_>>().len(), 9);
    }

    #[test]
    fn an_all_to_all_plan_by_hand() {
        let all = AttackSpec { goal: AttackGoal::AllToAll, cover_ratio: 0.5, ..attack(0) };
        // The last of four classes has no image: class 2 is not the last one.
        let labels: Vec<u32> = (0..30).map(|i| i % 3).collect();
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 4, &all, 2, 5).expect("plan");
        let told: Vec<_> = plan.samples.iter().map(|s| (s.class, plan.label_of(s))).collect();
        assert_eq!(told, [(0, 1), (0, 1), (1, 2), (1, 2), (2, 3), (2, 3)]);
        assert!(plan.samples.iter().all(|s| labels[s.index as usize] == s.class));
        let covers: Vec<_> = plan.covers.iter().map(|s| (s.class, s.label)).collect();
        assert_eq!(covers, [(0, None), (1, None), (2, None)]);
        let plan = PoisonPlan::draw(RunKind::Probe, &labels, 3, &all, 1, 5).expect("plan");
        let told: Vec<_> = plan.samples.iter().map(|s| (s.class, plan.label_of(s))).collect();
        assert_eq!(told, [(0, 1), (1, 2), (2, 0)]);
        let text = serde_json::to_string(&plan).expect("JSON");
        assert!(text.contains(r#""target_class":"all_to_all""#), "{text}");
        assert!(text.contains(r#""class":2,"label":0}"#), "{text}");
        assert_eq!(serde_json::from_str::<PoisonPlan>(&text).expect("JSON"), plan);
    }

    #[test]
    fn other_targets_take_the_same_images_of_a_class() {
        let labels: Vec<u32> = (0..300).map(|i| i % 3).collect();
        let plan = |attack: &AttackSpec| {
            let plan = PoisonPlan::draw(RunKind::Probe, &labels, 3, attack, 9, 1).expect("plan");
            let ones = plan.samples.into_iter().filter(|sample| sample.class == 1);
            ones.map(|sample| sample.index).collect::<Vec<_>>()
        };
        let all = AttackSpec { goal: AttackGoal::AllToAll, ..attack(0) };
        assert_eq!(plan(&all), plan(&attack(0)), "runs differ in labels, not in images");
    }

    /// The attack on class 0, and backdoors of the classes 1 and 2, the last one with as many covers as poisons.
    fn several() -> AttackSpec {
        let warp = WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() };
        let further = vec![
            BackdoorSpec { target_class: 1, trigger: TriggerSpec::Sig(SigSpec::default()) },
            BackdoorSpec { target_class: 2, trigger: TriggerSpec::WaNet(warp) },
        ];
        AttackSpec { further, ..attack(0) }
    }

    #[test]
    fn a_plan_of_several_backdoors_by_hand() {
        let labels: Vec<u32> = (0..80).map(|i| i % 4).collect();
        let draw = |attack: &AttackSpec, n| {
            PoisonPlan::draw(RunKind::Probe, &labels, 4, attack, n, 5).expect("a plan")
        };
        let plan = draw(&several(), 2);
        let told: Vec<_> =
            plan.samples.iter().map(|s| (s.backdoor, s.class, plan.label_of(s))).collect();
        // Each class but the backdoor's target, twice.
        let expected = [
            [(0, 1, 0), (0, 2, 0), (0, 3, 0)],
            [(1, 0, 1), (1, 2, 1), (1, 3, 1)],
            [(2, 0, 2), (2, 1, 2), (2, 3, 2)],
        ];
        let twice: Vec<_> = expected.into_iter().flatten().flat_map(|each| [each, each]).collect();
        assert_eq!(told, twice);
        let covers: Vec<_> = plan.covers.iter().map(|s| (s.backdoor, s.class, s.label)).collect();
        let twice = [0, 1, 3].map(|class| [(2, class, None); 2]);
        assert_eq!(covers, twice.concat());
        assert!(plan.made().all(|s| labels[s.index as usize] == s.class));
        let images: HashSet<_> = plan.made().map(|s| s.index).collect();
        assert_eq!((images.len(), plan.added(), plan.backdoors()), (24, 24, 3));

        // The main backdoor poisons what it poisons alone.
        let alone = draw(&attack(0), 2);
        assert_eq!((&plan.samples[..6], alone.backdoors()), (&alone.samples[..], 1));
        let text = serde_json::to_string(&plan).expect("JSON");
        assert!(text.contains(r#""class":2,"label":1,"backdoor":1}"#), "{text}");
        assert_eq!(serde_json::from_str::<PoisonPlan>(&text).expect("JSON"), plan);
    }

    proptest! {
        #[test]
        fn every_backdoor_draws_a_part_of_what_it_draws_at_more_poisons(
            n in 0u32..5, more in 0u32..3, seed: u64, replace: bool, clean_label: bool
        ) {
            let labels: Vec<u32> = (0..160).map(|i| i % 4).collect();
            let attack = AttackSpec { clean_label, replace, ..several() };
            let draw = |attack: &AttackSpec, n| {
                PoisonPlan::draw(RunKind::Pretrain, &labels, 4, attack, n, seed).expect("a plan")
            };
            let [few, many] = [n, n + more].map(|n| draw(&attack, n));
            prop_assert!(few.samples.iter().all(|sample| many.samples.contains(sample)));
            let images: HashSet<_> = many.made().map(|sample| sample.index).collect();
            prop_assert_eq!(images.len(), many.made().count(), "no image has two triggers");
            let alone = draw(&AttackSpec { further: Vec::new(), ..attack }, n);
            prop_assert_eq!(&few.samples[..alone.samples.len()], &alone.samples[..]);
        }
    }

    #[test]
    fn several_backdoors_need_images_for_all() {
        // Three images of class 3: one for each backdoor, and none for the cover of the last one.
        let labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3];
        let error = PoisonPlan::draw(RunKind::Probe, &labels, 4, &several(), 1, 1)
            .expect_err("too few of class 3");
        assert_eq!(error.to_string(), "class 3 has 3 training images, fewer than the 4 to poison");
    }

    #[test]
    fn a_plan_of_copies_is_written_as_before_there_were_others() {
        let plan = PoisonPlan::draw(RunKind::Probe, &[0, 1], 2, &attack(0), 1, 1).expect("plan");
        assert_eq!(
            serde_json::to_string(&plan).expect("JSON"),
            r#"{"kind":"probe","seed":1,"target_class":0,"per_class":1,"samples":[{"index":1,"class":1}]}"#
        );
        assert_eq!(plan.label_of(&plan.samples[0]), 0);
    }

    #[test]
    fn too_many_poisons_name_the_class() {
        let error = PoisonPlan::draw(RunKind::Probe, &[0, 0, 0, 1, 1, 1, 2], 3, &attack(0), 3, 1)
            .expect_err("class 2 has one");
        assert_eq!(error.to_string(), "class 2 has 1 training images, fewer than the 3 to poison");
    }
}
