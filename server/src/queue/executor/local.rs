//! Runs as processes of this machine: a worker is a second process of this program, in its own process group.
//!
//! A worker is alive as long as the lock of its run's folder is held. The lock belongs to an open file, not to a process: it is taken
//! here and passed on as the worker's standard input, so it is held exactly as long as the worker lives, without a gap. A process
//! number is never trusted without the lock.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{Executor, Handle, Life, Resources};
use crate::run_folder::RunFolder;

/// Workers of this machine. They outlive this program; the next scheduler finds them by their locks.
#[derive(Debug)]
pub struct Local {
    program: PathBuf,
    /// Exit statuses of the workers that this program started, by folder; set when the worker ends.
    ends: HashMap<PathBuf, Arc<OnceLock<Option<ExitStatus>>>>,
}

impl Local {
    /// Starts workers as `PROGRAM worker --locked FOLDER --device NAME`.
    pub fn new(program: PathBuf) -> Self {
        Self { program, ends: HashMap::new() }
    }
}

impl Executor for Local {
    fn start(&mut self, folder: &RunFolder, resources: &Resources) -> io::Result<Handle> {
        let lock = lock(folder)?
            .ok_or_else(|| io::Error::other("a worker of an earlier attempt is still running"))?;
        let mut child =
            spawn(&self.program, folder, lock, Some(&resources.device)).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", self.program.display()))
            })?;
        let handle = Handle::new(child.id().to_string());
        // A waiting thread reaps the process whenever it ends, whether or not its status is needed.
        let end = Arc::new(OnceLock::new());
        self.ends.insert(folder.path().to_owned(), Arc::clone(&end));
        std::thread::spawn(move || end.set(child.wait().ok()));
        Ok(handle)
    }

    fn state(&mut self, folder: &RunFolder, _: Option<&Handle>) -> Life {
        match is_alive(folder) {
            Ok(true) => Life::Alive,
            Err(error) => Life::Unknown(format!("{}: {error}", folder.lock_file().display())),
            Ok(false) => {
                // The lock is released, so the process is about to end and this does not wait long.
                let exit = self.ends.get(folder.path()).and_then(|end| *end.wait());
                Life::Gone(last_words(exit))
            }
        }
    }

    fn end(&mut self, folder: &RunFolder, _: Option<&Handle>) -> io::Result<()> {
        if is_alive(folder)?
            && let Some(group) = pid(folder).and_then(Pid::from_raw)
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

/// Starts a worker on a run folder, on the device of that name or the machine's first one. It runs in its own process group, so that
/// Ctrl-C in a terminal does not reach it.
///
/// # Errors
/// When the program cannot be started or the log cannot be written.
pub fn spawn(
    program: &Path,
    folder: &RunFolder,
    lock: File,
    device: Option<&str>,
) -> io::Result<Child> {
    let log = File::create(folder.log_file())?;
    let mut command = Command::new(program);
    command.process_group(0).arg0("maskdoor");
    command.arg("worker").arg("--locked").arg(folder.path());
    if let Some(device) = device {
        command.arg("--device").arg(device);
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

/// Why a worker may have ended that did not report it.
pub fn last_words(status: Option<ExitStatus>) -> String {
    let signal = status.and_then(|status| status.signal());
    match (signal, status.and_then(|status| status.code())) {
        (Some(9), _) => {
            "the worker was killed (signal 9), by a user or because memory ran out".into()
        }
        (Some(signal), _) => format!("the worker was ended by signal {signal}"),
        (None, Some(code)) => {
            format!("the worker ended with code {code} before it finished; its log may say why")
        }
        (None, None) => {
            "the worker disappeared, perhaps because the machine restarted; its log may say why"
                .into()
        }
    }
}
