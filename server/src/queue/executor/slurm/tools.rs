//! The commands of Slurm.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{self, Read},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for a command.
const LONGEST: Duration = Duration::from_secs(90);
/// Interval between looks at a command that runs.
const LOOK: Duration = Duration::from_millis(5);

/// A command did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The command is not there.
    #[error("{0} cannot be started: {1}; are Slurm's commands installed, and on the PATH?")]
    Missing(&'static str, String),
    /// It has ended with an error, in its words.
    #[error("{0}: {1}")]
    Refused(&'static str, String),
    /// It gave no answer in time, so what it was asked to do may have been done.
    #[error("{0} did not answer within {LONGEST:?}")]
    Silent(&'static str),
}

/// What Slurm says when it cannot answer now, or when what it refuses now may be accepted later.
const LATER: [&str; 11] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Resource temporarily unavailable",
    "temporarily unable to accept job",
    "Job violates accounting/QOS policy",
    "MaxSubmitJobs",
    "Slurm backup controller in standby mode",
];

impl ToolError {
    /// Whether the same may succeed later.
    pub fn passes(&self) -> bool {
        match self {
            Self::Missing(..) => false,
            Self::Silent(_) => true,
            Self::Refused(_, words) => LATER.iter().any(|later| words.contains(later)),
        }
    }
}

/// Runs commands and counts them.
#[derive(Debug, Default)]
pub struct Tools {
    /// When each of the last minute was given.
    calls: Mutex<VecDeque<Instant>>,
}

impl Tools {
    /// Number of commands in the last minute.
    pub fn last_minute(&self) -> u32 {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        while calls.front().is_some_and(|call| call.elapsed() > Duration::from_mins(1)) {
            calls.pop_front();
        }
        calls.len() as u32
    }

    /// Runs a command. Returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started, ends with an error, or does not end in time.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        program: &'static str,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String, ToolError> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
        let missing = |error: io::Error| ToolError::Missing(program, error.to_string());
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its words are recognised.
        let mut child = command.env("LC_ALL", "C").spawn().map_err(missing)?;
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().map_err(missing)? {
                break status;
            }
            if begun.elapsed() > LONGEST {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ToolError::Silent(program));
            }
            thread::sleep(LOOK);
        };
        let text = |thread: thread::JoinHandle<String>| thread.join().unwrap_or_default();
        let (out, err) = (text(out), text(err));
        if status.success() {
            return Ok(out);
        }
        let words: Vec<&str> = err.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let words = if words.is_empty() { status.to_string() } else { words.join("; ") };
        Err(ToolError::Refused(program, words))
    }
}

/// Reads a pipe on a thread of its own, so that a full one does not hold the command up.
fn reader(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gives_its_output_or_its_words() {
        let tools = Tools::default();
        assert_eq!(tools.run("sh", ["-c", "echo 12"]), Ok("12\n".into()));
        let refused = tools.run("sh", ["-c", "echo 'sh: error: no' >&2; exit 3"]);
        assert_eq!(refused, Err(ToolError::Refused("sh", "sh: error: no".into())));
        assert!(matches!(tools.run("no-such-command", [""; 0]), Err(ToolError::Missing(..))));
        assert_eq!(tools.last_minute(), 3);
    }

    #[test]
    fn errors_that_pass_are_known() {
        let refused = |words: &str| ToolError::Refused("sbatch", words.into());
        let down = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)";
        assert!(refused(down).passes() && ToolError::Silent("sbatch").passes());
        assert!(!refused("sbatch: error: invalid partition specified: gpus").passes());
        assert!(!ToolError::Missing("sbatch", String::new()).passes());
    }
}
