//! Follows running runs, marks interrupted ones, and starts queued ones (`hand_out.rs`).
//!
//! The program that holds the lock of `scheduler.lock` does this for the data folder; others try for the lock each second. A
//! pass over all runs ([`Scheduler::look`]) starts from the state in the store and moves each run one step. A scheduler keeps
//! no other state: if it is killed between any two steps, the next one continues from there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::{File, TryLockError},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use engine::compute::Machine;
use shared::{RunState, api::DeviceInfo};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    executor::{
        Executor, Handle, Life,
        local::{Local, own_program},
        slurm::{self, Slurm},
    },
    ingest::{self, IngestError},
};
use crate::{
    app::{
        App,
        devices::Gauges,
        handle::{Standing, Standings},
        placement::Placement,
    },
    run_folder::{EventFileError, RunFolder},
    store::{StoreError, queue::RunningRun},
};

/// Interval between passes while a worker that was asked to end is still alive.
const ENDING: Duration = Duration::from_millis(20);
/// Interval between passes while nothing trains: the longest wait for a study that another program queued.
const IDLE: Duration = Duration::from_millis(500);
/// Interval between attempts to take the lock, and between polls for changes by its holder.
const WAITING: Duration = Duration::from_secs(1);

/// Longest wait for what is known of devices that may have gone.
const ASKING: Duration = Duration::from_secs(1);
/// Most runs that a cluster is given in one pass: the runs that train are looked at in between.
const AT_ONCE: u32 = 100;

/// Tells which devices have gone, by name, with the reason. Asked before each pass; may block.
#[derive(Clone)]
pub struct Lost(Arc<dyn Fn() -> BTreeMap<String, String> + Send + Sync>);

impl Lost {
    /// As this function tells.
    pub fn by(look: impl Fn() -> BTreeMap<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }
}

impl fmt::Debug for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lost")
    }
}

/// How runs are scheduled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The devices, each with the number of runs that it trains at the same time.
    pub devices: Vec<DeviceInfo>,
    /// The devices as they were named, if they were.
    pub list: Option<String>,
    /// Which devices have gone; `None` if none can go.
    pub lost: Option<Lost>,
    /// The program to start as `PROGRAM worker --locked FOLDER --device NAME`.
    pub program: PathBuf,
}

impl Settings {
    /// `slots` runs at a time on each device of the machine, trained by this program.
    pub fn of(machine: &Machine, slots: u32) -> Self {
        let mut devices = machine.devices();
        for device in &mut devices {
            device.slots = slots;
        }
        // Only a GPU that the driver lists can go.
        let gpus = machine.gpus_in_use().then(|| {
            let (machine, gauges) = (machine.clone(), Gauges::default());
            Lost::by(move || gauges.lost(&machine))
        });
        Self { devices, list: machine.device_list(), lost: gpus, program: own_program() }
    }
}

/// Processes the queue of a data folder.
#[derive(Debug)]
pub struct Scheduler {
    pub(super) app: App,
    devices: Vec<DeviceInfo>,
    /// The devices as they were named, if they were.
    pub(super) list: Option<String>,
    lost: Option<Lost>,
    pub(super) executor: Box<dyn Executor>,
    /// Keys of the runs whose worker could not be started, because nothing could be written.
    pub(super) unstarted: BTreeSet<i64>,
    /// The scheduler's lock, if this program holds it.
    lock: Option<File>,
}

/// A scheduler that runs in the background.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Stops the scheduler and releases the lock. Workers continue to train; the next scheduler follows them.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the scheduler had ended before");
        }
    }
}

