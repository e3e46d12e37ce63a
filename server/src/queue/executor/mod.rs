//! Executors start a run on the devices that the queue assigns, report whether it is alive, and end it.
//!
//! The scheduler knows runs, folders and devices; the executor decides how a worker is started and watched: as a process of this
//! machine ([`local`]), or as a job of a cluster ([`slurm`]). Events come through the run's folder whatever the executor is.

pub mod local;
pub mod slurm;

use std::{fmt, io, time::Duration};

use shared::{
    DeviceWish, RunKind,
    api::{ClusterInfo, ClusterJob},
};

use crate::run_folder::RunFolder;

/// An executor's own name for a run that it started, such as a process or a cluster job. It is stored with the run, so that another
/// program, or this one after a restart, can query the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    /// A handle from its text, as stored or as chosen by the executor.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The handle's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The resources that the queue assigns to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The name of the device that it trains on, or of several, separated by commas.
    pub device: String,
    /// The devices by name where the queue was told them, as in `MASKDOOR_DEVICES`: the worker must count the same ones.
    pub devices: Option<String>,
}

/// A run that is to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// What the queue assigns to it.
    pub resources: Resources,
    /// What the run does.
    pub kind: RunKind,
    /// The device that it asks for.
    pub wish: DeviceWish,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The runs that have to finish before; only where the executor [places](Executor::places) runs itself.
    pub after: Vec<Handle>,
}

/// What an executor knows about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its worker is alive.
    Alive,
    /// Its worker is alive and waits until the disk can be written. Holds the reason.
    Paused(String),
    /// It waits for its turn, and has no worker yet.
    Waits,
    /// Its worker has ended. Holds the reason, in case the run itself did not report one.
    Gone(String),
    /// Its worker was taken away, or has left after it had kept its place: the run goes on in another attempt. Holds the reason.
    Lost(String),
    /// It never had a worker and will have none. Holds the reason.
    Unstarted(String),
    /// The executor cannot determine this now. Holds the reason.
    Unknown(String),
}

/// Starts, watches and ends runs. A run is identified by its folder; the handle is `None` if the program was killed between starting
/// the run and storing the handle.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Starts a worker on a prepared folder.
    ///
    /// # Errors
    /// When it cannot be started; there is no worker then.
    fn start(&mut self, folder: &RunFolder, start: &Start) -> io::Result<Handle>;

    /// Whether the worker of a run is alive. A worker that is gone writes no more events.
    fn state(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Life;

    /// Ends the worker of a run with all processes that it started. It may live on for a moment; see [`state`](Self::state).
    ///
    /// # Errors
    /// When it cannot be ended.
    fn end(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> io::Result<()>;

    /// The run has ended and will not be queried again.
    fn over(&mut self, folder: &RunFolder);

    /// The job of a run, where a cluster trains it.
    fn job(&mut self, _folder: &RunFolder, _handle: Option<&Handle>) -> Option<ClusterJob> {
        None
    }

    /// The most runs at a time, of an executor that decides itself when and where each trains; `None` of one that is given devices.
    fn places(&self) -> Option<u32> {
        None
    }

    /// The interval between looks at runs that train: short enough for a smooth live curve.
    fn pace(&self) -> Duration {
        Duration::from_millis(200)
    }

    /// The cluster, as it was seen last.
    fn cluster(&self) -> Option<ClusterInfo> {
        None
    }
}
