//! `maskdoor worker FOLDER`: trains one run in a separate process and appends its events to the run's folder.

use std::{
    any::Any,
    cell::RefCell,
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use engine::{
    EngineError,
    checkpoint::resume::Found,
    compute::Machine,
    files::{LAST_CHECKPOINT, is_full},
    nodes::NodesError,
    stop::{Patience, patiently},
};
use shared::{RunEvent, RunOrder, Stamped};

use crate::{
    clock::Clock,
    queue::executor::local::{self, Pause},
    run_folder::RunFolder,
    run_log::{Growing, RunLog},
};

/// The worker's niceness: the dashboard must stay responsive while it trains.
const NICENESS: i32 = 5;

/// A worker cannot start, or cannot record how it ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Another worker trains this run.
    #[error("another worker is running in {0}")]
    Busy(PathBuf),
    /// The run was started before.
    #[error("{0} already exists: a worker is started only once per attempt; queue the run again")]
    Started(PathBuf),
    /// A file of the folder.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The run failed; its last event also has the reason.
    #[error("the run failed: {0}")]
    Failed(String),
    /// Another node of the run is gone; no event says so, because the run goes on in another attempt.
    #[error("{0}")]
    NodeLost(String),
    /// The run needs another one that has not finished; no event says so, because the run goes on.
    #[error("{0} is not there yet: a run that this one needs has not finished")]
    TooEarly(PathBuf),
    /// It was asked to leave and has kept its place; no event says so, because the run goes on.
    #[error("asked to leave: the run has kept its place, from which another attempt goes on")]
    Left,
}

impl WorkerError {
    /// Whether the worker has left with the run's place kept.
    pub fn is_left(&self) -> bool {
        matches!(self, Self::Left)
    }

    /// Whether a run that it needs has not finished.
    pub fn is_too_early(&self) -> bool {
        matches!(self, Self::TooEarly(_))
    }

    /// Whether another node was lost.
    pub fn is_node_lost(&self) -> bool {
        matches!(self, Self::NodeLost(_))
    }

    /// Whether another worker was started before in the same attempt.
    pub fn is_second(&self) -> bool {
        matches!(self, Self::Started(_))
    }
}

/// How a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// By hand: it takes the run's lock.
    Alone,
    /// By a program of this machine, which has taken the lock and passed it on as standard input.
    Locked,
    /// By a cluster, which alone says whether it lives: a lock of another machine says nothing.
    Job,
}

/// Trains the run whose order is in `folder`. `device` names the device to train on; the default is the first. When it receives SIGUSR1,
/// it keeps the run's place at the end of the epoch and leaves. Of several nodes, only the first writes to the folder.
///
/// # Errors
/// When the run fails. Unless its event file cannot be written, the error is also the run's last event.
pub fn run(
    folder: &Path,
    started: Started,
    device: Option<&str>,
    machine: Machine,
    clock: &Clock,
) -> Result<(), WorkerError> {
    let folder = RunFolder::new(folder);
    if started == Started::Job {
        wait_for_inputs(&folder)?;
    }
    if machine.nodes().is_some_and(|nodes| !nodes.is_first()) {
        return assist(&folder, device, machine);
    }
    let file_error = |path: PathBuf| move |source| WorkerError::File { path, source };
    let lock = if started == Started::Alone {
        let lock = local::lock(&folder).map_err(file_error(folder.lock_file()))?;
        Some(lock.ok_or_else(|| WorkerError::Busy(folder.path().to_owned()))?)
    } else {
        None
    };
    let leave = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGUSR1, leave.clone()) {
        tracing::warn!(%error, "the worker cannot be asked to leave");
    }
    let mut pause = Pause::new(&folder);
    if started != Started::Job {
        let number = || fs::write(folder.lock_file(), std::process::id().to_string());
        patiently(&mut pause, full, number).map_err(file_error(folder.lock_file()))?;
    }
    let order = folder.order().map_err(|error| {
        format!("{} is not a valid order: {error}", folder.order_file().display())
    });
    let id = order.as_ref().ok().map(|order| tracing::field::display(order.run));
    let _named = tracing::error_span!("run", id).entered();
    let machine = match device {
        Some(device) => machine.on(device).map_err(|error| error.to_string()),
        None => Ok(machine),
    };
    // A device that cannot be opened fails the run in words, like one that is not there.
    let machine = machine.and_then(|machine| {
        let precision = order.as_ref().map(|order| order.settings.precision).unwrap_or_default();
        let bits = machine.device(precision).map_err(|error| error.to_string())?.bits();
        Ok((machine, bits))
    });
    let begun = match (&order, &machine) {
        (Ok(order), Ok((_, bits))) => {
            patiently(&mut pause, unwritable, || folder.find(order, bits)).and_then(|beginning| {
                patiently(&mut pause, full, || folder.begin(&beginning))?;
                Ok(beginning.found)
            })
        }
        // A run that fails at once needs no resume point, and must leave it to the next attempt.
        _ => Ok(Found::default()),
    };
    let opened = begun.and_then(|found| {
        let events = found.point.as_ref().map_or(0, |point| point.events);
        let open = || EventLog::open(&folder.events_file(), events, clock.clone());
        Ok((patiently(&mut pause, full, open)?, found))
    });
    let (mut log, found) = opened.map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            WorkerError::Started(folder.events_file())
        } else {
            WorkerError::File { path: folder.events_file(), source }
        }
    })?;
    if machine.as_ref().is_ok_and(|(machine, _)| machine.nodes().is_some()) {
        // What an attempt left that was killed while its nodes met.
        let _ = fs::remove_dir_all(folder.meetings());
    }
    if let Ok(order) = &order {
        log.numbers = patiently(&mut pause, full, || begin_numbers(&folder, order))
            .inspect_err(|error| tracing::warn!(%error, "the run is trained without log.csv"))
            .ok();
    }
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority cannot be lowered");
    }

    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let machine = machine.map(|(machine, _)| machine);
        train(order, machine, &folder, &found, &mut log, Asked { pause: &mut pause, leave: &leave })
    }))
    .unwrap_or_else(|panic| Err(Ended::Failed(format!("internal error: {}", words(&*panic)))));
    drop(lock);
    outcome.map_err(|ended| {
        let message = match ended {
            Ended::Left => return WorkerError::Left,
            // The cluster starts another attempt; elsewhere this is the end.
            Ended::NodeLost(message) if started == Started::Job => {
                let told = log.write(RunEvent::Log { message: message.clone() }, &mut pause);
                if let Err(error) = told {
                    tracing::error!(%error, "the loss of a node could not be recorded");
                }
                return WorkerError::NodeLost(message);
            }
            Ended::NodeLost(message) | Ended::Failed(message) => message,
        };
        // If even this cannot be written, the released lock marks the run as interrupted.
        if let Err(error) = log.write(RunEvent::Failed { message: message.clone() }, &mut pause) {
            tracing::error!(%error, "the failure could not be recorded");
        }
        WorkerError::Failed(message)
    })
}

