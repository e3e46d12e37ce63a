//! The scheduler's door for the rest of the program.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::sync::Notify;

/// Wakes the scheduler and tells whether it works in this program. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wake: Notify,
    schedules: AtomicBool,
    slots: AtomicU32,
}

impl Handle {
    /// Says that there is something to do: a queued run, or one to cancel. The scheduler of another program finds out
    /// by itself within half a second.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Whether this program hands out the runs of its data folder.
    pub fn schedules(&self) -> bool {
        self.0.schedules.load(Ordering::Relaxed)
    }

    /// Runs that are trained at a time; 0 before a scheduler was started.
    pub fn slots(&self) -> u32 {
        self.0.slots.load(Ordering::Relaxed)
    }

    pub(super) fn set_schedules(&self, schedules: bool) {
        self.0.schedules.store(schedules, Ordering::Relaxed);
    }

    pub(super) fn set_slots(&self, slots: u32) {
        self.0.slots.store(slots, Ordering::Relaxed);
    }

    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }
}
