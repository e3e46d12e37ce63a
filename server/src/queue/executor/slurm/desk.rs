//! The thread that talks to the cluster: it submits, cancels and asks for all jobs at once, so that nobody else waits for the controller.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use shared::api::Partition;

use super::{
    board::{Board, Cancel, Seen, Sending, Task},
    job::{self, ACCOUNT_FORMAT, Ended, QUEUE_FORMAT, Queued, VANISHED},
    settings::SlurmSettings,
    submission::{Common, Entry, Submission},
    tools::{ToolError, Tools},
};

/// Runs that are given one after the other without so long a pause are submitted together,
const SETTLE: Duration = Duration::from_millis(500);
/// unless the first of them has waited for this long.
const LONGEST: Duration = Duration::from_secs(5);
/// Most jobs in an array; Slurm's own default allows 1,001.
const ARRAY: usize = 500;
/// Wait after the cluster could not be asked.
const AGAIN: Duration = Duration::from_secs(10);
/// Wait until a cancellation is asked for once more.
const CANCEL_AGAIN: Duration = Duration::from_secs(30);
/// Interval between questions for partitions.
const PARTITIONS: Duration = Duration::from_mins(1);
/// Interval between looks at what is to be done.
const TICK: Duration = Duration::from_millis(250);

/// The desk: a board, and a thread that works it off.
#[derive(Debug)]
pub struct Desk {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    board: Mutex<Board>,
    wake: Condvar,
    tools: Tools,
    settings: SlurmSettings,
    root: PathBuf,
    program: String,
}

