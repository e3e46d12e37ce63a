//! What Slurm says of jobs, and what it means for a run.

use std::collections::HashMap;

/// Columns of `squeue`: job, state, reason, nodes, name of the array.
pub const QUEUE_FORMAT: &str = "%i|%T|%r|%N|%j";
/// Columns of `sacct`.
pub const ACCOUNT_FORMAT: &str = "JobID,State,ExitCode,NodeList,JobName";

/// The state of a job that neither the queue nor the accounting knows; Slurm has no word for it.
pub const VANISHED: &str = "VANISHED";
/// The code with which a worker ends whose run is to go on in another job, because it was asked to leave and has kept its place, or because
/// the job was started a second time: that of a temporary failure (`sysexits.h`).
pub const LEFT: u8 = 75;

/// The code with which a worker ends that has lost another node of its run.
pub const NODE_LOST: u8 = 76;

/// The code with which a worker ends whose run needs one that is not there yet.
pub const TOO_EARLY: u8 = 77;

/// A job in the cluster's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Its state, such as `PENDING`.
    pub state: String,
    /// Why it waits, as Slurm calls it, such as `Priority`.
    pub reason: Option<String>,
    /// The nodes that it has.
    pub nodes: Option<String>,
    /// The name of its array.
    pub name: String,
}

impl Queued {
    /// Whether it waits for its turn.
    pub fn waits(&self) -> bool {
        matches!(
            self.state.as_str(),
            "PENDING" | "REQUEUED" | "REQUEUE_HOLD" | "SPECIAL_EXIT" | "RESV_DEL_HOLD"
        )
    }

    /// Whether it waits for another job.
    pub fn depends(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.waits() && reason.starts_with("Dependency")
    }

