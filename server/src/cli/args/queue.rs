//! The arguments of `maskdoor queue`.

use clap::{Args, Subcommand};
use shared::StudyId;

use super::{super::run_ref::RunRef, DataDirArg};

#[derive(Debug, Args)]
pub(in crate::cli) struct QueueArgs {
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
    #[command(subcommand)]
    pub(in crate::cli) command: Option<QueueCommand>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum QueueCommand {
    /// Moves a run that waits, or all of a study that wait; what they need stays before them.
    Move(MoveArgs),
    /// Starts nothing that waits until `maskdoor queue resume`; what runs goes on.
    Pause,
    /// Starts what waits again.
    Resume,
    /// Holds a run that waits: the others start before it until it is released.
    Hold {
        /// Identifier of the run, or the first digits of its digest.
        #[arg(value_name = "RUN")]
        run: RunRef,
    },
    /// Releases a run that is held.
    Release {
        /// Identifier of the run, or the first digits of its digest.
        #[arg(value_name = "RUN")]
        run: RunRef,
    },
}

#[derive(Debug, Args)]
pub(in crate::cli) struct MoveArgs {
    /// Identifier of the run, or the first digits of its digest.
    #[arg(value_name = "RUN", required_unless_present = "study", conflicts_with = "study")]
    pub(in crate::cli) run: Option<RunRef>,
    /// Moves all runs of this study that wait instead.
    #[arg(long, value_name = "STUDY")]
    pub(in crate::cli) study: Option<StudyId>,
    #[command(flatten)]
    pub(in crate::cli) to: To,
}

/// Where it is moved to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct To {
    /// To the top of the queue.
    #[arg(long)]
    pub(in crate::cli) first: bool,
    /// To its end.
    #[arg(long)]
    pub(in crate::cli) last: bool,
    /// Right before this run.
    #[arg(long, value_name = "RUN")]
    pub(in crate::cli) before: Option<RunRef>,
}
