//! What is known of the runs that a cluster has, or will get.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use shared::api::ClusterInfo;

use super::{
    job::{Ended, Queued},
    submission::{Common, Submission},
};

/// Time within which whoever follows the runs has asked for each that is not over.
const ALL_ASKED: Duration = Duration::from_secs(10);

/// What is known of a run's job.
#[derive(Clone, Debug)]
pub enum Seen {
    /// It is to be submitted, since then.
    New(Instant),
    /// It is in a submission that the cluster does not have, for this reason.
    Unsent(Option<String>),
    /// The cluster refuses it.
    Refused(String),
    /// It is in the cluster's queue.
    Queued(Queued),
    /// It is in the queue no longer, since then; how it ended is not known yet.
    Gone(Instant),
    /// It has ended; when that was seen.
    Ended(Ended, Instant),
}

/// Whether a job is to be cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// It is not.
    No,
    /// It is, and the cluster was not asked yet.
    Wanted,
    /// The cluster was asked then.
    Asked(Instant),
}

/// Whether a job waits for one that the cluster has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It does not.
    No,
    /// Since then it waits for another one, although all that it comes after have ended.
    Perhaps(Instant),
    /// It does, and is given up for another.
    Yes,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its folder.
    pub folder: PathBuf,
    /// What its job asks for, and the handles that it comes after.
    pub wish: Option<(Common, Vec<String>)>,
    /// The handles that it comes after, where they are known.
    pub after: Option<Vec<String>>,
    /// Whether its job waits for one that the cluster has lost.
    pub stale: Stale,
    /// Its job's number.
    pub number: Option<String>,
    /// The name of its array in the cluster. A controller that was killed may give a number twice; the name tells the jobs apart.
    pub name: Option<String>,
    /// What is known.
    pub seen: Seen,
    /// Whether it had a node.
    pub ran: bool,
    /// Whether it is to be cancelled.
    pub cancel: Cancel,
    /// Whether somebody follows it. Of a submission found on the disk only those are asked for.
    pub followed: bool,
    /// Whether nobody will ask for it again.
    pub over: bool,
}

/// Everything that is known.
#[derive(Debug, Default)]
pub struct Board {
    /// The runs, by their handles.
    pub tasks: BTreeMap<String, Task>,
    /// The cluster.
    pub cluster: ClusterInfo,
    /// Since when somebody follows the runs.
    pub followed_since: Option<Instant>,
    /// The submissions whose runs are not all over.
    pub submissions: Vec<Sending>,
    /// Whether the thread is to end.
    pub stop: bool,
}

/// A submission and what is known of its way to the cluster.
#[derive(Debug)]
pub struct Sending {
    /// The submission.
    pub submission: Submission,
    /// When it may be sent.
    pub due: Instant,
    /// Whether an earlier attempt may have reached the cluster.
    pub uncertain: bool,
}

impl Task {
    /// A run of this folder of which this is known.
    pub fn new(folder: PathBuf, seen: Seen) -> Self {
        Self {
            folder,
            wish: None,
            after: None,
            stale: Stale::No,
            number: None,
            name: None,
            seen,
            ran: false,
            cancel: Cancel::No,
            followed: false,
            over: false,
        }
    }

    /// Whether its array has this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Notes how its job ended.
    pub fn end(&mut self, ended: Ended) {
        // A short job may have run between two questions.
        self.ran |= ended.nodes.is_some();
        self.seen = Seen::Ended(ended, Instant::now());
    }

    /// Whether its job is asked for.
    pub fn is_watched(&self) -> bool {
        self.followed
            && !self.over
            && self.number.is_some()
            && !matches!(self.seen, Seen::Ended(..) | Seen::Refused(_))
    }
}

/// The number of the attempt in a handle: `RUN.ATTEMPT.LETTERS`.
pub fn attempt_of(handle: &str) -> u32 {
    handle.split('.').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default()
}

impl Board {
    /// The submissions that an earlier program left.
    pub fn found(root: &Path) -> io::Result<Self> {
        let mut board = Self::default();
        let folders = match fs::read_dir(root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(board),
            Err(error) => return Err(error),
        };
        for folder in folders {
            let Some(submission) = Submission::read(&folder?.path())? else { continue };
            for (index, entry) in submission.entries.iter().enumerate() {
                let number = submission.job(index);
                let seen = match &number {
                    Some(_) => Seen::Gone(Instant::now()),
                    None => Seen::Unsent(None),
                };
                let name = Some(submission.name());
                let after = entry.after.clone();
                let task = Task { after, number, name, ..Task::new(entry.folder.clone(), seen) };
                board.tasks.insert(entry.handle.clone(), task);
            }
            // Nobody knows whether the program was killed before or after the cluster had it.
            board.submissions.push(Sending { submission, due: Instant::now(), uncertain: true });
        }
        Ok(board)
    }

