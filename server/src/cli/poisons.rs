//! `maskdoor poisons export RUN FILE`.

use std::{fs, process::ExitCode};

use anyhow::Context;
use engine::files::POISON_LIST;
use shared::poison::parse_list;

use super::{PoisonArgs, PoisonCommand};
use crate::terminal::say;

pub async fn run(args: PoisonArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let PoisonCommand::Export { run, file } = args.command;
    let row = app.store.get_run(run.find(&app).await?).await?;
    let list = app.data_dir.folder(&app.store.run_folder(row.id).await?).join(POISON_LIST);
    let text = fs::read_to_string(&list).with_context(|| {
        format!(
            "the run has no poison list at {}; a run writes its list when it starts",
            list.display()
        )
    })?;
    fs::write(&file, &text)
        .with_context(|| format!("the list cannot be written to {}", file.display()))?;
    say(format_args!("{} images: {}", parse_list(&text).len(), file.display()));
    Ok(ExitCode::SUCCESS)
}
