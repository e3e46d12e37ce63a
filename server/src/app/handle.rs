//! The interface between the scheduler and the rest of the program.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use shared::api::DeviceInfo;
use tokio::sync::Notify;

/// Wakes the scheduler and reports whether it runs in this program. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wake: Notify,
    schedules: AtomicBool,
    devices: Mutex<Vec<DeviceInfo>>,
}

impl Handle {
    /// Signals that there is something to do: a run was queued or is to be cancelled. The scheduler of another program notices
    /// within half a second.
    pub fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Whether this program schedules the runs of its data folder.
    pub fn schedules(&self) -> bool {
        self.0.schedules.load(Ordering::Relaxed)
    }

    /// The devices to which runs are assigned, with their current load; empty before a scheduler was started.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        self.0.devices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_schedules(&self, schedules: bool) {
        self.0.schedules.store(schedules, Ordering::Relaxed);
    }

    pub(crate) fn set_devices(&self, devices: &[DeviceInfo]) {
        *self.0.devices.lock().unwrap_or_else(PoisonError::into_inner) = devices.to_vec();
    }

    pub(crate) async fn woken(&self) {
        self.0.wake.notified().await;
    }
}
