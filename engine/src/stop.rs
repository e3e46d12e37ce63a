//! Progress and cancelling of long work, waiting for a disk, and leaving in time.

use std::io;

/// Watches long work: receives its progress and says when to stop.
pub trait Watch {
    /// `done` of `total` parts of `what` (a few words, such as `reading images`) are finished.
    fn progress(&mut self, what: &str, done: u64, total: u64);

    /// Whether the work is no longer wanted. Checked between parts, so work ends soon after it becomes true.
    fn stopped(&self) -> bool;
}

/// Watches nothing and never stops.
impl Watch for () {
    fn progress(&mut self, _what: &str, _done: u64, _total: u64) {}

    fn stopped(&self) -> bool {
        false
    }
}

/// Waits until a disk can be written again, and knows when a run has to leave.
pub trait Patience {
    /// A write failed because nothing can be written now ([`is_full`](crate::files::is_full)). Waits a while, and says whether to try
    /// again.
    fn wait(&mut self, error: &io::Error) -> bool;

    /// The wait has ended: the write succeeded, or failed for another reason.
    fn over(&mut self);

    /// Whether the run is to stop at the next place that it can keep, because its time on this machine ends.
    fn is_to_leave(&self) -> bool {
        false
    }
}

/// Never waits.
impl Patience for () {
    fn wait(&mut self, _error: &io::Error) -> bool {
        false
    }

    fn over(&mut self) {}
}

/// Tries a write again for as long as it fails because nothing can be written now, and `patience` waits. `full` finds such an error.
///
/// # Errors
/// The last error of the write.
pub fn patiently<T, E>(
    patience: &mut (impl Patience + ?Sized),
    full: impl Fn(&E) -> Option<&io::Error>,
    mut write: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut waited = false;
    loop {
        let written = write();
        match written.as_ref().err().and_then(&full) {
            Some(error) if patience.wait(error) => waited = true,
            _ => {
                if waited {
                    patience.over();
                }
                return written;
            }
        }
    }
}
