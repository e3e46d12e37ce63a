//! Runs as processes of this machine: a worker is a second process of this program, in its own process group.
//!
//! A worker is alive as long as the lock of its run's folder is held. The lock belongs to an open file, not to a process: it is taken
//! here and passed on as the worker's standard input, so it is held exactly as long as the worker lives, without a gap. A process
//! number is never trusted without the lock.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use engine::{files::is_full, stop::Patience};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Executor, Handle, Life, Resources, Start, slurm};
use crate::run_folder::RunFolder;

/// Workers of this machine. They outlive this program; the next scheduler finds them by their locks.
#[derive(Debug)]
pub struct Local {
    program: PathBuf,
    /// Exit statuses of the workers that this program started, by folder; set when the worker ends.
    ends: HashMap<PathBuf, Arc<OnceLock<Option<ExitStatus>>>>,
}

impl Local {
    /// Starts workers as `PROGRAM worker --locked FOLDER --device NAME`, with `--devices LIST` where the queue was told a list.
    pub fn new(program: PathBuf) -> Self {
        Self { program, ends: HashMap::new() }
    }
}

impl Executor for Local {
    fn start(&mut self, folder: &RunFolder, start: &Start) -> io::Result<Handle> {
        let lock = lock(folder)?
            .ok_or_else(|| io::Error::other("a worker of an earlier attempt is still running"))?;
        let mut child =
            spawn(&self.program, folder, lock, Some(&start.resources)).map_err(|error| {
                // The number of an error tells whether the disk is to blame; a text would hide it.
                if is_full(&error) {
                    return error;
                }
                io::Error::new(error.kind(), format!("{}: {error}", self.program.display()))
            })?;
        let handle = Handle::new(child.id().to_string());
        // A waiting thread reaps the process whenever it ends, whether or not its status is needed.
        let end = Arc::new(OnceLock::new());
        self.ends.insert(folder.path().to_owned(), Arc::clone(&end));
        std::thread::spawn(move || end.set(child.wait().ok()));
        Ok(handle)
    }

