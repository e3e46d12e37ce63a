//! `maskdoor worker FOLDER`: trains one run in a process of its own and appends its events to the run's folder.

use std::{
    any::Any,
    fs::{self, File},
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use engine::{checkpoint::resume::ResumePoint, compute::Machine};
use shared::{RunEvent, RunOrder, Stamped};

use crate::{clock::Clock, queue::executor::local, run_folder::RunFolder, run_log::RunLog};

/// How far a worker steps back behind the dashboard, which must answer while it trains.
const NICENESS: i32 = 5;

/// A worker cannot begin, or cannot write down how it ended.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Another worker trains this run.
    #[error("another worker is at work in {0}")]
    Busy(PathBuf),
    /// The run was started before.
    #[error("{0} is there already: a run's worker is started once; queue the run again instead")]
    Started(PathBuf),
    /// A file of the folder.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The run failed; its last event says why, too.
    #[error("the run failed: {0}")]
    Failed(String),
}

/// Trains the run whose order lies in `folder`. `locked` says that whoever started this process has taken the run's lock
/// already and handed it over as standard input; `device` names the device to work on, else it is the first.
///
/// # Errors
/// When the run fails. Unless its event file cannot be written, the error is also the run's last event.
pub fn run(
    folder: &Path,
    locked: bool,
    device: Option<&str>,
    machine: Machine,
    clock: &Clock,
) -> Result<(), WorkerError> {
    let folder = RunFolder::new(folder);
    let file_error = |path: PathBuf| move |source| WorkerError::File { path, source };
    let lock = if locked {
        None
    } else {
        let lock = local::lock(&folder).map_err(file_error(folder.lock_file()))?;
        Some(lock.ok_or_else(|| WorkerError::Busy(folder.path().to_owned()))?)
    };
    fs::write(folder.lock_file(), std::process::id().to_string())
        .map_err(file_error(folder.lock_file()))?;
    let order = folder
        .order()
        .map_err(|error| format!("{} is no order: {error}", folder.order_file().display()));
    let machine =
        device.map_or(Ok(machine), |device| machine.on(device)).map_err(|error| error.to_string());
    let begun = match (&order, &machine) {
        (Ok(order), Ok(machine)) => {
            folder.begin(order, &machine.device(order.settings.precision).bits())
        }
        // What fails at once needs no place, and takes none from the attempt that will be right.
        _ => Ok(None),
    };
    let opened = begun.and_then(|point| {
        let events = point.as_ref().map_or(0, |point| point.events);
        Ok((EventLog::open(&folder.events_file(), events, clock.clone())?, point))
    });
    let (mut log, point) = opened.map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            WorkerError::Started(folder.events_file())
        } else {
            WorkerError::File { path: folder.events_file(), source }
        }
    })?;
    if let Ok(order) = &order {
        log.numbers = begin_numbers(&folder, order)
            .inspect_err(|error| tracing::warn!(%error, "the run is trained without log.csv"))
            .ok();
    }
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the priority stays as it is");
    }

    let outcome =
        catch_unwind(AssertUnwindSafe(|| train(order, machine, &folder, point.as_ref(), &mut log)))
            .unwrap_or_else(|panic| Err(format!("the program made a mistake: {}", words(&*panic))));
    drop(lock);
    outcome.map_err(|message| {
        // When even this cannot be written, the lock without a worker tells that the run was interrupted.
        if let Err(error) = log.write(RunEvent::Failed { message: message.clone() }) {
            tracing::error!(%error, "the failure could not be written down");
        }
        WorkerError::Failed(message)
    })
}

fn train(
    order: Result<RunOrder, String>,
    machine: Result<Machine, String>,
    folder: &RunFolder,
    resume: Option<&ResumePoint>,
    log: &mut EventLog,
) -> Result<(), String> {
    let (order, machine) = (order?, machine?);
    engine::run::run(&order, folder.path(), resume, &machine, &mut |event| log.write(event))
        .map_err(|error| error.to_string())
}

/// Begins the files of numbers with the events that the run keeps.
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

/// Appends events as lines, and what they tell to the files of numbers.
struct EventLog {
    file: File,
    clock: Clock,
    seq: u64,
    numbers: Option<RunLog>,
}

impl EventLog {
    /// Begins a file, or goes on behind the `events` that it holds. `AlreadyExists` when a file that is to begin is there.
    fn open(path: &Path, events: u64, clock: Clock) -> io::Result<Self> {
        let file = File::options().create_new(events == 0).append(true).open(path)?;
        Ok(Self { file, clock, seq: events, numbers: None })
    }

    /// Writes one line with one call, so that a reader sees none or all of it, short of a crash of the machine.
    fn write(&mut self, event: RunEvent) -> io::Result<()> {
        let stamped = Stamped { seq: self.seq + 1, at: self.clock.now_ms(), event };
        let mut line = serde_json::to_vec(&stamped)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.seq += 1;
        // A run is worth more than these files: they end where one cannot be written.
        if let Some(Err(error)) = self.numbers.as_mut().map(|numbers| numbers.take(&stamped)) {
            tracing::warn!(%error, "log.csv and the event file of TensorBoard end here");
            self.numbers = None;
        }
        Ok(())
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}
