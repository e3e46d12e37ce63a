//! What starts a run on devices that the queue gives it, tells whether it lives, and ends it.
//!
//! The scheduler knows runs, folders and devices; how a worker is started and watched is the executor's affair: a process of this
//! machine ([`local`]) today. Events come through the run's folder whatever the executor is.

pub mod local;

use std::{fmt, io};

use crate::run_folder::RunFolder;

/// What an executor calls a run that it started, in its own words: a process, a job of a cluster. It is stored with the run, so that
/// another program, or this one after a restart, can ask for the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle(String);

impl Handle {
    /// A handle as it was stored, or as the executor names it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The executor's words.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the queue gives a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The device that it works on, by name.
    pub device: String,
}

/// What an executor knows of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its worker lives.
    Alive,
    /// No worker lives any more. Says why, for the case that the run itself did not.
    Gone(String),
    /// The executor cannot tell now; why not.
    Unknown(String),
}

/// Starts, watches and ends runs. A run is known by its folder; the handle is `None` where the program was killed between starting
/// the run and storing it.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Starts a worker on a prepared folder.
    ///
    /// # Errors
    /// When it cannot be started; no worker lives then.
    fn start(&mut self, folder: &RunFolder, resources: &Resources) -> io::Result<Handle>;

    /// Whether the worker of a run lives. One that is gone has written all that it ever will.
    fn state(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Life;

    /// Ends the worker of a run with all that it started. It may live on for a moment; [`state`](Self::state) tells.
    ///
    /// # Errors
    /// When it cannot be ended.
    fn end(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> io::Result<()>;

    /// The run is over and will not be asked for again.
    fn over(&mut self, folder: &RunFolder);
}
