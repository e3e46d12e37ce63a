//! The nodes of a worker's run.

use std::{env, sync::Arc, time::Duration};

use anyhow::Context;
use engine::nodes::{Meeting, Nodes};

use super::args::WorkerArgs;
use crate::run_folder::RunFolder;

/// Longest silence of a node before it counts as lost.
const SILENCE: Duration = Duration::from_secs(15);

/// The nodes that train with this worker; `None` for a worker alone. What the arguments leave out, Slurm's variables say.
///
/// # Errors
/// What is missing or cannot be.
pub(super) fn of(args: &WorkerArgs) -> anyhow::Result<Option<Arc<Nodes>>> {
    let Some(nodes) = args.nodes.filter(|&nodes| nodes > 1) else { return Ok(None) };
    let told = |name: &str| env::var(name).ok();
    let node = args.node.map_or_else(
        || {
            let text =
                told("SLURM_PROCID").context("--node or SLURM_PROCID says which node this is")?;
            text.parse().with_context(|| format!("SLURM_PROCID is {text:?}, not a number"))
        },
        Ok,
    )?;
    anyhow::ensure!(node < nodes, "node {node} is not one of {nodes}, which are counted from 0");
    let meeting = args.meeting.clone().map_or_else(
        || {
            let job =
                told("SLURM_JOB_ID").context("--meeting or SLURM_JOB_ID names the attempt")?;
            anyhow::Ok(format!("{job}.{}", told("SLURM_RESTART_COUNT").unwrap_or_default()))
        },
        Ok,
    )?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    anyhow::ensure!(
        meeting.chars().all(is_word) && meeting.starts_with(|c: char| c.is_ascii_alphanumeric()),
        "--meeting {meeting:?} names a folder: letters, digits, `.`, `_` and `-`"
    );
    let host = told("SLURMD_NODENAME")
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    Ok(Some(Nodes::new(Meeting {
        folder: RunFolder::new(&args.folder).meetings().join(meeting),
        node: node as usize,
        nodes: nodes as usize,
        host,
        patience: Duration::from_secs(args.meet_seconds.into()),
        silence: SILENCE,
    })))
}
