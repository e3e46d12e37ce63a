//! Room for pixels: what the images that are decoded at one time may take together.
//!
//! Decoding takes up to twelve bytes a pixel, and a server or a loader decodes on several threads. Each decoder asks for room when it
//! knows an image's size, before it takes memory for its pixels, and waits until other images leave enough.

use std::{
    cell::Cell,
    sync::{Condvar, Mutex, PoisonError},
};

use shared::{Rgb8, dataset::Transparency};

use super::{DecodeError, Limits, decode_in};

/// Most pixels of all images that this process decodes at one time: twice the largest image.
const MOST: u64 = 128_000_000;
/// An image of fewer pixels needs no room. Their number is limited by that of the threads.
const SMALL: u64 = 1 << 20;

static ALL: Budget = Budget::new(MOST);

/// Pixels that several threads share. Those who wait for some get them in the order in which they came, so that a large image gets its
/// turn among small ones.
struct Budget {
    most: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    taken: u64,
    /// The number of the next thread that comes.
    next: u64,
    /// The number of the thread whose turn it is.
    turn: u64,
}

impl Budget {
    const fn new(most: u64) -> Self {
        let state = State { taken: 0, next: 0, turn: 0 };
        Self { most, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Takes pixels, and waits for them if need be. More than there are count as all of them.
    fn take(&'static self, pixels: u64) -> Held {
        let pixels = pixels.min(self.most);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let number = state.next;
        state.next += 1;
        while state.turn != number || state.taken + pixels > self.most {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn += 1;
        state.taken += pixels;
        drop(state);
        self.changed.notify_all();
        Held { budget: self, pixels }
    }
}

/// Pixels of a budget, until it is dropped.
struct Held {
    budget: &'static Budget,
    pixels: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.budget.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken -= self.pixels;
        drop(state);
        self.budget.changed.notify_all();
    }
}

/// Room for one image at a time, from the moment when its size is known until the room is dropped. Keep it as long as the image's
/// pixels are held in their own size.
#[derive(Default)]
pub struct Room {
    limits: Limits,
    held: Cell<Option<Held>>,
}

impl Room {
    /// Room for an image within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits, held: Cell::new(None) }
    }

    /// What an image may take.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Decodes an image file of one of the [`Format`](super::Format)s into this room.
    ///
    /// # Errors
    /// When the bytes are no whole image of one of these formats within the limits.
    pub fn decode(&self, bytes: &[u8], transparency: Transparency) -> Result<Rgb8, DecodeError> {
        decode_in(bytes, self, transparency)
    }

    /// Waits for room for an image of this size.
    pub(super) fn check(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.limits.max_pixels {
            return Err(DecodeError::TooManyPixels { width, height, max: self.limits.max_pixels });
        }
        if pixels >= SMALL {
            // Nobody waits for room while holding some.
            drop(self.held.take());
            self.held.set(Some(ALL.take(pixels)));
        }
        Ok(())
    }

    /// Memory that a decoder may take for the largest image.
    pub(super) fn memory(&self) -> u64 {
        memory_of(self.limits.max_pixels)
    }
}

/// Memory that a decoder may take for an image of this many pixels: four channels of 16 bits for each, and what the format's tables need.
pub(super) fn memory_of(pixels: u64) -> u64 {
    pixels.saturating_mul(8).saturating_add(16 << 20)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use super::*;

    #[test]
    fn together_they_take_no_more_than_there_is_and_all_have_their_turn() {
        let budget: &'static Budget = Box::leak(Box::new(Budget::new(10)));
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for pixels in [1, 9, 3, 10, 2, 70, 5, 6] {
                let (now, most) = (&now, &most);
                scope.spawn(move || {
                    for _ in 0..200 {
                        let held = budget.take(pixels);
                        let taken = held.pixels;
                        most.fetch_max(
                            now.fetch_add(taken, Ordering::SeqCst) + taken,
                            Ordering::SeqCst,
                        );
                        thread::yield_now();
                        now.fetch_sub(taken, Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 10, "{most:?} of 10");
        let state = budget.state.lock().unwrap();
        assert_eq!((state.taken, state.turn), (0, 8 * 200));
    }
}
