//! Progress and cancelling of long work.

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