impl Desk {
    /// Opens a desk that keeps its files in `root`, with the submissions of an earlier one.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn open(root: PathBuf, settings: SlurmSettings, program: String) -> io::Result<Self> {
        let board = Board::found(&root)?;
        let tools = Tools::default();
        let shared = Shared {
            board: Mutex::new(board),
            wake: Condvar::new(),
            tools,
            settings,
            root,
            program,
        };
        let shared = Arc::new(shared);
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new().name("slurm".into()).spawn(move || worker.work())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The board.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        self.shared.board()
    }

    /// Tells the thread that there is something to do.
    pub fn wake(&self) {
        self.shared.wake.notify_one();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.board().stop = true;
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A command in progress is waited for: what it submits has to be kept.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut polled: Option<Instant> = None;
        let mut listed: Option<Instant> = None;
        let mut calm = Instant::now();
        loop {
            {
                let board = self.board();
                if board.stop {
                    return;
                }
                let waited = self.wake.wait_timeout(board, TICK);
                if waited.unwrap_or_else(PoisonError::into_inner).0.stop {
                    return;
                }
            }
            self.group();
            self.send();
            let watched = self.board().tasks.values().filter(|task| task.is_watched()).count();
            let is_due =
                |last: Option<Instant>, every| last.is_none_or(|last| last.elapsed() >= every);
            if calm <= Instant::now() {
                let mut outcome = self.cancel();
                if outcome.is_ok() && watched > 0 && is_due(polled, self.settings.poll(watched)) {
                    outcome = self.poll();
                    polled = Some(Instant::now());
                }
                if outcome.is_ok() && is_due(listed, PARTITIONS) {
                    outcome = self.list();
                    listed = Some(Instant::now());
                }
                let mut board = self.board();
                board.cluster.error = outcome.err().map(|error| {
                    calm = Instant::now() + AGAIN;
                    error.to_string()
                });
                board.count();
                board.cluster.calls_per_minute = self.tools.last_minute();
            }
            for folder in self.board().tidy() {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }

    /// Puts the new runs into submissions: those that ask for the same and come after the same jobs into one.
    fn group(&self) {
        let mut groups: BTreeMap<Common, Vec<Entry>> = BTreeMap::new();
        let mut board = self.board();
        let mut cancelled = Vec::new();
        let new = board.tasks.values().filter_map(|task| match task.seen {
            Seen::New(since) => Some(since),
            _ => None,
        });
        let (first, last) = (new.clone().min(), new.max());
        let is_more_to_come = last.is_some_and(|last| last.elapsed() < SETTLE)
            && first.is_some_and(|first| first.elapsed() < LONGEST);
        for (handle, task) in &board.tasks {
            let (Seen::New(_), Some((common, after))) = (&task.seen, &task.wish) else {
                continue;
            };
            if task.cancel != Cancel::No {
                cancelled.push(handle.clone());
                continue;
            }
            let before: Vec<&Task> =
                after.iter().filter_map(|handle| board.tasks.get(handle)).collect();
            if is_more_to_come || before.iter().any(|task| task.number.is_none()) {
                continue;
            }
            let after = before.iter().filter_map(|task| task.number.clone()).collect();
            let common = Common { after, ..common.clone() };
            let entry = Entry {
                handle: handle.clone(),
                folder: task.folder.clone(),
                after: task.after.clone(),
            };
            groups.entry(common).or_default().push(entry);
        }
        for handle in cancelled {
            board.see(&handle, Seen::Ended(Ended::untold("CANCELLED"), Instant::now()));
        }
        drop(board);
        for (common, entries) in groups {
            for entries in entries.chunks(ARRAY) {
                let written = Submission::write(
                    &self.root,
                    entries.to_vec(),
                    &common,
                    &self.settings,
                    &self.program,
                );
                let mut board = self.board();
                match written {
                    Ok(submission) => {
                        for entry in entries {
                            board.see(&entry.handle, Seen::Unsent(None));
                        }
                        board.submissions.push(Sending {
                            submission,
                            due: Instant::now(),
                            uncertain: false,
                        });
                    }
                    Err(error) => {
                        tracing::error!(%error, "a submission cannot be written; trying again");
                        for entry in entries {
                            board.see(&entry.handle, Seen::New(Instant::now() + AGAIN));
                        }
                    }
                }
            }
        }
    }

    /// Gives the cluster the submissions that it does not have.
    fn send(&self) {
        let due: Vec<(Submission, bool)> = {
            let board = self.board();
            let due = |sending: &&Sending| {
                sending.submission.number.is_none() && sending.due <= Instant::now()
            };
            board
                .submissions
                .iter()
                .filter(due)
                .map(|it| (it.submission.clone(), it.uncertain))
                .collect()
        };
        for (mut submission, uncertain) in due {
            let number = match self.number(&submission, uncertain) {
                Ok(number) => number,
                Err(error) => {
                    self.unsent(&submission, &error);
                    if error.passes() {
                        // The next one would wait as long.
                        return;
                    }
                    continue;
                }
            };
            if let Err(error) = submission.keep(&number) {
                tracing::error!(%error, "the number of a submission cannot be kept");
            }
            submission.number = Some(number.clone());
            tracing::info!(number, jobs = submission.entries.len(), "submitted");
            let mut board = self.board();
            for (index, entry) in submission.entries.iter().enumerate() {
                let job = submission.job(index);
                if let Some(task) = board.tasks.get_mut(&entry.handle) {
                    (task.number, task.name) = (job, Some(submission.name()));
                    let pending = Queued { state: "PENDING".into(), ..Queued::default() };
                    task.seen = Seen::Queued(pending);
                }
            }
            if let Some(sending) =
                board.submissions.iter_mut().find(|it| it.submission.path == submission.path)
            {
                sending.submission = submission;
            }
        }
    }

    /// The number of a submission in the cluster, which gets it unless it has it.
    fn number(&self, submission: &Submission, uncertain: bool) -> Result<String, ToolError> {
        if uncertain && let Some(number) = self.find(&submission.name())? {
            return Ok(number);
        }
        let said = self.tools.run("sbatch", submission.arguments())?;
        // `123`, or `123;cluster`.
        Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
    }

    /// The number of the submission of this name, if the cluster has it.
    fn find(&self, name: &str) -> Result<Option<String>, ToolError> {
        let name = format!("--name={name}");
        let in_queue = self
            .tools
            .run("squeue", ["--me", "--noheader", "--states=all", "--format=%F", &name])?;
        let first = |text: &str| {
            text.split_whitespace()
                .next()
                .map(|job| job.split('_').next().unwrap_or(job).to_owned())
        };
        if let Some(number) = first(&in_queue) {
            return Ok(Some(number));
        }
        let args = [
            "--noheader",
            "--parsable2",
            "--allocations",
            "--format=JobID",
            "--starttime=now-30days",
            &name,
        ];
        match self.tools.run("sacct", args) {
            Ok(text) => Ok(first(&text)),
            Err(error) if has_no_accounting(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes that a submission could not be made.
    fn unsent(&self, submission: &Submission, error: &ToolError) {
        let passes = error.passes();
        tracing::warn!(%error, passes, "not submitted");
        let mut board = self.board();
        for entry in &submission.entries {
            let seen = if passes {
                Seen::Unsent(Some(error.to_string()))
            } else {
                Seen::Refused(error.to_string())
            };
            board.see(&entry.handle, seen);
        }
        if passes {
            let sending =
                board.submissions.iter_mut().find(|it| it.submission.path == submission.path);
            if let Some(sending) = sending {
                sending.due = Instant::now() + AGAIN;
                sending.uncertain |= !matches!(error, ToolError::Missing(..));
            }
        } else {
            board.submissions.retain(|it| it.submission.path != submission.path);
            drop(board);
            let _ = fs::remove_dir_all(&submission.path);
        }
    }

    /// Cancels the jobs that are to end, all at once.
    fn cancel(&self) -> Result<(), ToolError> {
        let mut due: Vec<(String, String)> = Vec::new();
        for (handle, task) in &self.board().tasks {
            let Some(number) = &task.number else { continue };
            // A job that was not seen in the queue by its name may have another's number.
            let is_there = matches!(task.seen, Seen::Queued(_));
            let is_due = match task.cancel {
                Cancel::No => false,
                Cancel::Wanted => true,
                Cancel::Asked(then) => then.elapsed() >= CANCEL_AGAIN,
            };
            if is_there && is_due {
                due.push((handle.clone(), number.clone()));
            }
        }
        for some in due.chunks(ARRAY) {
            // One that has ended meanwhile is no error.
            self.tools.run(
                "scancel",
                ["--quiet"].into_iter().chain(some.iter().map(|(_, job)| job.as_str())),
            )?;
            let mut board = self.board();
            for (handle, _) in some {
                if let Some(task) = board.tasks.get_mut(handle) {
                    task.cancel = Cancel::Asked(Instant::now());
                }
            }
        }
        Ok(())
    }

    /// Asks for the jobs that somebody follows: for all in the queue by one command, for all that have left it by another.
    fn poll(&self) -> Result<(), ToolError> {
        let format = format!("--format={QUEUE_FORMAT}");
        let queue =
            job::queued(&self.tools.run("squeue", ["--me", "--noheader", "--array", &format])?);
        let mut left: Vec<(String, String)> = Vec::new();
        {
            let mut board = self.board();
            for (handle, task) in &mut board.tasks {
                let Some(number) = task.number.clone().filter(|_| task.is_watched()) else {
                    continue;
                };
                let is_its = |queued: &&Queued| task.is_named(&queued.name);
                if let Some(queued) = queue.get(&number).filter(is_its).cloned() {
                    task.ran |= !queued.waits();
                    task.seen = Seen::Queued(queued);
                } else {
                    if !matches!(task.seen, Seen::Gone(_)) {
                        task.seen = Seen::Gone(Instant::now());
                    }
                    left.push((handle.clone(), number));
                }
            }
        }
        let late = Duration::from_secs(self.settings.late_seconds.into());
        self.board().give_up_stale(late);
        if left.is_empty() {
            return Ok(());
        }
        let ended = self.ended(&left)?;
        let mut board = self.board();
        for (handle, number) in left {
            let Some(task) = board.tasks.get_mut(&handle) else { continue };
            // A controller that was killed has lost the jobs of its last seconds.
            let vanished = matches!(task.seen, Seen::Gone(since) if since.elapsed() >= late);
            let is_its = |ended: &&Ended| ended.name.is_empty() || task.is_named(&ended.name);
            if let Some(ended) = ended.get(&number).filter(is_its) {
                task.end(ended.clone());
            } else if vanished {
                task.end(Ended::untold(VANISHED));
            }
        }
        Ok(())
    }

    /// How jobs that have left the queue ended, as far as the accounting knows.
    fn ended(&self, left: &[(String, String)]) -> Result<HashMap<String, Ended>, ToolError> {
        let mut ended = HashMap::new();
        for some in left.chunks(ARRAY) {
            // `sacct` lists the jobs of an array that never ran on one line, and finds them by the array's number only.
            let array = |(_, number): &(String, String)| {
                number.split('_').next().unwrap_or(number).to_owned()
            };
            let arrays: BTreeSet<String> = some.iter().map(array).collect();
            let jobs: Vec<String> = arrays.into_iter().collect();
            let jobs = format!("--jobs={}", jobs.join(","));
            let format = format!("--format={ACCOUNT_FORMAT}");
            match self
                .tools
                .run("sacct", ["--noheader", "--parsable2", "--allocations", &format, &jobs])
            {
                Ok(text) => ended.extend(job::ended(&text)),
                Err(error) if has_no_accounting(&error) => {
                    // The run's events say how it ended, or nobody does.
                    let unknown =
                        |(_, number): &(String, String)| (number.clone(), Ended::untold("UNKNOWN"));
                    ended.extend(some.iter().map(unknown));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    /// Asks for the partitions.
    fn list(&self) -> Result<(), ToolError> {
        let text = self.tools.run("sinfo", ["--noheader", "--format=%R|%a|%F|%l|%c|%m|%G"])?;
        let known = !self.board().cluster.name.is_empty();
        let name = if known { None } else { Some(self.tools.run("sinfo", ["--version"])?) };
        let mut board = self.board();
        board.cluster.partitions = partitions(&text);
        if let Some(name) = name {
            let version = name.trim().rsplit(' ').next().unwrap_or_default().to_owned();
            board.cluster.name = format!("Slurm {version}");
        }
        Ok(())
    }
}

/// Whether the cluster keeps no accounting.
fn has_no_accounting(error: &ToolError) -> bool {
    matches!(error, ToolError::Refused(_, words) if words.contains("accounting storage is disabled"))
}

/// The partitions that `sinfo` lists.
fn partitions(text: &str) -> Vec<Partition> {
    let line = |line: &str| {
        let parts: Vec<&str> = line.trim().split('|').collect();
        let [name, up, nodes, limit, cpus, memory, gres] = parts[..] else { return None };
        // Allocated, idle, other, total.
        let counts: Vec<u32> = nodes.split('/').filter_map(|count| count.parse().ok()).collect();
        let [allocated, idle, _, nodes] = counts[..] else { return None };
        Some(Partition {
            name: name.into(),
            up: up == "up",
            allocated,
            idle,
            nodes,
            limit: limit.into(),
            cpus: cpus.into(),
            memory: memory.into(),
            gres: if gres == "(null)" { String::new() } else { gres.into() },
        })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read() {
        let found = partitions(
            "main|up|1/1/0/2|1:00:00|2|4000|(null)\ngpu|down|0/0/4/4|infinite|64+|500000|gpu:h100:8\n",
        );
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].allocated, found[0].idle, found[0].nodes, found[0].up),
            (1, 1, 2, true)
        );
        assert_eq!((found[1].gres.as_str(), found[1].up), ("gpu:h100:8", false));
    }
}
