//! The kernels from images to patches, and which patches they take.

use std::sync::Arc;

use crate::{
    Error, Result,
    gpu::{Gpu, Kernels},
    kernels::{Source, Storage},
};

/// The largest patch, in pixels of a side: a thread of the loss has its share of a patch's numbers in registers.
const LARGEST_PATCH: usize = 32;

/// The kernels for images of `side` pixels and patches of `patch`.
///
/// # Errors
/// [`Unsupported`](Error::Unsupported) for larger patches.
pub(crate) fn load(
    gpu: &Arc<dyn Gpu>,
    side: usize,
    patch: usize,
    storage: Storage,
) -> Result<Kernels> {
    if patch > LARGEST_PATCH {
        let message = format!(
            "GPUs take patches of at most {LARGEST_PATCH} pixels, not {patch}: take smaller ones or train on the processor"
        );
        return Err(Error::Unsupported(message));
    }
    gpu.load(&Source::pixels(side, patch).stored(storage))
}