/// Why a step failed.
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
    /// A scheduler of this machine's devices that has not started.
    pub fn new(app: App, settings: Settings) -> Self {
        let Settings { devices, list, lost, program } = settings;
        Self { list, lost, ..Self::by(app, devices, Box::new(Local::new(program))) }
    }

    /// A scheduler that gives its runs to a cluster, but for those that ask for this machine.
    pub fn for_cluster(app: App, cluster: Slurm, here: Settings) -> Self {
        let Settings { devices, list, lost, .. } = here;
        let devices = std::iter::once(cluster.device()).chain(devices).collect();
        Self { list, lost, ..Self::by(app, devices, Box::new(cluster)) }
    }

    fn by(app: App, devices: Vec<DeviceInfo>, executor: Box<dyn Executor>) -> Self {
        app.queue.set_devices(&devices);
        let unstarted = BTreeSet::new();
        Self { app, devices, list: None, lost: None, executor, unstarted, lock: None }
    }

    /// Starts a scheduler of this machine's devices in the background.
    pub fn start(app: App, settings: Settings) -> Running {
        Self::new(app, settings).in_background()
    }

    /// Starts it in the background.
    pub fn in_background(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(self.work(stopped));
        Running { stop, task }
    }

    async fn work(mut self, mut stopped: watch::Receiver<bool>) {
        let handle = self.app.queue.clone();
        while !*stopped.borrow_and_update() {
            let pause = self.look().await.unwrap_or_else(|error| {
                tracing::error!(%error, "a pass over the runs failed; trying again");
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

    /// Tries for the lock, then moves every run one step. Returns how long to wait until the next pass.
    ///
    /// # Errors
    /// When the store fails or the lock file cannot be opened. An error with a single run is logged and does not hold up the
    /// others.
    pub async fn look(&mut self) -> Result<Duration, StepError> {
        self.app.store.look_for_news().await?;
        if !self.take_lock()? {
            return Ok(WAITING);
        }
        let mut ending = false;
        let mut standings = Standings::new();
        self.look_for_lost().await;
        self.devices.iter_mut().for_each(|device| device.running = 0);
        for run in self.app.store.running().await? {
            let (id, device) = (run.run, run.device.clone());
            let folder = RunFolder::new(self.app.data_dir.folder(&run.folder));
            let handle = run.handle.clone().map(Handle::new);
            let mut standing = Standing::default();
            match self.follow(run).await {
                Ok(Step::Over) => {
                    self.app.queue.has_ended(id);
                    continue;
                }
                Ok(Step::Trains) => {}
                Ok(Step::Pauses(why)) => standing.paused = Some(why),
                Ok(Step::Ends) => ending = true,
                Err(error) => tracing::error!(%error, run = %id, "a run cannot be followed now"),
            }
            standing.job = self.executor.job(&folder, handle.as_ref());
            if standing != Standing::default() {
                standings.insert(id, standing);
            }
            Placement::new(&mut self.devices).count(device.as_deref());
        }
        self.app.queue.set_standings(standings);
        self.app.queue.set_cluster(self.executor.cluster());
        match self.executor.places() {
            None => self.hand_out_all(false).await?,
            Some(most) => {
                self.hand_out_to_cluster(most).await?;
                self.hand_out_all(true).await?;
            }
        }
        self.app.queue.set_devices(&self.devices);
        let training = self.devices.iter().any(|device| device.running > 0);
        Ok(match (ending, training) {
            // A cluster takes seconds to end a job.
            (true, _) if self.executor.places().is_none() => ENDING,
            (false, false) => IDLE,
            _ => self.executor.pace(),
        })
    }

    /// Gives queued runs to the cluster, which decides when and where each trains. A run may come after others that it has already.
    async fn hand_out_to_cluster(&mut self, most: u32) -> Result<(), StepError> {
        for _ in 0..AT_ONCE {
            let mut clusters = self.devices.iter().filter(|device| device.name == slurm::DEVICE);
            if clusters.any(|cluster| cluster.running >= most) {
                break;
            }
            let Some(ready) = self.app.store.next_ahead(slurm::PREFIX).await? else { break };
            if self.hand_out(ready, slurm::DEVICE).await? {
                Placement::new(&mut self.devices).count(Some(slurm::DEVICE));
            }
        }
        Ok(())
    }

    /// Gives the free devices to the queued runs that ask for them, in the order of the queue; beside a cluster, to those that ask for
    /// this machine.
    async fn hand_out_all(&mut self, beside_cluster: bool) -> Result<(), StepError> {
        let mut devices = std::mem::take(&mut self.devices);
        let mut placement = Placement::new(&mut devices);
        let mut unmet = Vec::new();
        let outcome = loop {
            if !placement.any_free() {
                break Ok(());
            }
            let next = if beside_cluster && unmet.is_empty() {
                self.app.store.next_here().await
            } else if beside_cluster {
                Ok(None)
            } else {
                self.app.store.next_ready(&unmet).await
            };
            let ready = match next {
                Ok(Some(ready)) => ready,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            };
            let wish = ready.wish;
            match placement.place(wish) {
                Some(device) => match self.hand_out(ready, &device).await {
                    Ok(true) => placement.count(Some(&device)),
                    Ok(false) => {}
                    Err(error) => break Err(error),
                },
                None => unmet.push(wish),
            }
        };
        self.devices = devices;
        outcome
    }

    /// Asks which devices have gone. Without an answer in time, what was known stays.
    async fn look_for_lost(&mut self) {
        let Some(Lost(look)) = self.lost.clone() else { return };
        let asked = tokio::task::spawn_blocking(move || look());
        let Ok(Ok(lost)) = tokio::time::timeout(ASKING, asked).await else {
            tracing::warn!("the devices do not answer");
            return;
        };
        for device in &mut self.devices {
            let why = lost.get(&device.name);
            if device.refusal.as_ref() != why {
                if let Some(why) = why {
                    tracing::error!(device = device.name, why, "lost");
                } else {
                    tracing::info!(device = device.name, "is back");
                }
                device.refusal = why.cloned();
            }
        }
    }

    /// Tries to take the lock; true if this program holds it.
    fn take_lock(&mut self) -> Result<bool, StepError> {
        if self.lock.is_none() {
            self.lock = lock(&self.app)?;
            if self.lock.is_some() {
                tokio::spawn(tidy(self.app.clone()));
            }
            self.app.queue.set_schedules(self.lock.is_some());
        }
        Ok(self.lock.is_some())
    }

    /// Takes in what a run has written and checks whether its worker is alive.
    async fn follow(&mut self, mut run: RunningRun) -> Result<Step, StepError> {
        let folder = RunFolder::new(self.app.data_dir.folder(&run.folder));
        let handle = run.handle.clone().map(Handle::new);
        run.cancel |= self.app.queue.is_to_end(run.run);
        if run.cancel {
            self.executor.end(&folder, handle.as_ref())?;
        }
        // Query this before reading the events: a worker that is gone by now writes no more events.
        let life = self.executor.state(&folder, handle.as_ref());
        let now = self.app.clock.now_ms();
        if matches!(life, Life::Waits) {
            return Ok(if run.cancel { Step::Ends } else { Step::Trains });
        }
        match ingest::take_in(&self.app.store, &folder, &mut run, now).await {
            Ok(Some(RunState::Running)) => {}
            Ok(_) => {
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            // Another machine writes the file: what cannot be read now may be readable later.
            Err(IngestError::File(error @ EventFileError::Read { .. }))
                if self.executor.places().is_some() && matches!(life, Life::Alive) =>
            {
                tracing::warn!(run = %run.run, %error, "its events cannot be read now");
            }
            Err(IngestError::File(error)) => return self.give_up(&run, &folder, error).await,
            // The database and the run may be on the same full disk.
            Err(IngestError::Store(StoreError::Unwritable(_) | StoreError::Disk { .. }))
                if matches!(life, Life::Paused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match life {
            Life::Gone(why) => {
                let unstarted = self.unstarted.contains(&run.key);
                if !(unstarted && self.put_back(run.key).await?) {
                    self.end_gone(&run, &why).await?;
                }
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            Life::Unstarted(why) => {
                // It may have begun unseen, while no server was there.
                if self.put_back(run.key).await? || self.app.store.go_on(run.key, &why, now).await?
                {
                    tracing::info!(run = %run.run, why, "queued again");
                } else {
                    self.end_gone(&run, &why).await?;
                }
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            Life::Lost(why) => {
                if self.app.store.go_on(run.key, &why, now).await? {
                    tracing::info!(run = %run.run, why, "goes on in another attempt");
                } else {
                    self.end_gone(&run, &why).await?;
                }
                self.executor.over(&folder);
                return Ok(Step::Over);
            }
            Life::Unknown(why) => {
                tracing::warn!(run = %run.run, why, "unknown whether its worker is alive");
            }
            Life::Paused(why) if !run.cancel => {
                let text = format!("{why}; goes on when it can be written again");
                return Ok(Step::Pauses(text));
            }
            Life::Paused(_) | Life::Alive | Life::Waits => {}
        }
        Ok(if run.cancel { Step::Ends } else { Step::Trains })
    }

    /// Ends a run whose worker is gone without having reported how it ended.
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

    /// Fails a run whose events can no longer be read; its worker is ended first.
    async fn give_up(
        &mut self,
        run: &RunningRun,
        folder: &RunFolder,
        error: EventFileError,
    ) -> Result<Step, StepError> {
        let handle = run.handle.clone().map(Handle::new);
        self.executor.end(folder, handle.as_ref())?;
        let life = self.executor.state(folder, handle.as_ref());
        if !matches!(life, Life::Gone(_) | Life::Lost(_) | Life::Unstarted(_)) {
            return Ok(Step::Ends);
        }
        let now = self.app.clock.now_ms();
        self.app.store.end_run(run.key, RunState::Failed, Some(&error.to_string()), now).await?;
        tracing::error!(run = %run.run, %error, "failed");
        self.executor.over(folder);
        Ok(Step::Over)
    }
}

/// Takes the lock that keeps other programs from starting runs and taking in events; `None` if another program holds it.
///
/// # Errors
/// When the lock file cannot be opened or locked.
pub fn lock(app: &App) -> io::Result<Option<File>> {
    let file = File::options().create(true).append(true).open(app.data_dir.scheduler_lock())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what killed programs left behind, and says so.
async fn tidy(app: App) {
    match app.tidy().await {
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => tracing::info!(?removed, "removed what a program that was killed had left"),
        Err(error) => tracing::warn!(%error, "something that was deleted is left over"),
    }
}

/// The state of a followed run after a pass.
enum Step {
    /// Its worker is alive.
    Trains,
    /// Its worker is alive and waits for the disk, for this reason.
    Pauses(String),
    /// Its worker is alive, but was asked to end.
    Ends,
    /// It has ended.
    Over,
}