    /// The handle of the newest task of a run's folder.
    pub fn of_folder(&self, folder: &Path) -> Option<String> {
        let of_it = self.tasks.iter().filter(|(_, task)| task.folder == folder);
        let newest = of_it.max_by_key(|(handle, task)| (!task.over, attempt_of(handle)));
        newest.map(|(handle, _)| handle.clone())
    }

    /// The file of what Slurm itself says of a run's job.
    pub fn output(&self, handle: &str) -> Option<PathBuf> {
        self.submissions.iter().find_map(|Sending { submission, .. }| {
            let index = submission.entries.iter().position(|entry| entry.handle == handle)?;
            Some(submission.output(index))
        })
    }

    /// Notes what is known of a run.
    pub fn see(&mut self, handle: &str, seen: Seen) {
        if let Some(task) = self.tasks.get_mut(handle) {
            task.seen = seen;
        }
    }

    /// Gives up the jobs that wait for another one although, for this long, nothing that they come after is left. A controller that was
    /// killed has lost the jobs of its last seconds, and gives their numbers to others: a job may wait for a stranger's, or for itself.
    pub fn give_up_stale(&mut self, late: Duration) {
        let is_through = |handle: &String| {
            self.tasks.get(handle).is_none_or(|task| {
                task.over || matches!(task.seen, Seen::Ended(..) | Seen::Refused(_))
            })
        };
        let waits = |task: &Task| {
            let depends = matches!(&task.seen, Seen::Queued(queued) if queued.depends());
            let after = task.after.as_deref().unwrap_or_default();
            depends && task.is_watched() && !after.is_empty() && after.iter().all(is_through)
        };
        let found: BTreeSet<String> = self
            .tasks
            .iter()
            .filter(|(_, task)| waits(task))
            .map(|(handle, _)| handle.clone())
            .collect();
        for (handle, task) in &mut self.tasks {
            task.stale = match task.stale {
                Stale::Yes => Stale::Yes,
                _ if !found.contains(handle) => Stale::No,
                Stale::No => Stale::Perhaps(Instant::now()),
                Stale::Perhaps(since) if since.elapsed() >= late && task.cancel == Cancel::No => {
                    task.cancel = Cancel::Wanted;
                    Stale::Yes
                }
                Stale::Perhaps(since) => Stale::Perhaps(since),
            };
        }
    }

    /// Counts the jobs that wait and those that run.
    pub fn count(&mut self) {
        let of = |waits: bool| {
            let is = |task: &&Task| match &task.seen {
                Seen::New(_) | Seen::Unsent(_) => waits,
                Seen::Queued(queued) => queued.waits() == waits,
                Seen::Gone(_) | Seen::Ended(..) | Seen::Refused(_) => false,
            };
            self.tasks.values().filter(|task| task.followed && !task.over).filter(is).count() as u32
        };
        (self.cluster.waiting, self.cluster.running) = (of(true), of(false));
    }

    /// Forgets the submissions of which every run is over, and returns their folders.
    pub fn tidy(&mut self) -> Vec<PathBuf> {
        let is_to_cancel =
            |task: &Task| task.cancel == Cancel::Wanted && matches!(task.seen, Seen::Queued(_));
        // A run that was over before this program started is one that nobody asks for.
        let all_asked = self.followed_since.is_some_and(|since| since.elapsed() >= ALL_ASKED);
        let is_over = |task: &Task| task.over || (all_asked && !task.followed);
        let kept: BTreeSet<&String> = self
            .tasks
            .iter()
            .filter(|(_, task)| !is_over(task) || is_to_cancel(task))
            .map(|(handle, _)| handle)
            .collect();
        let is_through = |sending: &Sending| {
            sending.submission.number.is_some()
                && sending.submission.entries.iter().all(|entry| !kept.contains(&entry.handle))
        };
        let mut forgotten: BTreeSet<String> = self
            .tasks
            .iter()
            .filter(|(_, task)| task.over && matches!(task.seen, Seen::New(_) | Seen::Refused(_)))
            .map(|(handle, _)| handle.clone())
            .collect();
        let mut folders = Vec::new();
        self.submissions.retain(|sending| {
            let over = is_through(sending);
            if over {
                folders.push(sending.submission.path.clone());
                forgotten
                    .extend(sending.submission.entries.iter().map(|entry| entry.handle.clone()));
            }
            !over
        });
        self.tasks.retain(|handle, _| !forgotten.contains(handle));
        folders
    }
}