    /// Why it waits.
    pub fn why(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or_default();
        let words = match reason {
            "" => "it is in the queue",
            "None" => "it is about to start",
            "Priority" => "other jobs come first",
            "Resources" => "no node is free",
            "Dependency" => "for a run that it needs",
            "DependencyNeverSatisfied" => "a run that it needs did not finish",
            "JobHeldUser" | "JobHeldAdmin" => "it is held; `scontrol release` lets it go",
            "BeginTime" => "its time has not come",
            "PartitionDown" | "PartitionInactive" => "the partition is down",
            "PartitionTimeLimit" => "its time limit is above the partition's",
            "ReqNodeNotAvail"
            | "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions" => {
                "its nodes are down or reserved"
            }
            "InvalidAccount" => "the account may not be used",
            "InvalidQOS" => "the QoS may not be used",
            "Licenses" => "a licence is in use",
            "Reservation" => "its reservation has not begun",
            _ if reason.starts_with("Assoc") || reason.starts_with("QOS") => {
                "a limit of the account or the QoS is reached"
            }
            _ => return reason.to_owned(),
        };
        if reason.is_empty() || reason == "None" {
            words.into()
        } else {
            format!("{words} ({reason})")
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its last state, such as `TIMEOUT`.
    pub state: String,
    /// The code and the signal with which it ended.
    pub exit: (i32, i32),
    /// The nodes that it had.
    pub nodes: Option<String>,
    /// The name of its array; empty where the cluster did not report the end.
    pub name: String,
}

impl Ended {
    /// An end that the cluster did not report.
    pub fn untold(state: &str) -> Self {
        Self { state: state.into(), exit: (0, 0), nodes: None, name: String::new() }
    }

    /// Whether the run is to go on in another job: it was taken away, or has kept its place in time.
    pub fn goes_on(&self) -> bool {
        match self.state.as_str() {
            "PREEMPTED" | "NODE_FAIL" | "BOOT_FAIL" | "REQUEUED" | VANISHED => true,
            "FAILED" => self.exit.0 == i32::from(LEFT),
            _ => false,
        }
    }

    /// Whether a node of several was lost, which Slurm has not noticed itself.
    pub fn has_lost_a_node(&self) -> bool {
        self.state == "FAILED" && self.exit.0 == i32::from(NODE_LOST)
    }

    /// Whether it began before a run that it needs was there, because the cluster took another job for that one's.
    pub fn came_too_early(&self) -> bool {
        self.state == "FAILED" && self.exit.0 == i32::from(TOO_EARLY)
    }

    /// What happened, as a sentence without its full stop.
    pub fn words(&self) -> String {
        let node = self.nodes.as_ref().map(|nodes| format!(" on {nodes}")).unwrap_or_default();
        match (self.state.as_str(), self.exit) {
            ("CANCELLED", _) => "it was cancelled in the cluster".into(),
            ("TIMEOUT", _) => {
                "it reached its time limit before it could keep its place; give it more `time` in maskdoor.toml".into()
            }
            ("DEADLINE", _) => "its deadline passed".into(),
            ("PREEMPTED", _) => format!("another job took its place{node}"),
            ("NODE_FAIL", _) => format!("its node failed{node}"),
            ("BOOT_FAIL", _) => format!("its node did not start{node}"),
            ("OUT_OF_MEMORY", _) => {
                format!("it took more than the memory that it asked for{node}; give it more `memory` in maskdoor.toml")
            }
            ("FAILED", (code, _)) if code == i32::from(LEFT) => "it has left in time, and the run goes on from the place that it kept".into(),
            ("FAILED", (code, _)) if code == i32::from(NODE_LOST) => format!("one of its nodes was lost{node}; its log names it"),
            ("FAILED", (code, _)) if code == i32::from(TOO_EARLY) => "it began before a run that it needs was there".into(),
            (VANISHED, _) => "the cluster no longer knows it".into(),
            ("UNKNOWN", _) => "it has left the queue, and no accounting says how it ended".into(),
            ("COMPLETED", _) => "it ended without the end of its events".into(),
            (_, (code, 0)) => format!("it ended with code {code} before it finished{node}"),
            (_, (_, 9)) => format!("it was killed (signal 9){node}, by a user or because memory ran out"),
            (_, (_, signal)) => format!("it was ended by signal {signal}{node}"),
        }
    }
}

/// The jobs that `squeue` lists, by their numbers.
pub fn queued(text: &str) -> HashMap<String, Queued> {
    let line = |line: &str| {
        let mut parts = line.trim().splitn(5, '|');
        let (job, state) = (parts.next()?, parts.next()?);
        let mut word = || parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
        let (reason, nodes, name) = (word(), word(), word().unwrap_or_default());
        Some((job.to_owned(), Queued { state: state.into(), reason, nodes, name }))
    };
    text.lines().filter_map(line).collect()
}

/// The jobs that have ended according to `sacct`. It may not know yet that a job has ended.
pub fn ended(text: &str) -> HashMap<String, Ended> {
    let line = |line: &str| {
        let mut parts = line.trim().splitn(5, '|');
        let (jobs, state, exit) = (parts.next()?, parts.next()?, parts.next()?);
        // `CANCELLED by 1000`.
        let state = state.split(' ').next()?;
        let lives = ["PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "RESIZING"];
        if lives.contains(&state) {
            return None;
        }
        let (code, signal) = exit.split_once(':')?;
        let nodes = parts.next().filter(|nodes| !nodes.is_empty() && *nodes != "None assigned");
        let ended = Ended {
            state: state.into(),
            exit: (code.parse().ok()?, signal.parse().ok()?),
            nodes: nodes.map(str::to_owned),
            name: parts.next().unwrap_or_default().to_owned(),
        };
        Some(each(jobs).into_iter().map(move |job| (job, ended.clone())))
    };
    text.lines().filter_map(line).flatten().collect()
}

/// The jobs that a number of `sacct` stands for: those of an array that never ran share one, such as `5_[0-2,7]` or `5_[0-499%8]`.
fn each(jobs: &str) -> Vec<String> {
    let together = jobs.split_once("_[").and_then(|(array, places)| {
        let places = places.strip_suffix(']')?;
        Some((array, places.split('%').next().unwrap_or(places)))
    });
    let Some((array, places)) = together else { return vec![jobs.to_owned()] };
    let place = |text: &str| text.parse::<u32>().ok();
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (last, step) = last.split_once(':').unwrap_or((last, "1"));
        Some((place(first)?..=place(last)?).step_by(place(step)?.max(1) as usize))
    };
    let places = places.split(',').filter_map(range).flatten();
    places.map(|place| format!("{array}_{place}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_read() {
        let jobs =
            queued("12_3|PENDING|Priority|\n12_0|RUNNING|None|n[1-2]\n9|COMPLETING|None|n7\n\n");
        assert_eq!(jobs.len(), 3);
        assert!(jobs["12_3"].waits());
        assert_eq!(jobs["12_3"].why(), "other jobs come first (Priority)");
        assert_eq!(jobs["12_0"].nodes.as_deref(), Some("n[1-2]"));
        assert!(!jobs["9"].waits());
    }

    #[test]
    fn a_number_of_several_jobs_is_taken_apart() {
        assert_eq!(each("12"), ["12"]);
        assert_eq!(each("12_3"), ["12_3"]);
        assert_eq!(each("5_[0-2,7]"), ["5_0", "5_1", "5_2", "5_7"]);
        assert_eq!(each("5_[1-6:2%4]"), ["5_1", "5_3", "5_5"]);
        let jobs = ended("5_[0-1]|CANCELLED by 0|0:0|None assigned\n");
        assert!(jobs["5_0"] == jobs["5_1"] && jobs.len() == 2);
    }

    #[test]
    fn an_end_is_told_in_words_and_says_whether_the_run_goes_on() {
        let text = "1|COMPLETED|0:0|n1\n2_0|CANCELLED by 1000|0:15|None assigned\n3|TIMEOUT|0:1|n2\n4|FAILED|75:0|n1\n5|FAILED|1:0|n1\n\
                    6|OUT_OF_MEMORY|0:125|n3\n7|NODE_FAIL|1:0|n3\n8|RUNNING|0:0|n1\n9|PREEMPTED|0:15|n1\n10|FAILED|0:9|n1\n11|FAILED|76:0|n[1-2]\n12|FAILED|77:0|n1\n";
        let jobs = ended(text);
        assert!(!jobs.contains_key("8"), "it has not ended");
        let going: Vec<&str> = ["1", "2_0", "3", "4", "5", "6", "7", "9", "10"]
            .into_iter()
            .filter(|job| jobs[*job].goes_on())
            .collect();
        assert_eq!(going, ["4", "7", "9"]);
        assert!(jobs["12"].came_too_early() && !jobs["5"].came_too_early());
        assert!(jobs["11"].has_lost_a_node() && !jobs["5"].has_lost_a_node());
        for (job, words) in [
            ("2_0", "it was cancelled in the cluster"),
            ("5", "it ended with code 1 before it finished on n1"),
            ("6", "it took more than the memory that it asked for on n3"),
            ("7", "its node failed on n3"),
            ("10", "it was killed (signal 9) on n1"),
            ("12", "it began before a run that it needs was there"),
            ("11", "one of its nodes was lost on n[1-2]"),
        ] {
            assert!(jobs[job].words().starts_with(words), "{}", jobs[job].words());
        }
    }
}
