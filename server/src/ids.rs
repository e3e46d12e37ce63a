//! New identifiers: UUID version 7 from the clock and a generator. Identifiers from one source sort in the order of creation.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{RngCore, SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha8Rng;
use shared::{RunId, StudyId};

use crate::clock::Clock;

/// Bits of a UUID version 7 that are not taken by time, version and variant.
const RANDOM_BITS: u32 = 74;

/// Generates identifiers.
#[derive(Clone, Debug)]
pub struct IdSource {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    generator: ChaCha8Rng,
    last: (u64, u128),
}

impl IdSource {
    /// Identifiers from the machine's entropy.
    pub fn system(clock: Clock) -> Self {
        Self::new(clock, ChaCha8Rng::from_rng(&mut OsRng.unwrap_err()))
    }

    /// The same identifiers for the same seed and clock.
    pub fn seeded(clock: Clock, seed: u64) -> Self {
        Self::new(clock, ChaCha8Rng::seed_from_u64(seed))
    }

    fn new(clock: Clock, generator: ChaCha8Rng) -> Self {
        Self { clock, state: Arc::new(Mutex::new(State { generator, last: (0, 0) })) }
    }

    /// Identifier of a new study.
    pub fn study(&self) -> StudyId {
        let (unix_ms, random) = self.next();
        StudyId::from_parts(unix_ms, random)
    }

    /// Identifier of a new run.
    pub fn run(&self) -> RunId {
        let (unix_ms, random) = self.next();
        RunId::from_parts(unix_ms, random)
    }

    /// Identifier of a request.
    pub fn request(&self) -> String {
        self.run().to_string()
    }

    /// A later time takes new random bits; within one millisecond they count up, which preserves the order.
    fn next(&self) -> (u64, [u8; 10]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now_ms();
        state.last = if now > state.last.0 {
            // The first bit is left 0, so that counting up cannot overflow.
            let mut bytes = [0; 16];
            state.generator.fill_bytes(&mut bytes);
            (now, u128::from_be_bytes(bytes) >> (128 - RANDOM_BITS + 1))
        } else {
            (state.last.0, state.last.1 + 1)
        };
        (state.last.0, spread(state.last.1))
    }
}

/// Places 74 bits where UUID version 7 has no version or variant: 12 bits after the version (the first two bytes, without
/// their first four bits), 62 after the variant (the other eight, without their first two).
fn spread(random: u128) -> [u8; 10] {
    let high = (random >> 62) as u16;
    let low = (random & ((1 << 62) - 1)) as u64;
    let mut bytes = [0; 10];
    bytes[..2].copy_from_slice(&high.to_be_bytes());
    bytes[2..].copy_from_slice(&low.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_of_one_millisecond_sort_in_their_order() {
        let ids = IdSource::seeded(Clock::fixed(1_700_000_000_000), 1);
        let made: Vec<RunId> = (0..1000).map(|_| ids.run()).collect();
        assert!(made.is_sorted());
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 1000);
    }

    #[test]
    fn seeds_tell_sources_apart() {
        let first = |seed| IdSource::seeded(Clock::fixed(5), seed).study();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
