//! What the attacker adds to a training set: poisoned copies and cover samples, made when they are asked for.

use shared::{PoisonPlan, Rgb8, Trigger};

use crate::data::Sample;

/// The added samples of a plan: the poisoned ones, then the cover samples.
#[derive(Clone, Copy)]
pub struct Poisons<'a> {
    /// Which images are copied.
    pub plan: &'a PoisonPlan,
    /// The trigger, ready for training images.
    pub trigger: &'a Trigger,
    /// The clean training images.
    pub train: &'a [Sample],
}

impl Poisons<'_> {
    /// Number of added samples.
    pub fn len(&self) -> usize {
        self.plan.added()
    }

    /// Whether the training set is clean.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The classes that the added samples are labelled with.
    pub fn labels(&self) -> impl Iterator<Item = u32> + '_ {
        let target = self.plan.samples.iter().map(|_| self.plan.target_class);
        target.chain(self.plan.covers.iter().map(|cover| cover.class))
    }

    /// Added sample `i`. Panics when there are fewer.
    pub fn image(&self, i: usize) -> Rgb8 {
        let original = |index: u32| &self.train[index as usize].image;
        if let Some(poison) = self.plan.samples.get(i) {
            return self.trigger.applied(original(poison.index));
        }
        let cover = self.plan.covers[i - self.plan.samples.len()];
        self.trigger.cover(original(cover.index))
    }

    /// All of them.
    pub fn images(&self) -> Vec<Rgb8> {
        (0..self.len()).map(|i| self.image(i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::{Phase, Stage, TriggerSpec, study::AttackSpec, trigger::WaNetSpec};

    use super::*;

    #[test]
    fn poisons_get_the_trigger_and_the_target_covers_neither() {
        let image = |i: u8| Rgb8::from_fn(8, 8, |x, y| [i * 20, 30 * x as u8, 30 * y as u8]);
        let train: Vec<Sample> = (0..6)
            .map(|i| Sample { image: image(i), class: u32::from(i) / 3, name: String::new() })
            .collect();
        let labels: Vec<u32> = train.iter().map(|sample| sample.class).collect();
        let attack = AttackSpec {
            target_class: 0,
            clean_label: false,
            poisons: None,
            trigger: TriggerSpec::WaNet(WaNetSpec::default()),
        };
        let plan = PoisonPlan::draw(Phase::Probe, &labels, &attack, 1, 7).unwrap();
        let trigger = Trigger::prepare(&attack.trigger, None, 8, Stage::Train).unwrap();
        let poisons = Poisons { plan: &plan, trigger: &trigger, train: &train };
        assert_eq!(poisons.labels().collect::<Vec<_>>(), [0, 1, 1]);
        let original = &train[plan.samples[0].index as usize].image;
        assert_eq!(poisons.images()[0], trigger.applied(original));
        let covered = &train[plan.covers[1].index as usize].image;
        assert_eq!(poisons.image(2), trigger.cover(covered));
        assert_ne!(poisons.image(2), trigger.applied(covered));
    }
}
