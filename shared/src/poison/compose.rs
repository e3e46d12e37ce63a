//! What each poison of a pre-training is composed of.

use rand_chacha::ChaCha8Rng;

use super::{PoisonPlan, members};
use crate::{
    composition::{Canvas, Composition, Half},
    field_error::FieldError,
    run_kind::RunKind,
    settings::AttackSpec,
    stream::{Purpose, below, shuffle, stream, uniform},
};

/// Why poisons cannot be composed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The attack contradicts composed poisons.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The target class has too few images.
    #[error(
        "attack.compose.references: the target class has {available} training images, and composed poisons need {wanted} of them"
    )]
    TooFew {
        /// Its training images.
        available: usize,
        /// Reference and support images.
        wanted: u32,
    },
}

/// The images of the target class in the order in which they become reference images, and then support images. `of_target` are their
/// indices in the training set.
pub fn reference_order(mut of_target: Vec<u32>, target: u32, seed: u64) -> Vec<u32> {
    shuffle(&mut stream(seed, Purpose::Compose, 0, target.into()), &mut of_target);
    of_target
}

/// Composes the poisons of one pre-training. What a poison is composed of depends on the seed and its image alone, so fewer poisons are a
/// part of more, and the preview of an image is its poison.
#[derive(Clone, Debug)]
pub struct Composer {
    canvas: Canvas,
    references: Vec<u32>,
    supports: Vec<u32>,
    /// Probability of a pair.
    pairs: f64,
    seed: u64,
}

impl Composer {
    /// For an attack on images of `side` x `side` pixels. `ordered` are the images of the target class by [`reference_order`], all or the
    /// first ones.
    ///
    /// # Errors
    /// When the attack contradicts composed poisons, or there are too few images.
    pub fn new(
        attack: &AttackSpec,
        ordered: &[u32],
        side: u32,
        seed: u64,
    ) -> Result<Self, ComposeError> {
        if let Some(error) = attack.check_composed(side).into_iter().next() {
            return Err(error.into());
        }
        let (compose, wanted) = (&attack.compose, attack.compose.images());
        let few = ComposeError::TooFew { available: ordered.len(), wanted };
        let taken = ordered.get(..wanted as usize).filter(|_| compose.references > 0).ok_or(few)?;
        let (references, supports) = taken.split_at(compose.references as usize);
        let size = attack.trigger.patch_size().unwrap_or_default();
        Ok(Self {
            canvas: Canvas::new(side, size),
            references: references.to_vec(),
            supports: supports.to_vec(),
            pairs: if supports.is_empty() { 0.0 } else { compose.support_share },
            seed,
        })
    }

    /// What the poison with this image as its background is composed of.
    pub fn composition(&self, image: u32) -> Composition {
        let mut rng = stream(self.seed, Purpose::Compose, 1, image.into());
        let pair = f64::from(uniform(&mut rng)) < self.pairs;
        let reference = one(&self.references, &mut rng);
        let half = if below(&mut rng, 2) == 0 { Half::Left } else { Half::Right };
        if pair {
            let support = one(&self.supports, &mut rng);
            Composition::SupportPair { reference, support, half }
        } else {
            self.canvas.draw(reference, half, &mut rng)
        }
    }
}

/// One of these images, each as likely.
fn one(images: &[u32], rng: &mut ChaCha8Rng) -> u32 {
    images[below(rng, images.len() as u32) as usize]
}

impl PoisonPlan {
    /// The plan with what each of its samples is composed of, if the attack composes the poisons of this phase; otherwise the plan as it
    /// is. `labels` are those of [`PoisonPlan::draw`]; images have `side` x `side` pixels.
    ///
    /// # Errors
    /// When the attack contradicts composed poisons, or the target class has too few images.
    pub fn composed(
        self,
        attack: &AttackSpec,
        labels: &[u32],
        side: u32,
    ) -> Result<Self, ComposeError> {
        let of_pretraining = self.kind == RunKind::Pretrain;
        if !of_pretraining || !attack.compose.is_on() || self.samples.is_empty() {
            return Ok(self);
        }
        let target = attack.target_class;
        let mut members = members(labels);
        let of_target = members.get_mut(target as usize).map(std::mem::take).unwrap_or_default();
        let ordered = reference_order(of_target, target, self.seed);
        let composer = Composer::new(attack, &ordered, side, self.seed)?;
        let compositions =
            self.samples.iter().map(|sample| composer.composition(sample.index)).collect();
        Ok(Self { compositions, ..self })
    }

    /// Whether every composition belongs to a sample and fits a canvas for the trigger of this attack on images of `side` x `side` pixels.
    pub fn fits(&self, attack: &AttackSpec, side: u32) -> bool {
        if self.compositions.is_empty() {
            return true;
        }
        let Some(size) = attack.trigger.patch_size() else { return false };
        let canvas = Canvas::new(side, size);
        self.compositions.len() == self.samples.len()
            && self.compositions.iter().all(|composition| composition.fits(canvas))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        poison::resolve_list,
        settings::{ComposeMethod, ComposeSpec},
        trigger::{BlendedSpec, RandomPatchSpec, TriggerSpec},
    };

    fn attack(method: ComposeMethod) -> AttackSpec {
        AttackSpec {
            target_class: 1,
            compose: ComposeSpec { method, ..ComposeSpec::default() },
            trigger: TriggerSpec::RandomPatch(RandomPatchSpec::for_side(32)),
            ..AttackSpec::default()
        }
    }