    fn state(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Life {
        if handle.is_some_and(|handle| slurm::is_job(handle.as_str())) {
            let what = "a cluster has it; start the server with --executor slurm to follow it";
            return Life::Unknown(what.into());
        }
        match is_alive(folder) {
            Ok(true) => paused(folder).map_or(Life::Alive, Life::Paused),
            Err(error) => Life::Unknown(format!("{}: {error}", folder.lock_file().display())),
            Ok(false) => {
                // The lock is released, so the process is about to end and this does not wait long.
                let exit = self.ends.get(folder.path()).and_then(|end| *end.wait());
                Life::Gone(last_words(exit, folder))
            }
        }
    }

    fn end(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> io::Result<()> {
        // On a full disk a worker could not write its number, but the number of the one that was started is known.
        let started = || handle.and_then(|handle| handle.as_str().parse().ok());
        if is_alive(folder)?
            && let Some(group) = pid(folder).or_else(started).and_then(Pid::from_raw)
        {
            match kill_process_group(group, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn over(&mut self, folder: &RunFolder) {
        self.ends.remove(folder.path());
    }
}

/// Starts a worker on a run folder, on the devices that it was assigned or the machine's first one. It runs in its own process group, so that
/// Ctrl-C in a terminal does not reach it.
///
/// # Errors
/// When the program cannot be started or the log cannot be written.
pub fn spawn(
    program: &Path,
    folder: &RunFolder,
    lock: File,
    resources: Option<&Resources>,
) -> io::Result<Child> {
    let log = File::create(folder.log_file())?;
    let mut command = Command::new(program);
    command.process_group(0).arg0("maskdoor");
    command.arg("worker").arg("--locked").arg(folder.path());
    if let Some(Resources { device, devices }) = resources {
        command.arg("--device").arg(device);
        if let Some(devices) = devices {
            command.arg("--devices").arg(devices);
        }
    }
    command.stdin(Stdio::from(lock)).stdout(log.try_clone()?).stderr(log).spawn()
}

/// The running program, even if its file was replaced by a newer one meanwhile.
pub fn own_program() -> PathBuf {
    if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe().unwrap_or_else(|_| "maskdoor".into())
    }
}

/// Takes the lock of a run's worker; `None` if a live worker holds it. The lock is held as long as the file, or a copy of it in a
/// process that inherited it, is open.
///
/// # Errors
/// When the file cannot be opened.
pub fn lock(folder: &RunFolder) -> io::Result<Option<File>> {
    let path = folder.lock_file();
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            // The process number of a dead worker may belong to another process by now.
            file.set_len(0)?;
            Ok(Some(file))
        }
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a worker is alive.
///
/// # Errors
/// When its lock file exists but cannot be opened.
pub fn is_alive(folder: &RunFolder) -> io::Result<bool> {
    if !folder.lock_file().exists() {
        return Ok(false);
    }
    Ok(lock(folder)?.is_none())
}

/// Process number that the worker wrote, which is also its group's; `None` before it did.
pub fn pid(folder: &RunFolder) -> Option<i32> {
    fs::read_to_string(folder.lock_file()).ok()?.trim().parse().ok()
}

/// How long a worker waits until it tries again to write.
const AGAIN: Duration = Duration::from_secs(2);

/// Makes a worker wait while nothing can be written, and shows that it waits: by a lock, because on a full disk no file can be written
/// that says so.
#[derive(Debug)]
pub struct Pause {
    /// `None` when it could not be created: the worker waits all the same.
    file: Option<File>,
    waits: bool,
}

impl Pause {
    /// Creates the file in the run's folder.
    pub fn new(folder: &RunFolder) -> Self {
        let mut options = File::options();
        let file = options.create(true).truncate(true).write(true).open(folder.pause_file());
        Self { file: file.ok(), waits: false }
    }
}

impl Patience for Pause {
    fn wait(&mut self, error: &io::Error) -> bool {
        if !self.waits {
            self.waits = true;
            if let Some(file) = &mut self.file {
                let _ = file.lock();
                // Without a reason, readers assume the most frequent one.
                let written = file.write_all(reason(error).as_bytes());
                let _ = written.or_else(|_| file.set_len(0));
            }
            let seconds = AGAIN.as_secs();
            tracing::warn!(%error, "nothing can be written; trying again every {seconds} s");
        }
        std::thread::sleep(AGAIN);
        true
    }

    fn over(&mut self) {
        self.waits = false;
        tracing::info!("the wait for the disk has ended");
        if let Some(file) = &mut self.file {
            let _ = file.set_len(0).and_then(|()| file.rewind());
            let _ = file.unlock();
        }
    }
}

/// Why nothing can be written, in words.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => "the quota of the disk is used up",
        io::ErrorKind::FileTooLarge => "a file may not grow any more",
        io::ErrorKind::ReadOnlyFilesystem => "the disk has become read-only",
        io::ErrorKind::StorageFull => FULL,
        _ => "the disk fails",
    }
}

const FULL: &str = "the disk is full";

/// Why a live worker waits; `None` when it does not.
pub fn paused(folder: &RunFolder) -> Option<String> {
    let mut file = File::open(folder.pause_file()).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut reason = String::new();
            let _ = file.read_to_string(&mut reason);
            Some(if reason.is_empty() { FULL.to_owned() } else { reason })
        }
        _ => None,
    }
}

/// Why a worker may have ended that did not report it, with the last lines that it printed.
pub fn last_words(status: Option<ExitStatus>, folder: &RunFolder) -> String {
    let why = ending(status);
    match last_lines(&folder.log_file()) {
        Some(lines) => format!("{why}. It said last: {lines}"),
        None => why,
    }
}

/// Bytes at the end of a log that are read.
const LAST_BYTES: u64 = 4096;
/// Lines of them that are shown.
const LAST_LINES: usize = 5;

/// The last lines of a log, on one line; `None` if there are none.
pub fn last_lines(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.take(LAST_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let printable = |line: &str| line.chars().filter(|c| !c.is_control()).collect::<String>();
    let lines: Vec<String> = text
        .lines()
        .map(|line| printable(line).trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    (!last.is_empty()).then(|| last.join(" / "))
}

fn ending(status: Option<ExitStatus>) -> String {
    let signal = status.and_then(|status| status.signal());
    match (signal, status.and_then(|status| status.code())) {
        (Some(9), _) => {
            "the worker was killed (signal 9), by a user or because memory ran out".into()
        }
        (Some(signal), _) => format!("the worker was ended by signal {signal}"),
        (None, Some(code)) => {
            format!("the worker ended with code {code} before it finished")
        }
        (None, None) => "the worker disappeared, perhaps because the machine restarted".into(),
    }
}
