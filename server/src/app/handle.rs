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
    api::{ClusterInfo, ClusterJob, DeviceInfo, RunRow},
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
    standings: watch::Sender<Standings>,
    cluster: Mutex<Option<ClusterInfo>>,
    ending: Mutex<BTreeSet<RunId>>,
}

/// What only the program knows that schedules a running run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Why it waits for the disk.
    pub paused: Option<String>,
    /// Its job in the cluster.
    pub job: Option<ClusterJob>,
}

/// The running runs of which there is something to say.
pub type Standings = BTreeMap<RunId, Standing>;

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

    /// What there is to say of running runs, with a notification whenever it changes. Only the program that schedules them knows.
    pub fn standings(&self) -> watch::Receiver<Standings> {
        self.0.standings.subscribe()
    }

    /// The cluster that trains the runs, as it was seen last.
    pub fn cluster(&self) -> Option<ClusterInfo> {
        self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The rows, of which those that wait for the disk, for a device or in a cluster say so.
    pub fn with_waits(&self, mut rows: Vec<RunRow>) -> Vec<RunRow> {
        let (standings, devices) = (self.0.standings.borrow(), self.devices());
        for row in &mut rows {
            let Standing { paused, job } = standings.get(&row.id).cloned().unwrap_or_default();
            (row.paused, row.job) = (paused, job);
            row.waits = match row.state {
                RunState::Queued if row.held => Some("held".into()),
                RunState::Queued => waits(row.wish, &devices),
                _ => None,
            };
        }
        rows
    }

    /// The runs whose jobs wait in a cluster.
    pub fn waiting(&self) -> Vec<RunId> {
        let standings = self.0.standings.borrow();
        let waits =
            |standing: &Standing| standing.job.as_ref().is_some_and(|job| job.waits.is_some());
        standings.iter().filter(|(_, standing)| waits(standing)).map(|(run, _)| *run).collect()
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

    pub(crate) fn set_standings(&self, standings: Standings) {
        self.0.standings.send_if_modified(|known| {
            let changed = *known != standings;
            *known = standings;
            changed
        });
    }

    pub(crate) fn set_cluster(&self, cluster: Option<ClusterInfo>) {
        *self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner) = cluster;
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
