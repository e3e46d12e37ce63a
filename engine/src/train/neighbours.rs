//! Nearest neighbours: what a classifier could get from an encoder in its current state.
//!
//! The bank holds clean training images with their labels, and poisoned copies, so that clean and attacked encoders are evaluated
//! alike. The number of images is bounded: for each class, `max(20, 1000 / classes)` clean training images and at most as many
//! poisoned copies and cover samples; and `max(5, 250 / classes)` test images, each clean and triggered. That is about 1,600 images
//! for ten classes, whatever the size of the data set.

use shared::{
    RunEvent, Trigger,
    metric::{Goal, Metrics},
    stream::{Purpose, shuffle, stream},
};

use super::{features::features, poisons::Poisons};
use crate::{
    EngineError,
    compute::{Device, Encode},
    data::{DataError, Pixels, Sample, augment::eval_transform},
    eval::{self, Backdoor, Bank},
    stop::Watch,
};

/// Clean images in the bank, and test images: in total and at least per class, see [`per_class`].
const BANK: (usize, usize) = (1_000, 20);
const TESTS: (usize, usize) = (250, 5);

/// The images that an encoder is evaluated on.
pub struct Neighbours<'a> {
    /// Training and test images.
    pub pixels: &'a Pixels,
    /// What the attacker adds to the bank.
    pub poisons: Poisons<'a>,
    /// The trigger, ready for test images.
    pub trigger: &'a Trigger,
    /// What triggered images should be taken for.
    pub goal: &'a Goal,
    /// Backdoors besides that of `trigger`.
    pub further: &'a [Backdoor],
    /// Seed for choosing the images.
    pub seed: u64,
    /// The device that compares features.
    pub device: &'a dyn Device,
}

/// Images per class: an equal share of all, but at least `least`.
fn per_class((all, least): (usize, usize), classes: usize) -> usize {
    least.max(all / classes.max(1))
}

/// Most poisoned images per class in the bank: as many as clean ones.
pub fn most_poisons(classes: usize) -> u32 {
    per_class(BANK, classes) as u32
}

impl Neighbours<'_> {
    /// Evaluates an encoder that was trained for `epoch` epochs.
    ///
    /// # Errors
    /// When an image cannot be read, or the device fails.
    pub fn ask(&self, encoder: &dyn Encode, epoch: u32) -> Result<RunEvent, EngineError> {
        let Pixels { side, classes, test, .. } = self.pixels;
        let (side, classes) = (*side, classes.len());
        let asked = self.asked(&[]);
        let bank = self.bank(encoder, &mut ())?;
        let of_test = |i: usize| Ok(eval_transform(&*test[asked[i]].image()?, side));
        let attacked = |trigger: &Trigger| {
            let image =
                |i: usize| Ok(eval_transform(&trigger.applied(&*test[asked[i]].image()?), side));
            features(encoder, asked.len(), &image, "neighbours", &mut ())
        };
        let clean = features(encoder, asked.len(), &of_test, "neighbours", &mut ())?;
        let triggered = attacked(self.trigger)?;

        let labels: Vec<u32> = asked.iter().map(|&i| test[i].class).collect();
        let (clean, triggered) = (bank.votes(&clean, classes), bank.votes(&triggered, classes));
        let mut counts = eval::count(&labels, &clean, &triggered, classes, self.goal);
        for backdoor in self.further {
            let votes = bank.votes(&attacked(&backdoor.trigger)?, classes);
            counts.add(backdoor.count(&labels, &votes, classes));
        }
        // Most classes get no vote, so top-5 accuracy is meaningless.
        let metrics = Metrics { top5: None, ..counts.metrics };
        Ok(RunEvent::Knn { epoch, metrics })
    }

    /// The bank: features of clean training images and of what the attacker adds, with their labels.
    ///
    /// # Errors
    /// When an image cannot be read, or the device fails; [`DataError::Stopped`] when the watch stops the work.
    pub fn bank(&self, encoder: &dyn Encode, watch: &mut dyn Watch) -> Result<Bank, EngineError> {
        let Pixels { side, classes, train, .. } = self.pixels;
        let plan = self.poisons.plan;
        let replaced: Vec<usize> =
            plan.made().filter(|_| plan.replaces).map(|sample| sample.index as usize).collect();
        let known = self.chosen(train, 0, per_class(BANK, classes.len()), &replaced);
        let of_bank = |i: usize| match i.checked_sub(known.len()) {
            None => Ok(eval_transform(&*train[known[i]].image()?, *side)),
            Some(i) => Ok(eval_transform(&self.poisons.image(i)?, *side)),
        };
        let banked = known.len() + self.poisons.len();
        let rows = features(encoder, banked, &of_bank, "neighbours", watch)?;
        if watch.stopped() {
            return Err(DataError::Stopped.into());
        }
        let mut labels: Vec<u32> = known.iter().map(|&i| train[i].class).collect();
        labels.extend(self.poisons.labels());
        Ok(Bank::new(self.device, &rows, labels, encoder.width()))
    }

    /// The validation images that are classified, none of which is among `except`.
    pub fn asked(&self, except: &[usize]) -> Vec<usize> {
        let Pixels { classes, test, .. } = self.pixels;
        self.chosen(test, 1, per_class(TESTS, classes.len()), except)
    }

    /// Up to `n` images of each class, class by class, the same ones each time.
    fn chosen(&self, split: &[Sample], part: u64, n: usize, except: &[usize]) -> Vec<usize> {
        let mut members = members(split, self.pixels.classes.len());
        for (class, members) in members.iter_mut().enumerate() {
            shuffle(&mut stream(self.seed, Purpose::Neighbours, class as u64, part), members);
            members.retain(|image| !except.contains(image));
            members.truncate(n);
        }
        members.concat()
    }
}

/// Clean validation images that a defender has: `per_class` of each class, but no more than half of them, class by class.
pub fn clean_set(pixels: &Pixels, per_class: u32, seed: u64) -> Vec<usize> {
    let mut members = members(&pixels.test, pixels.classes.len());
    for (class, members) in members.iter_mut().enumerate() {
        shuffle(&mut stream(seed, Purpose::CleanSet, class as u64, 0), members);
        members.truncate((members.len() / 2).min(per_class as usize));
    }
    members.concat()
}

/// The images of each class, by their places in the split.
fn members(split: &[Sample], classes: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); classes];
    for (index, sample) in split.iter().enumerate() {
        members[sample.class as usize].push(index);
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_by_hand() {
        assert_eq!([10, 100, 200].map(|classes| per_class(BANK, classes)), [100, 20, 20]);
        assert_eq!([10, 100, 200].map(|classes| per_class(TESTS, classes)), [25, 5, 5]);
    }
}
