//! The interface between the scheduler and the rest of the program.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use shared::{
    RunId, RunState,
    api::{DeviceInfo, RunRow},
};
use tokio::sync::{Notify, watch};

use super::placement::waits;

/// Wakes the scheduler and reports whether it runs in this program. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Handle(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    wake: Notify,
    schedules: AtomicBool,
    devices: Mutex<Vec<DeviceInfo>>,
    paused: watch::Sender<Paused>,
    ending: Mutex<BTreeSet<RunId>>,
}

/// The running runs that wait for the disk, with the reason.
pub type Paused = BTreeMap<RunId, String>;

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

    /// The runs that wait for the disk, with a notification whenever they change. Only the program that schedules them knows.
    pub fn paused(&self) -> watch::Receiver<Paused> {
        self.0.paused.subscribe()
    }

    /// The rows, of which those that wait for the disk or for a device say so.
    pub fn with_waits(&self, mut rows: Vec<RunRow>) -> Vec<RunRow> {
        let (paused, devices) = (self.0.paused.borrow(), self.devices());
        for row in &mut rows {
            row.paused = paused.get(&row.id).cloned();
            row.waits = match row.state {
                RunState::Queued => waits(row.wish, &devices),
                _ => None,
            };
        }
        rows
    }

    /// Asks for the end of a running run although the store cannot be written, which otherwise keeps such wishes.
    pub fn end(&self, run: RunId) {
        self.ending().insert(run);
        self.wake();
    }

    pub(crate) fn is_to_end(&self, run: RunId) -> bool {
        self.ending().contains(&run)
    }

    pub(crate) fn has_ended(&self, run: RunId) {
        self.ending().remove(&run);
    }

    fn ending(&self) -> MutexGuard<'_, BTreeSet<RunId>> {
        self.0.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_paused(&self, paused: Paused) {
        self.0.paused.send_if_modified(|known| {
            let changed = *known != paused;
            *known = paused;
            changed
        });
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
