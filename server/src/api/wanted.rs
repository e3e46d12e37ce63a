//! Cancellation of long work whose response nobody waits for any more.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use engine::stop::Watch;

/// Stops long work when the request is dropped, because nobody waits for its response any more.
#[derive(Default)]
pub struct StopOnDrop(Arc<AtomicBool>);

impl StopOnDrop {
    /// A [`Wanted`] that observes this request.
    pub fn watch(&self) -> Wanted {
        Wanted(self.0.clone())
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tells long work whether its response is still wanted.
pub struct Wanted(Arc<AtomicBool>);

impl Watch for Wanted {
    fn progress(&mut self, _what: &str, _done: u64, _total: u64) {}

    fn stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_nobody_waits_for_is_not_worked_on() {
        let request = StopOnDrop::default();
        let watch = request.watch();
        assert!(!watch.stopped());
        drop(request);
        assert!(watch.stopped());
    }
}
