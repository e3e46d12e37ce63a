//! Progress bar for long work.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use engine::stop::Watch;
use indicatif::ProgressBar;

use crate::terminal::Bars;

/// Shows the progress of long work as a bar.
#[derive(Default)]
pub struct BarWatch {
    bars: Bars,
    bar: Option<ProgressBar>,
    stop: Stop,
}

/// Stops work that a [`BarWatch`] watches.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl BarWatch {
    /// A bar, and what stops the work.
    pub fn stoppable() -> (Self, Stop) {
        let watch = Self::default();
        let stop = watch.stop.clone();
        (watch, stop)
    }
}

impl Stop {
    /// Waits for the work. Ctrl-C stops it, so that it can remove what it has begun.
    pub async fn on_interrupt<T>(self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => return done,
            Ok(()) = tokio::signal::ctrl_c() => self.0.store(true, Ordering::Relaxed),
        }
        work.await
    }
}

impl Watch for BarWatch {
    fn progress(&mut self, what: &str, done: u64, total: u64) {
        let bar = self.bar.get_or_insert_with(|| self.bars.add(what.to_owned(), total));
        bar.set_prefix(what.to_owned());
        bar.set_length(total);
        bar.set_position(done);
    }

    fn stopped(&self) -> bool {
        self.stop.0.load(Ordering::Relaxed)
    }
}

impl Drop for BarWatch {
    fn drop(&mut self) {
        self.bars.clear();
    }
}
