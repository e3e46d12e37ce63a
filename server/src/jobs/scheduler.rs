//! Follows running runs, marks interrupted ones, and has queued ones handed out (`hand_out.rs`).
//!
//! Whoever holds the lock of `scheduler.lock` does this for the data folder; others look for the lock each second. A look
//! over all runs ([`Scheduler::look`]) takes the store as it is and moves each run one step, so nothing is lost with the
//! scheduler: killed between any two steps, the next one goes on from there.

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    io,
    path::PathBuf,
    process::{Child, ExitStatus},
    time::Duration,
};

use shared::RunState;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    ingest::{self, IngestError},
    run_folder::RunFolder,
    worker_process,
};
use crate::{
    app::App,
    store::{StoreError, queue::RunningRun},
};

/// Between two looks while a run trains: as smooth as a live curve needs.
const TRAINING: Duration = Duration::from_millis(200);
/// Between two looks while a worker that was told to end still lives.
const ENDING: Duration = Duration::from_millis(20);
/// Between two looks while nothing trains: how long a study that another program queued waits at most.
const IDLE: Duration = Duration::from_millis(500);
/// Between two tries for the lock, and two looks for what its holder wrote.
const WAITING: Duration = Duration::from_secs(1);

/// How runs are handed out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Runs that train at a time.
    pub slots: u32,
    /// The program to start as `PROGRAM worker --locked FOLDER`.
    pub program: PathBuf,
}

impl Default for Settings {
    /// One run at a time, trained by this program.
    fn default() -> Self {
        Self { slots: 1, program: worker_process::own_program() }
    }
}

/// Works the queue of a data folder.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) app: App,
    pub(super) settings: Settings,
    /// Held by this program, when it is.
    lock: Option<File>,
    /// Workers that this program started, by the run's number.
    pub(super) children: HashMap<i64, Child>,
}

/// A scheduler that works in the background.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Ends the scheduler and gives the lock back. Workers train on; the next scheduler follows them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the scheduler had ended before");
        }
    }
}

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run's events.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A file or a process.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Scheduler {
    /// A scheduler that does nothing yet.
    pub fn new(app: App, settings: Settings) -> Self {
        app.jobs.set_slots(settings.slots);
        Self { app, settings, lock: None, children: HashMap::new() }
    }

    /// Starts to work in the background.
    pub fn start(app: App, settings: Settings) -> Running {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Self::new(app, settings).work(stopped));
        Running { stop, task }
    }

    async fn work(mut self, mut stopped: watch::Receiver<bool>) {
        let handle = self.app.jobs.clone();
        while !*stopped.borrow_and_update() {
            let pause = self.look().await.unwrap_or_else(|error| {
                tracing::error!(%error, "a look over the runs failed; trying again");
                WAITING
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = handle.woken() => {}
                _ = stopped.changed() => {}
            }
        }
        handle.set_schedules(false);
    }

    /// Tries for the lock, then moves every run one step. Returns how long to wait for the next look.
    ///
    /// # Errors
    /// When the store answers with an error or the lock file cannot be opened. What is wrong with one run is logged and
    /// keeps no other from going on.
    pub async fn look(&mut self) -> Result<Duration, StepError> {
        self.app.store.look_for_news().await?;
        if !self.take_lock()? {
            return Ok(WAITING);
        }
        let (mut training, mut ending) = (0, false);
        let running = self.app.store.running().await?;
        // Reaps the workers whose runs were over before.
        self.children.retain(|key, child| {
            running.iter().any(|run| run.key == *key) || !matches!(child.try_wait(), Ok(Some(_)))
        });
        for run in running {
            let id = run.run;
            match self.follow(run).await {
                Ok(Step::Over) => {}
                Ok(Step::Trains) => training += 1,
                Ok(Step::Ends) => (training, ending) = (training + 1, true),
                Err(error) => {
                    training += 1;
                    tracing::error!(%error, run = %id, "a run cannot be followed now");
                }
            }
        }
        while training < self.settings.slots {
            let Some(ready) = self.app.store.next_ready().await? else { break };
            if self.hand_out(ready).await? {
                training += 1;
            }
        }
        Ok(match (ending, training) {
            (true, _) => ENDING,
            (false, 0) => IDLE,
            (false, _) => TRAINING,
        })
    }

    /// Whether this program holds the lock, now or still.
    fn take_lock(&mut self) -> Result<bool, StepError> {
        if self.lock.is_none() {
            let file = File::options()
                .create(true)
                .append(true)
                .open(self.app.data_dir.scheduler_lock())?;
            match file.try_lock() {
                Ok(()) => self.lock = Some(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            self.app.jobs.set_schedules(self.lock.is_some());
        }
        Ok(self.lock.is_some())
    }

    /// Takes in what a run has written and looks whether its worker lives.
    async fn follow(&mut self, mut run: RunningRun) -> Result<Step, StepError> {
        let folder = RunFolder::new(self.app.data_dir.folder(&run.folder));
        // Asked before its events are read: one that is dead now has written all that it ever will.
        let dead = if run.cancel { worker_process::kill(&folder)? } else { !folder.is_alive()? };
        let now = self.app.clock.now_ms();
        match ingest::take_in(&self.app.store, &folder, &mut run, now).await {
            Ok(Some(RunState::Running)) => {}
            Ok(_) => return Ok(Step::Over),
            Err(IngestError::File(error)) => return self.give_up(&run, &folder, error).await,
            Err(error) => return Err(error.into()),
        }
        if !dead {
            return Ok(if run.cancel { Step::Ends } else { Step::Trains });
        }
        // The lock is gone, so this waits for no more than the rest of the process's end.
        let exit = self.children.remove(&run.key).map(|mut child| child.wait()).transpose()?;
        self.end_dead(&run, exit).await?;
        Ok(Step::Over)
    }

    /// Ends a run whose worker is dead and has not said how it ended.
    async fn end_dead(&self, run: &RunningRun, exit: Option<ExitStatus>) -> Result<(), StepError> {
        let now = self.app.clock.now_ms();
        if run.cancel {
            self.app.store.end_run(run.key, RunState::Cancelled, None, now).await?;
            tracing::info!(run = %run.run, "cancelled");
        } else {
            let error = worker_process::last_words(exit);
            self.app.store.end_run(run.key, RunState::Interrupted, Some(&error), now).await?;
            tracing::warn!(run = %run.run, error, "interrupted");
        }
        Ok(())
    }

    /// A run whose events cannot be read any more: its worker is ended first, then the run fails.
    async fn give_up(
        &self,
        run: &RunningRun,
        folder: &RunFolder,
        error: super::run_folder::EventFileError,
    ) -> Result<Step, StepError> {
        if !worker_process::kill(folder)? {
            return Ok(Step::Ends);
        }
        let now = self.app.clock.now_ms();
        self.app.store.end_run(run.key, RunState::Failed, Some(&error.to_string()), now).await?;
        tracing::error!(run = %run.run, %error, "failed");
        Ok(Step::Over)
    }
}

/// Where a followed run stands after a look.
enum Step {
    /// Its worker lives.
    Trains,
    /// Its worker lives, but was told to end.
    Ends,
    /// It is over.
    Over,
}
