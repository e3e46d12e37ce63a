//! Follows running runs, marks interrupted ones, and has queued ones handed out (`hand_out.rs`).
//!
//! Whoever holds the lock of `scheduler.lock` does this for the data folder; others look for the lock each second. A look
//! over all runs ([`Scheduler::look`]) takes the store as it is and moves each run one step, so nothing is lost with the
//! scheduler: killed between any two steps, the next one goes on from there.

use std::{
    fs::{File, TryLockError},
    io,
    path::PathBuf,
    time::Duration,
};

use engine::compute::Machine;
use shared::{RunState, api::DeviceInfo};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    executor::{
        Executor, Handle, Life,
        local::{Local, own_program},
    },
    ingest::{self, IngestError},
};
use crate::{
    app::App,
    run_folder::{EventFileError, RunFolder},
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
    /// The devices, with the number of runs that each works on at a time.
    pub devices: Vec<DeviceInfo>,
    /// The program to start as `PROGRAM worker --locked FOLDER --device NAME`.
    pub program: PathBuf,
}

impl Settings {
    /// So many runs at a time on each device of the machine, trained by this program.
    pub fn of(machine: &Machine, slots: u32) -> Self {
        let mut devices = machine.devices();
        for device in &mut devices {
            device.slots = slots;
        }
        Self { devices, program: own_program() }
    }
}

/// Works the queue of a data folder.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) app: App,
    devices: Vec<DeviceInfo>,
    pub(super) executor: Box<dyn Executor>,
    /// Held by this program, when it is.
    lock: Option<File>,
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
        app.queue.set_devices(&settings.devices);
        let executor = Box::new(Local::new(settings.program));
        Self { app, devices: settings.devices, executor, lock: None }
    }

    /// Starts to work in the background.
    pub fn start(app: App, settings: Settings) -> Running {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Self::new(app, settings).work(stopped));
        Running { stop, task }
    }

    async fn work(mut self, mut stopped: watch::Receiver<bool>) {
        let handle = self.app.queue.clone();
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
        let mut ending = false;
        self.devices.iter_mut().for_each(|device| device.running = 0);
        for run in self.app.store.running().await? {
            let (id, device) = (run.run, run.device.clone());
            match self.follow(run).await {
                Ok(Step::Over) => continue,
                Ok(Step::Trains) => {}
                Ok(Step::Ends) => ending = true,
                Err(error) => tracing::error!(%error, run = %id, "a run cannot be followed now"),
            }
            self.count(device.as_deref());
        }
        while let Some(device) = self.free_device() {
            let Some(ready) = self.app.store.next_ready().await? else { break };
            if self.hand_out(ready, &device).await? {
                self.count(Some(&device));
            }
        }
        self.app.queue.set_devices(&self.devices);
        let training = self.devices.iter().any(|device| device.running > 0);
        Ok(match (ending, training) {
            (true, _) => ENDING,
            (false, false) => IDLE,
            (false, true) => TRAINING,
        })
    }

    /// Counts a run for its device; one of a device that this program does not have is at work on this machine all the same, and counts
    /// for the first.
    fn count(&mut self, device: Option<&str>) {
        let known = self.devices.iter().position(|known| Some(known.name.as_str()) == device);
        if let Some(device) = self.devices.get_mut(known.unwrap_or(0)) {
            device.running += 1;
        }
    }

    /// The device with the fewest runs of those that can take one more.
    fn free_device(&self) -> Option<String> {
        let free = self.devices.iter().filter(|device| device.running < device.slots);
        free.min_by_key(|device| device.running).map(|device| device.name.clone())
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
            self.app.queue.set_schedules(self.lock.is_some());
        }
        Ok(self.lock.is_some())
    }

    /// Takes in what a run has written and looks whether its worker lives.
    async fn follow(&mut self, mut run: RunningRun) -> Result<Step, StepError> {
        let folder = RunFolder::new(self.app.data_dir.folder(&run.folder));
        let handle = run.handle.clone().map(Handle::new);
        if run.cancel {
            self.executor.end(&folder, handle.as_ref())?;
        }
        // Asked before its events are read: one that is gone now has written all that it ever will.
        let life = self.executor.state(&folder, handle.as_ref());
        let now = self.app.clock.now_ms();
        match ingest::take_in(&self.app.store, &folder, &mut run, now).await {
            Ok(Some(RunState::Running)) => {}
            Ok(_) => {
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            Err(IngestError::File(error)) => return self.give_up(&run, &folder, error).await,
            Err(error) => return Err(error.into()),
        }
        match life {
            Life::Gone(why) => {
                self.end_gone(&run, &why).await?;
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            Life::Unknown(why) => {
                tracing::warn!(run = %run.run, why, "whether it lives is unknown");
            }
            Life::Alive => {}
        }
        Ok(if run.cancel { Step::Ends } else { Step::Trains })
    }

    /// Ends a run whose worker is gone and has not said how it ended.
    async fn end_gone(&self, run: &RunningRun, why: &str) -> Result<(), StepError> {
        let now = self.app.clock.now_ms();
        if run.cancel {
            self.app.store.end_run(run.key, RunState::Cancelled, None, now).await?;
            tracing::info!(run = %run.run, "cancelled");
        } else {
            self.app.store.end_run(run.key, RunState::Interrupted, Some(why), now).await?;
            tracing::warn!(run = %run.run, why, "interrupted");
        }
        Ok(())
    }

    /// A run whose events cannot be read any more: its worker is ended first, then the run fails.
    async fn give_up(
        &mut self,
        run: &RunningRun,
        folder: &RunFolder,
        error: EventFileError,
    ) -> Result<Step, StepError> {
        let handle = run.handle.clone().map(Handle::new);
        self.executor.end(folder, handle.as_ref())?;
        if !matches!(self.executor.state(folder, handle.as_ref()), Life::Gone(_)) {
            return Ok(Step::Ends);
        }
        let now = self.app.clock.now_ms();
        self.app.store.end_run(run.key, RunState::Failed, Some(&error.to_string()), now).await?;
        tracing::error!(run = %run.run, %error, "failed");
        self.executor.over(folder);
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
