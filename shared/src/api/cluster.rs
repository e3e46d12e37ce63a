//! A cluster whose queue places runs.

use serde::{Deserialize, Serialize};

/// The job of a run in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClusterJob {
    /// Its number, such as `123_4`; absent before the cluster has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Its state in the cluster, such as `PENDING`.
    pub state: String,
    /// Why it waits, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// The nodes that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
}

impl ClusterJob {
    /// The job in a few words: `job 123_4 on n1`, `job 123_4 waits: other jobs come first`.
    pub fn in_words(&self) -> String {
        let Some(number) = &self.number else {
            return match &self.waits {
                Some(why) => format!("no job yet: {why}"),
                None => "no job yet".into(),
            };
        };
        match (&self.waits, &self.nodes) {
            (Some(why), _) => format!("job {number} waits: {why}"),
            (None, Some(nodes)) => format!("job {number} on {nodes}"),
            (None, None) => format!("job {number}, {}", self.state.to_lowercase()),
        }
    }
}

/// A cluster, as it was seen last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ClusterInfo {
    /// What it is, with its version: `Slurm 22.05.8`.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<Partition>,
    /// Jobs of this server that wait.
    pub waiting: u32,
    /// Jobs of this server that run.
    pub running: u32,
    /// Commands that this server gave in the last minute; each is a question to the controller or the accounting.
    pub calls_per_minute: u32,
    /// Why it cannot be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A part of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// Name.
    pub name: String,
    /// Whether it takes jobs.
    pub up: bool,
    /// Nodes that jobs have.
    pub allocated: u32,
    /// Nodes that are free.
    pub idle: u32,
    /// All nodes.
    pub nodes: u32,
    /// Longest time of a job, as Slurm writes it.
    pub limit: String,
    /// Processors of a node.
    pub cpus: String,
    /// Memory of a node, in MB.
    pub memory: String,
    /// GPUs and the like of a node; empty without any.
    pub gres: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        RunId, RunState, StudyId,
        api::finished_probe,
        metric::{Metrics, Ratio},
        run::RunPoint,
        run_kind::RunKind,
    };

    #[test]
    fn a_run_whose_job_waits_is_queued() {
        let none = Ratio { hits: 0, total: 1 };
        let metrics = Metrics { ca: none, asr: none, ra: none, ..Metrics::default() };
        let point = RunPoint {
            kind: RunKind::Probe,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let (run, study) = (RunId::from_parts(0, [1; 10]), StudyId::from_parts(0, [2; 10]));
        let mut row = finished_probe(run, study, point, metrics);
        assert_eq!(row.shown_state(), RunState::Done);
        row.state = RunState::Running;
        row.job = Some(ClusterJob::default());
        assert_eq!(row.shown_state(), RunState::Running);
        row.job =
            Some(ClusterJob { waits: Some("no node is free".into()), ..ClusterJob::default() });
        assert_eq!(row.shown_state(), RunState::Queued);
    }

    #[test]
    fn a_job_is_told_in_words() {
        let job = |number: Option<&str>, waits: Option<&str>, nodes: Option<&str>| ClusterJob {
            number: number.map(str::to_owned),
            state: "RUNNING".into(),
            waits: waits.map(str::to_owned),
            nodes: nodes.map(str::to_owned),
        };
        assert_eq!(job(None, Some("no answer"), None).in_words(), "no job yet: no answer");
        assert_eq!(
            job(Some("7_0"), Some("no node is free"), None).in_words(),
            "job 7_0 waits: no node is free"
        );
        assert_eq!(job(Some("7_0"), None, Some("n1")).in_words(), "job 7_0 on n1");
        assert_eq!(job(Some("7_0"), None, None).in_words(), "job 7_0, running");
    }
}