/// Refuses a job that a cluster started before a run that it needs has finished.
fn wait_for_inputs(folder: &RunFolder) -> Result<(), WorkerError> {
    // Later, an order that cannot be read or an imported checkpoint that is gone ends the run with an error.
    let Ok(order) = folder.order() else { return Ok(()) };
    let encoder = order.encoder.filter(|_| order.settings.encoder.is_none());
    let restorer = order.restorer.filter(|_| !order.settings.takes_imported_restorer());
    let checkpoints = encoder.into_iter().chain(restorer);
    let missing = checkpoints
        .map(|folder| Path::new(&folder).join(LAST_CHECKPOINT))
        .find(|checkpoint| !checkpoint.exists());
    missing.map_or(Ok(()), |checkpoint| Err(WorkerError::TooEarly(checkpoint)))
}

/// Takes the steps of a run that the first node does, with this node's part. How the run ends is the first node's to say.
fn assist(folder: &RunFolder, device: Option<&str>, machine: Machine) -> Result<(), WorkerError> {
    // It leaves when the first node does.
    let ignored = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGUSR1, ignored) {
        tracing::warn!(%error, "a warning of the time limit would end this node");
    }
    let path = folder.order_file();
    let order = folder
        .order()
        .map_err(|source| WorkerError::File { path, source: io::Error::other(source) })?;
    let _named = tracing::error_span!("run", id = %order.run).entered();
    let machine = match device {
        Some(device) => machine.on(device),
        None => Ok(machine),
    };
    let machine = machine.map_err(|error| WorkerError::Failed(error.to_string()))?;
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority cannot be lowered");
    }
    let outcome = engine::run::assist(&order, folder.path(), &machine);
    match outcome {
        // The first node knows, and says it as the run's last word.
        Err(error) if machine.nodes().is_some_and(|nodes| nodes.have_met()) => {
            tracing::warn!(%error, "this node ends");
            Ok(())
        }
        outcome => outcome.map_err(|error| WorkerError::Failed(error.to_string())),
    }
}

/// How a training ended before it was over.
enum Ended {
    /// It was asked to leave, and has kept its place.
    Left,
    /// Another node is gone.
    NodeLost(String),
    /// For this reason.
    Failed(String),
}

/// What a worker is asked for from outside.
struct Asked<'a> {
    pause: &'a mut Pause,
    leave: &'a AtomicBool,
}

