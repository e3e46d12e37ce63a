//! `maskdoor restore FILE`: makes a data folder from a backup.

use std::process::ExitCode;

use super::{RestoreArgs, bar_watch::BarWatch};
use crate::{
    backup,
    clock::Clock,
    terminal::{note, say},
};

pub async fn run(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let root = args.data.root()?;
    let (watch, stop) = BarWatch::stoppable();
    let clock = Clock::system();
    let work = backup::restore(&args.file, &root, &clock, watch);
    let restored = stop.on_interrupt(work).await?;
    let header = &restored.header;
    say(format_args!(
        "{}: {} studies, {} runs, {} files",
        root.display(),
        header.studies,
        header.runs,
        restored.files
    ));
    if header.without_checkpoints {
        say("The backup has no checkpoints of runs: a study that needs one trains it again.");
    }
    if restored.interrupted > 0 {
        say(format_args!(
            "Runs that trained when the backup was made, and are interrupted now: {}. Run again lets them go on.",
            restored.interrupted
        ));
    }
    for (name, folder) in &restored.missing_datasets {
        note(format_args!(
            "The data set {name} was in {folder}, which is not on this machine. Put it there, or name its new place: \
             maskdoor datasets remove {name}, then maskdoor datasets add {name} FOLDER"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
