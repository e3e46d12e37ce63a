//! The losses of the last batches, on their way to the host.

use std::collections::VecDeque;

use crate::{Result, flat::Flat, gpu::Fetched};

/// Batches whose losses may be on their way at one time.
pub const IN_FLIGHT: usize = 2;

/// Losses in the order of the batches.
#[derive(Default)]
pub(crate) struct Losses {
    waiting: VecDeque<Fetched>,
    last: f32,
}

impl Losses {
    /// Takes the loss of the batch that was just issued. Losses that nobody asked for in time are forgotten.
    pub fn take(&mut self, flat: &Flat) -> Result<()> {
        while self.waiting.len() >= IN_FLIGHT {
            self.waiting.pop_front().into_iter().for_each(|fetched| flat.gpu.unwanted(fetched));
        }
        self.waiting.push_back(flat.gpu.fetch(flat.loss(), size_of::<f32>())?);
        Ok(())
    }

    /// The loss of the earliest batch that was not asked for, or of the last; waits for it.
    pub fn next(&mut self, flat: &Flat) -> Result<f32> {
        if let Some(fetched) = self.waiting.pop_front() {
            let mut bytes = [0; size_of::<f32>()];
            flat.gpu.fetched(fetched, &mut bytes)?;
            self.last = f32::from_ne_bytes(bytes);
        }
        Ok(self.last)
    }
}