/// Trains.
fn train(
    order: Result<RunOrder, String>,
    machine: Result<Machine, String>,
    folder: &RunFolder,
    found: &Found,
    log: &mut EventLog,
    asked: Asked<'_>,
) -> Result<(), Ended> {
    let (order, machine) = (order.map_err(Ended::Failed)?, machine.map_err(Ended::Failed)?);
    let Found { point, damaged } = found;
    // Files and events wait in turn, never at once.
    let pause = RefCell::new(asked.pause);
    let mut emit = |event| log.write(event, &mut pause.borrow_mut());
    let (folder, mut files) = (folder.path(), Shared { pause: &pause, leave: asked.leave });
    engine::run::run(&order, folder, point.as_ref(), damaged, &machine, &mut files, &mut emit)
        .map_err(|error| match error {
            EngineError::Left => Ended::Left,
            EngineError::Nodes(NodesError::Lost(words)) => Ended::NodeLost(words),
            error => Ended::Failed(error.to_string()),
        })
}

/// The pause of a worker, for its files.
struct Shared<'a, 'b> {
    pause: &'a RefCell<&'b mut Pause>,
    leave: &'a AtomicBool,
}

impl Patience for Shared<'_, '_> {
    fn wait(&mut self, error: &io::Error) -> bool {
        self.pause.borrow_mut().wait(error)
    }

    fn over(&mut self) {
        self.pause.borrow_mut().over();
    }

    fn is_to_leave(&self) -> bool {
        self.leave.load(Ordering::Relaxed)
    }
}

/// The error of a write that may succeed later.
fn full(error: &io::Error) -> Option<&io::Error> {
    is_full(error).then_some(error)
}

/// The error of a write that may succeed later, where files are read as well: one that cannot be read will not be readable later.
fn unwritable(error: &io::Error) -> Option<&io::Error> {
    full(error).filter(|error| error.raw_os_error() != Some(rustix::io::Errno::IO.raw_os_error()))
}

/// Creates `log.csv` and the event file of `TensorBoard` from the events that the run keeps.
fn begin_numbers(folder: &RunFolder, order: &RunOrder) -> io::Result<RunLog> {
    let (mut events, mut from) = (Vec::new(), 0);
    loop {
        let seq = events.len() as u64;
        let part = folder.read_events(from, seq).map_err(io::Error::other)?;
        if part.events.is_empty() {
            return RunLog::begin(folder.path(), order.kind, &events);
        }
        from = part.to_bytes;
        events.extend(part.events);
    }
}

/// Appends events as lines, and their numbers to `log.csv` and the event file of `TensorBoard`.
struct EventLog {
    file: Growing,
    clock: Clock,
    seq: u64,
    numbers: Option<RunLog>,
}

impl EventLog {
    /// Creates a file, or continues after the `events` that it holds. `AlreadyExists` if a file to be created exists.
    fn open(path: &Path, events: u64, clock: Clock) -> io::Result<Self> {
        let file = File::options().create_new(events == 0).append(true).open(path)?;
        Ok(Self { file: Growing::new(file)?, clock, seq: events, numbers: None })
    }

    /// Writes a line with a single call, so that a reader sees none or all of it, unless the machine crashes. Waits while nothing can
    /// be written. The numbers of the last event come before it: whoever reads that a run is over may take its files for complete, and
    /// a worker that is killed in between has not finished.
    fn write(&mut self, event: RunEvent, pause: &mut Pause) -> io::Result<()> {
        let stamped = Stamped { seq: self.seq + 1, at: self.clock.now_ms(), event };
        let is_last = is_last(&stamped.event);
        if is_last {
            self.write_numbers(&stamped, pause);
        }
        let mut line = serde_json::to_vec(&stamped)?;
        line.push(b'\n');
        self.file.add(&line);
        if let Err(error) = patiently(pause, full, || self.file.write()) {
            self.file.forget();
            return Err(error);
        }
        self.seq += 1;
        if !is_last {
            self.write_numbers(&stamped, pause);
        }
        Ok(())
    }

    /// Writes an event's numbers. A run must not fail because of these files: after an error that does not pass they end here.
    fn write_numbers(&mut self, stamped: &Stamped, pause: &mut Pause) {
        if let Some(numbers) = &mut self.numbers {
            numbers.take(stamped);
            let is_last = is_last(&stamped.event);
            let written = patiently(pause, full, || {
                numbers.write()?;
                // The last event must not be on the disk before them.
                if is_last { numbers.sync() } else { Ok(()) }
            });
            if let Err(error) = written {
                tracing::warn!(%error, "log.csv and the event file of TensorBoard end here");
                self.numbers = None;
            }
        }
    }
}

/// Whether no event follows.
fn is_last(event: &RunEvent) -> bool {
    matches!(event, RunEvent::Finished { .. } | RunEvent::Failed { .. })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}
