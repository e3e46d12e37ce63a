//! `maskdoor backup FILE`: copies the data folder, which may be in use, into one file.

use std::process::ExitCode;

use super::{BackupArgs, bar_watch::BarWatch};
use crate::{
    backup,
    clock::Clock,
    data_dir::DataDir,
    terminal::{bytes, note, say},
};

pub async fn run(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let data_dir = DataDir::existing(&args.data.root()?)?;
    let (watch, stop) = BarWatch::stoppable();
    let clock = Clock::system();
    let work = backup::take(&data_dir, &args.file, !args.without_checkpoints, &clock, watch);
    let made = stop.on_interrupt(work).await?;
    for folder in &made.unknown_folders {
        note(format_args!(
            "{folder} is not in the backup: the database does not have its run. maskdoor doctor says what can be done"
        ));
    }
    say(format_args!(
        "{}: {} studies, {} runs, {} files; {} of {}",
        args.file.display(),
        made.studies,
        made.runs,
        made.files,
        bytes(made.archive_bytes),
        bytes(made.bytes)
    ));
    Ok(ExitCode::SUCCESS)
}
