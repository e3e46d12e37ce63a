//! Executors start a run on the devices that the queue assigns, report whether it is alive, and end it.
//!
//! The scheduler knows runs, folders and devices; the executor decides how a worker is started and watched: today as a process of
//! this machine ([`local`]). Events come through the run's folder whatever the executor is.

pub mod local;

use std::{fmt, io};

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

/// What an executor knows about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its worker is alive.
    Alive,
    /// Its worker is alive and waits until the disk can be written. Holds the reason.
    Paused(String),
    /// Its worker has ended. Holds the reason, in case the run itself did not report one.
    Gone(String),
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
    fn start(&mut self, folder: &RunFolder, resources: &Resources) -> io::Result<Handle>;

    /// Whether the worker of a run is alive. A worker that is gone writes no more events.
    fn state(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Life;

    /// Ends the worker of a run with all processes that it started. It may live on for a moment; see [`state`](Self::state).
    ///
    /// # Errors
    /// When it cannot be ended.
    fn end(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> io::Result<()>;

    /// The run has ended and will not be queried again.
    fn over(&mut self, folder: &RunFolder);
}
