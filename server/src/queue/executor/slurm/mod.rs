//! Runs as jobs of a Slurm cluster, on a file system that server and nodes share.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | `[executors.slurm]` of `maskdoor.toml` |
//! | `submission.rs` | runs that are submitted together: an array of jobs, its script and files |
//! | `board.rs` | what is known of each run |
//! | `desk.rs` | the thread that submits, cancels and asks |
//! | `job.rs` | what Slurm says of jobs, and what it means for a run |
//! | `tools.rs` | Slurm's commands |
//!
//! Only Slurm says whether a job lives: no file lock and no process number is trusted across machines. A job is never queued again by
//! Slurm (`--no-requeue`): the server starts a new attempt, as after any other interruption, so that no event is taken in twice.

mod board;
mod desk;
pub mod job;
pub mod settings;
mod submission;
mod tools;

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use shared::{
    DeviceKind, DeviceWish,
    api::{ClusterInfo, ClusterJob, DeviceInfo},
};

pub use self::settings::SlurmSettings;
use self::{
    board::{Cancel, Seen, Stale, Task, attempt_of},
    desk::Desk,
    job::VANISHED,
    submission::{Common, Submission},
};
use super::{
    Executor, Handle, Life, Start,
    local::{Local, last_lines},
};
use crate::{ids::IdSource, run_folder::RunFolder};

/// The name of the cluster where devices are named.
pub const DEVICE: &str = "slurm";
/// What handles begin with.
pub const PREFIX: &str = "slurm:";
/// Attempts after which a job that ends well without having finished its run, or loses a node, is no mistake of the cluster any more.
const MISTAKES: u32 = 5;
/// Interval between looks at the runs' files.
const PACE: Duration = Duration::from_secs(1);

/// Whether a handle is that of a job, so that nobody on this machine can say whether it lives.
pub fn is_job(handle: &str) -> bool {
    handle.starts_with(PREFIX)
}

/// Whether a submission below `root` has a run of this folder, so that its worker may live on another machine.
pub fn has(root: &Path, folder: &Path) -> bool {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let submissions = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut submissions = submissions.filter_map(|entry| Submission::read(&entry.path()).ok()?);
    submissions.any(|it| it.entries.iter().any(|entry| entry.folder == folder))
}

/// The jobs of a cluster.
#[derive(Debug)]
pub struct Slurm {
    desk: Desk,
    settings: SlurmSettings,
    ids: IdSource,
    /// For the runs that this machine trains, or has trained.
    local: Local,
}

impl Slurm {
    /// Submits runs of the data folder whose files for the cluster are in `root`. `program` is this program.
    ///
    /// # Errors
    /// When the files cannot be read, or the path of the folder cannot be written in a line of a script.
    pub fn open(
        root: PathBuf,
        settings: SlurmSettings,
        program: &Path,
        ids: IdSource,
    ) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        let text = root.display().to_string();
        if text.contains(['\n', '\t']) {
            let reason = format!(
                "{text:?}: a data folder whose jobs run in a cluster has no tab and no line break in its path"
            );
            return Err(io::Error::other(reason));
        }
        // The nodes have other processes than this machine.
        let own =
            if program.starts_with("/proc") { std::env::current_exe()? } else { program.into() };
        let on_nodes = settings.program.clone().unwrap_or_else(|| own.display().to_string());
        let desk = Desk::open(root, settings.clone(), on_nodes)?;
        Ok(Self { desk, settings, ids, local: Local::new(program.into()) })
    }

    /// The cluster as the one device that runs are assigned to.
    pub fn device(&self) -> DeviceInfo {
        let job = &self.settings.job;
        let partition =
            job.partition.as_ref().map_or_else(String::new, |name| format!(", partition {name}"));
        DeviceInfo {
            name: DEVICE.into(),
            description: format!("Slurm cluster{partition}"),
            kind: DeviceKind::Cluster,
            capability: None,
            threads: job.cpus.unwrap_or(1),
            memory_bytes: 0,
            slots: self.settings.most_jobs,
            running: 0,
            refusal: None,
            pace: shared::study::Pace::default(),
        }
    }

    /// The name of a run's job on the desk: of its handle, or of its folder where the handle was not stored.
    fn named(&self, folder: &RunFolder, handle: Option<&Handle>) -> Option<String> {
        match handle {
            Some(handle) => handle.as_str().strip_prefix(PREFIX).map(str::to_owned),
            None => self.desk.board().of_folder(&absolute(folder)),
        }
    }
}

fn absolute(folder: &RunFolder) -> PathBuf {
    std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned())
}

/// The names of a worker's devices: this many GPUs, or the processor.
fn devices(gpus: u32) -> String {
    if gpus == 0 {
        return "cpu".into();
    }
    (0..gpus).map(|number| format!("cuda:{number}")).collect::<Vec<_>>().join(",")
}

impl Executor for Slurm {
    fn start(&mut self, folder: &RunFolder, start: &Start) -> io::Result<Handle> {
        if start.resources.device != DEVICE {
            return self.local.start(folder, start);
        }
        let mut job = self.settings.of_kind(start.kind);
        let gpus = match start.wish {
            DeviceWish::Auto => job.gpus.unwrap_or(0),
            DeviceWish::Cpu | DeviceWish::Here => 0,
            // Which one of a node's, the cluster decides.
            DeviceWish::Cuda(_) => 1,
            DeviceWish::Gpus(count) | DeviceWish::Nodes { gpus: count, .. } => count,
        };
        job.gpus = Some(gpus);
        let nodes = if start.kind.trains_encoder() { start.wish.nodes() } else { 1 };
        let path = absolute(folder);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // An attempt that was put back may be submitted once more, under another name.
        let unique = self.ids.study().to_string();
        let handle = format!("{name}.{}.{}", start.attempt, &unique[unique.len() - 8..]);
        let after = start.after.iter().filter_map(|handle| handle.as_str().strip_prefix(PREFIX));
        let after: Vec<String> = after.map(str::to_owned).collect();
        let common = Common { job, nodes, device: devices(gpus), after: Vec::new() };
        let task = Task {
            after: Some(after.clone()),
            wish: Some((common, after)),
            followed: true,
            ..Task::new(path, Seen::New(Instant::now()))
        };
        self.desk.board().tasks.insert(handle.clone(), task);
        Ok(Handle::new(format!("{PREFIX}{handle}")))
    }

