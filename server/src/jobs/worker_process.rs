//! A worker from outside: spawn, reap, kill.

use std::{
    fs::File,
    io,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::run_folder::RunFolder;

/// Starts a worker on a run folder. It outlives this process: it has a process group of its own, so that Ctrl-C in a
/// terminal does not reach it, and holds the run's lock from its first moment on.
///
/// The lock belongs to the open file, not to a process: taken here and handed over as the worker's standard input, it
/// lives exactly as long as the worker, without an instant in which nobody holds it.
///
/// # Errors
/// When the program cannot be started or the log cannot be written.
pub fn spawn(program: &Path, folder: &RunFolder, lock: File) -> io::Result<Child> {
    let log = File::create(folder.log_file())?;
    let mut command = Command::new(program);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        command.process_group(0).arg0("maskdoor");
    }
    command
        .arg("worker")
        .arg("--locked")
        .arg(folder.path())
        .stdin(Stdio::from(lock))
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// The program that is running now, even when its file was replaced by a newer one meanwhile.
pub fn own_program() -> std::path::PathBuf {
    if cfg!(target_os = "linux") {
        "/proc/self/exe".into()
    } else {
        std::env::current_exe().unwrap_or_else(|_| "maskdoor".into())
    }
}

/// Ends the worker of a run, if it lives. Its process number is only believed while the lock is held, so no stranger is
/// hit that got the number later. `true` when no worker lives any more.
///
/// # Errors
/// When the lock cannot be looked at, or the worker cannot be ended.
pub fn kill(folder: &RunFolder) -> io::Result<bool> {
    if !folder.is_alive()? {
        return Ok(true);
    }
    if let Some(pid) = folder.worker_pid().and_then(Pid::from_raw) {
        match kill_process(pid, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Why a worker that said nothing may have ended.
pub fn last_words(status: Option<ExitStatus>) -> String {
    #[cfg(unix)]
    let signal = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    match (signal, status.and_then(|status| status.code())) {
        (Some(9), _) => {
            "the worker was killed (signal 9), by a person or for want of memory".into()
        }
        (Some(signal), _) => format!("the worker was ended by signal {signal}"),
        (None, Some(code)) => {
            format!("the worker ended with code {code} before it finished; its log may say why")
        }
        (None, None) => {
            "the worker vanished, perhaps with a restart of the machine; its log may say why".into()
        }
    }
}
