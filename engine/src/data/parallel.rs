//! Work on many images on all threads, watched.

use rayon::prelude::*;

use super::DataError;
use crate::stop::Watch;

/// Images between two reports: soon enough for a watcher, long enough that threads seldom wait for each other.
const REPORT_EVERY: usize = 256;

/// `work` on every item, the results in the items' order. `done` items of `total` were finished before these.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    what: &str,
    done: usize,
    total: usize,
    watch: &mut dyn Watch,
    work: impl Fn(&T) -> R + Sync,
) -> Result<Vec<R>, DataError> {
    let mut results = Vec::with_capacity(items.len());
    for part in items.chunks(REPORT_EVERY) {
        if watch.stopped() {
            return Err(DataError::Stopped);
        }
        results.par_extend(part.par_iter().map(&work));
        watch.progress(what, (done + results.len()) as u64, total as u64);
    }
    Ok(results)
}
