//! Seeded random streams.
//!
//! A stream is identified by a seed, a purpose and up to two numbers (an epoch, a sample): the same four give the same
//! numbers on every machine and in the browser, independent of all other draws and their order. A mask or a crop therefore
//! does not depend on the number of threads, and a run can be repeated or resumed at any step.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The purpose of a stream. Its text is part of the seed: renaming one changes every result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Initial weights; the index is the parameter's position.
    Init,
    /// Order of the samples; the index is the epoch.
    Order,
    /// Crop and flip of a sample.
    Augment,
    /// Hidden patches of a sample.
    Mask,
    /// Parts of blocks that a sample skips in training.
    DropPath,
    /// Mixing of a batch's images.
    Mix,
    /// Choice of the poisoned samples; the index is the class.
    PoisonPretrain,
    /// Choice of the poisoned samples of the linear probe; the index is the class.
    PoisonProbe,
    /// Choice of the poisoned samples of fine-tuning; the index is the class.
    PoisonFinetune,
    /// Random draws of a trigger: a fixed pattern (index 0), or a position in an image (index 1, and the image's hash).
    Trigger,
    /// Drawing of a built-in picture; the index is the picture.
    Draw,
    /// Choice of images to show.
    Show,
    /// Choice of the candidates for nearest neighbours, and of the images that are classified; the index is the class, then 0
    /// or 1.
    Neighbours,
    /// Choice of the files, and of their parts, that a data set's fingerprint covers.
    Fingerprint,
    /// First centres of clusters; the index is the start.
    Clusters,
    /// Clean images that a defence superimposes on an image; the index is the image.
    Superimposed,
    /// A search for patches that act as triggers: order of a cluster's images (0), places of a candidate (1), training images of its classifier
    /// (from 2 on, by epoch).
    PatchSearch,
    /// Order of an image's patches in the trials of a defence: the index is the trial, then the image.
    PatchTrial,
    /// Clean images that a defence is given; the index is the class.
    CleanSet,
    /// A defence's search for a trigger: its first state (0), and the order of the images (1) by epoch.
    Inversion,
    /// Changes of clean images that a defence learns from; the index is the changed image.
    Changed,
    /// Choice of an attacker's reference images.
    References,
    /// Composed poisons: order of the target class's images, of which the first ones are reference and support images (0, and the class);
    /// what a poison is composed of (1, and its image).
    Compose,
    /// Choice of the images that validate, where a folder has no validation images; the index is the class.
    HoldOut,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Order => "order",
            Self::Augment => "augment",
            Self::Mask => "mask",
            Self::DropPath => "drop-path",
            Self::Mix => "mix",
            Self::PoisonPretrain => "poison-pretrain",
            Self::PoisonProbe => "poison-probe",
            Self::PoisonFinetune => "poison-finetune",
            Self::Trigger => "trigger",
            Self::References => "references",
            Self::Compose => "compose",
            Self::HoldOut => "hold-out",
            Self::Clusters => "clusters",
            Self::Superimposed => "superimposed",
            Self::PatchSearch => "patch-search",
            Self::PatchTrial => "patch-trial",
            Self::CleanSet => "clean-set",
            Self::Changed => "changed",
            Self::Inversion => "inversion",
            Self::Draw => "draw",
            Self::Show => "show",
            Self::Neighbours => "neighbours",
            Self::Fingerprint => "fingerprint",
        }
    }
}

/// The stream of `seed` for `purpose` at `(major, minor)`, for example (epoch, sample).
pub fn stream(seed: u64, purpose: Purpose, major: u64, minor: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(purpose.name().as_bytes());
    hash.update([0]);
    hash.update(major.to_le_bytes());
    hash.update(minor.to_le_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// A uniform number in `[0, 1)` from the generator's 24 high bits: exact in f32, equal on every machine.
pub fn uniform(rng: &mut ChaCha8Rng) -> f32 {
    (rng.random::<u32>() >> 8) as f32 / 16_777_216.0
}

/// A uniform integer in `0..bound` by rejection sampling, without bias. Panics for a bound of 0.
pub fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    assert!(bound > 0, "no number is below 0");
    let zone = u32::MAX - (u32::MAX % bound + 1) % bound;
    loop {
        let value = rng.random::<u32>();
        if value <= zone {
            return value % bound;
        }
    }
}

/// Shuffles in place (Fisher-Yates, from the end).
pub fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        let j = below(rng, i as u32 + 1) as usize;
        items.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_repeatable() {
        let first = |p, a, b| stream(7, p, a, b).random::<u64>();
        assert_eq!(first(Purpose::Mask, 1, 2), first(Purpose::Mask, 1, 2));
        assert_ne!(first(Purpose::Mask, 1, 2), first(Purpose::Mask, 2, 1));
        assert_ne!(first(Purpose::Mask, 1, 2), first(Purpose::Augment, 1, 2));
    }

    #[test]
    fn below_reaches_every_value_and_no_other() {
        let mut rng = stream(1, Purpose::Show, 0, 0);
        let mut seen = [0u32; 5];
        for _ in 0..5000 {
            seen[below(&mut rng, 5) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut stream(3, Purpose::Order, 0, 0), &mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
