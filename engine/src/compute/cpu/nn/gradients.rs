//! Where a model's gradient goes.

use std::ops::Range;

use kernel::Path;

use super::linear::add_rows;
use crate::model::Slot;

/// Receives the gradient of a model part by part, each trainable parameter once: into a flat buffer, or straight into an
/// optimiser's moments, so that the whole gradient is never in memory.
pub trait Gradients: Send {
    /// Calls `write` with room for the gradient of the parameters in `range`, flat like the parameters. Its content is unspecified;
    /// `write` overwrites all of it.
    fn part(&mut self, range: Range<usize>, write: &mut (dyn FnMut(&mut [f32]) + Send));
}

/// Takes no gradient, so that none is computed: for those who want the gradient of the input alone.
pub(crate) struct Unwanted;

impl Gradients for Unwanted {
    fn part(&mut self, _: Range<usize>, _: &mut (dyn FnMut(&mut [f32]) + Send)) {}
}

impl Gradients for Vec<f32> {
    fn part(&mut self, range: Range<usize>, write: &mut (dyn FnMut(&mut [f32]) + Send)) {
        write(&mut self[range]);
    }
}

/// Splits a buffer into parts of these lengths.
pub(crate) fn split<const N: usize>(mut buffer: &mut [f32], lens: [usize; N]) -> [&mut [f32]; N] {
    lens.map(|len| {
        let (part, rest) = std::mem::take(&mut buffer).split_at_mut(len);
        buffer = rest;
        part
    })
}

/// Writes into each part of a gradient the sum of its numbers over all buffers; each buffer holds the parts one after the other.
#[expect(clippy::needless_pass_by_value, reason = "an iterator, cloned for each part")]
pub(crate) fn sum_parts<'a, 'p>(
    path: Path,
    parts: impl IntoIterator<Item = &'p mut [f32]>,
    buffers: impl Iterator<Item = &'a [f32]> + Clone,
) {
    let mut from = 0;
    for sum in parts {
        sum.fill(0.0);
        for buffer in buffers.clone() {
            add_rows(path, &buffer[from..from + sum.len()], sum);
        }
        from += sum.len();
    }
}

/// Like [`sum_parts`], for parameters in these slots.
#[expect(clippy::needless_pass_by_value, reason = "an iterator, cloned for each part")]
pub(crate) fn sum_slots<'a>(
    path: Path,
    slots: &[Slot],
    buffers: impl Iterator<Item = &'a [f32]> + Clone + Sync + Send,
    gradients: &mut dyn Gradients,
) {
    let mut from = 0;
    for slot in slots {
        let parts = buffers.clone().map(|buffer| &buffer[from..from + slot.len]);
        gradients.part(slot.range(), &mut |sum| sum_parts(path, [sum], parts.clone()));
        from += slot.len;
    }
}