    /// 300 images of three classes in turn.
    fn labels() -> Vec<u32> {
        (0..300).map(|i| i % 3).collect()
    }

    fn plan(attack: &AttackSpec, kind: RunKind, poisons: u32) -> PoisonPlan {
        let plan = PoisonPlan::draw(kind, &labels(), 3, attack, poisons, 5).expect("a plan");
        plan.composed(attack, &labels(), 32).expect("composed poisons")
    }

    #[test]
    fn only_poisons_of_the_pretraining_are_composed() {
        let corrupt = attack(ComposeMethod::CorruptEncoder);
        let pretraining = plan(&corrupt, RunKind::Pretrain, 4);
        assert_eq!((pretraining.samples.len(), pretraining.compositions.len()), (8, 8));
        assert!(pretraining.fits(&corrupt, 32) && !pretraining.fits(&corrupt, 16));
        for kind in [RunKind::Knn, RunKind::Probe, RunKind::Finetune, RunKind::Defence] {
            assert!(plan(&corrupt, kind, 4).compositions.is_empty());
        }
        let plain = plan(&attack(ComposeMethod::None), RunKind::Pretrain, 4);
        assert!(plain.compositions.is_empty() && plain.fits(&corrupt, 32));
        assert_eq!(plain.samples, pretraining.samples, "the same backgrounds");
        let text = serde_json::to_string(&plain).expect("JSON");
        assert!(!text.contains("compositions"), "{text}");
        let text = serde_json::to_string(&pretraining).expect("JSON");
        assert_eq!(serde_json::from_str::<PoisonPlan>(&text).expect("JSON"), pretraining);
        let cut = PoisonPlan { samples: pretraining.samples[..7].to_vec(), ..pretraining };
        assert!(!cut.fits(&corrupt, 32));
    }

    #[test]
    fn a_few_images_of_the_target_are_shown_and_a_share_are_pairs() {
        let plus = plan(&attack(ComposeMethod::CorruptEncoderPlus), RunKind::Pretrain, 90);
        let [mut references, mut supports, mut halves] = [(); 3].map(|()| HashSet::new());
        let mut pairs = 0;
        for composition in &plus.compositions {
            let (of, on) = match *composition {
                Composition::Object { reference, half, .. } => (reference, half),
                Composition::SupportPair { reference, support, half } => {
                    pairs += 1;
                    supports.insert(support);
                    (reference, half)
                }
            };
            references.insert(of);
            halves.insert(u32::from(on == Half::Left));
        }
        assert_eq!((references.len(), supports.len(), halves.len()), (3, 5, 2));
        assert!(references.iter().chain(&supports).all(|index| index % 3 == 1), "of the target");
        assert!(references.is_disjoint(&supports));
        // A fifth of 180, give or take three deviations.
        assert!((20..53).contains(&pairs), "{pairs}");
        let ordered = reference_order((0..100).map(|i| 3 * i + 1).collect(), 1, 5);
        assert_eq!(ordered[..3].iter().copied().collect::<HashSet<_>>(), references);

        // Without pairs, the other poisons are the same.
        let plain = plan(&attack(ComposeMethod::CorruptEncoder), RunKind::Pretrain, 90);
        for (of_plus, alone) in plus.compositions.iter().zip(&plain.compositions) {
            assert!(matches!(alone, Composition::Object { .. }));
            assert!(of_plus == alone || matches!(of_plus, Composition::SupportPair { .. }));
        }
    }

    #[test]
    fn a_poison_depends_on_its_image_alone() {
        let plus = attack(ComposeMethod::CorruptEncoderPlus);
        let many = plan(&plus, RunKind::Pretrain, 20);
        let by_image = |plan: &PoisonPlan| -> Vec<_> {
            let indices = plan.samples.iter().map(|sample| sample.index);
            indices.zip(plan.compositions.iter().copied()).collect()
        };
        let few = plan(&plus, RunKind::Pretrain, 3);
        assert!(by_image(&few).iter().all(|one| by_image(&many).contains(one)));

        // A list of the same images in another order.
        let names: Vec<String> = (0..300).map(|i| i.to_string()).collect();
        let mut list: Vec<String> =
            few.samples.iter().map(|sample| names[sample.index as usize].clone()).collect();
        list.reverse();
        let images = names.iter().map(String::as_str).zip(labels());
        let listed = resolve_list(&list, images, &plus).expect("a sound list");
        let again = PoisonPlan::from_list(RunKind::Pretrain, &labels(), 3, &listed, &plus, 3, 5)
            .expect("a plan")
            .composed(&plus, &labels(), 32)
            .expect("composed poisons");
        assert_ne!(again.samples, few.samples);
        let (mut again, mut few) = (by_image(&again), by_image(&few));
        again.sort_unstable_by_key(|one| one.0);
        few.sort_unstable_by_key(|one| one.0);
        assert_eq!(again, few);
    }

    #[test]
    fn what_cannot_be_composed_is_named() {
        let corrupt = attack(ComposeMethod::CorruptEncoder);
        let error = Composer::new(&corrupt, &[4, 7], 32, 1).expect_err("two images").to_string();
        assert_eq!(
            error,
            "attack.compose.references: the target class has 2 training images, and composed poisons need 3 of them"
        );
        let trigger = TriggerSpec::Blended(BlendedSpec::new(0.4, "stripes"));
        let blended = AttackSpec { trigger, ..corrupt };
        let error = Composer::new(&blended, &[4, 7, 9], 32, 1).expect_err("no patch").to_string();
        assert!(error.starts_with("attack.trigger.kind: must be a patch"), "{error}");
    }
}