    fn state(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Life {
        if handle.is_some_and(|handle| !is_job(handle.as_str())) {
            return self.local.state(folder, handle);
        }
        let late = Duration::from_secs(self.settings.late_seconds.into());
        let name = self.named(folder, handle);
        let mut board = self.desk.board();
        let output = name.as_ref().and_then(|name| board.output(name));
        let Some((name, task)) =
            name.and_then(|name| board.tasks.get_mut(&name).map(|task| (name, task)))
        else {
            drop(board);
            return match self.local.state(folder, handle) {
                // A program that was killed before it stored the handle had started it on this machine.
                here @ (Life::Alive | Life::Paused(_)) if handle.is_none() => here,
                _ => Life::Unstarted("it was not submitted".into()),
            };
        };
        task.followed = true;
        match &task.seen {
            Seen::New(_) | Seen::Unsent(_) => Life::Waits,
            Seen::Queued(queued) if queued.waits() => Life::Waits,
            Seen::Queued(_) | Seen::Gone(_) => Life::Alive,
            Seen::Refused(why) => Life::Gone(format!("the cluster refuses it: {why}")),
            // Its last events may still be on their way.
            Seen::Ended(ended, since) if task.ran && since.elapsed() < late && !ended.goes_on() => {
                Life::Alive
            }
            Seen::Ended(ended, _) => {
                let number = task.number.as_deref().unwrap_or_default();
                let why = format!("job {number}: {}", ended.words());
                let was_to_follow = task.wish.as_ref().is_none_or(|(_, after)| !after.is_empty());
                if task.stale == Stale::Yes && ended.state == "CANCELLED" {
                    Life::Unstarted(format!(
                        "job {number}: it waited for one that the cluster has lost"
                    ))
                } else if ended.state == VANISHED && !task.ran {
                    Life::Unstarted(why)
                } else if ended.goes_on()
                    // A worker that ends well has finished its run. A controller that was killed may take one job's end for another's.
                    || ((ended.state == "COMPLETED" || ended.has_lost_a_node() || ended.came_too_early()) && attempt_of(&name) < MISTAKES)
                {
                    Life::Lost(why)
                } else if ended.state == "CANCELLED"
                    && was_to_follow
                    && !task.ran
                    && task.cancel == Cancel::No
                {
                    Life::Unstarted(format!("job {number}: a run that it needs did not finish"))
                } else {
                    // What stopped a job before its worker began, such as a module that is not there, only Slurm's output of it tells.
                    let said = || {
                        let before = output.as_deref().and_then(last_lines);
                        before.or_else(|| last_lines(&folder.log_file()))
                    };
                    match (ended.state == "FAILED").then(said).flatten() {
                        Some(lines) => Life::Gone(format!("{why}. It said last: {lines}")),
                        None => Life::Gone(why),
                    }
                }
            }
        }
    }

    fn end(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> io::Result<()> {
        if handle.is_some_and(|handle| !is_job(handle.as_str())) {
            return self.local.end(folder, handle);
        }
        let name = self.named(folder, handle);
        let mut board = self.desk.board();
        if let Some(task) = name.and_then(|name| board.tasks.get_mut(&name))
            && task.cancel == Cancel::No
        {
            task.cancel = Cancel::Wanted;
            drop(board);
            self.desk.wake();
        }
        Ok(())
    }

    fn over(&mut self, folder: &RunFolder) {
        self.local.over(folder);
        let path = absolute(folder);
        for task in self.desk.board().tasks.values_mut().filter(|task| task.folder == path) {
            task.over = true;
        }
    }

    fn job(&mut self, folder: &RunFolder, handle: Option<&Handle>) -> Option<ClusterJob> {
        let name = self.named(folder, handle)?;
        let board = self.desk.board();
        let task = board.tasks.get(&name)?;
        let (state, waits, nodes) = match &task.seen {
            Seen::New(_) => ("NEW", Some("it is about to be submitted".into()), None),
            Seen::Unsent(why) => {
                ("NEW", Some(why.clone().unwrap_or_else(|| "it is being submitted".into())), None)
            }
            Seen::Refused(why) => ("REFUSED", Some(why.clone()), None),
            Seen::Queued(queued) => {
                (queued.state.as_str(), queued.waits().then(|| queued.why()), queued.nodes.clone())
            }
            Seen::Gone(_) => ("COMPLETING", None, None),
            Seen::Ended(ended, _) => (ended.state.as_str(), None, ended.nodes.clone()),
        };
        Some(ClusterJob { number: task.number.clone(), state: state.to_owned(), waits, nodes })
    }

    fn places(&self) -> Option<u32> {
        Some(self.settings.most_jobs)
    }

    fn pace(&self) -> Duration {
        PACE
    }

    fn cluster(&self) -> Option<ClusterInfo> {
        let mut board = self.desk.board();
        board.followed_since.get_or_insert_with(Instant::now);
        let cluster = board.cluster.clone();
        Some(ClusterInfo {
            name: if cluster.name.is_empty() { "Slurm".into() } else { cluster.name },
            ..cluster
        })
    }
}
