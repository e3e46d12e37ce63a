//! `maskdoor report STUDY FILE.html`.

use std::{fs, process::ExitCode};

use anyhow::Context;

use super::args::ReportArgs;
use crate::{app::reconstructions::Kept, report::report, terminal::say};

pub async fn run(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let made = report(&app, &Kept::default(), args.study).await;
    app.store.close().await;
    let place = args.file.display();
    fs::write(&args.file, made?).with_context(|| format!("{place} cannot be written"))?;
    say(place);
    Ok(ExitCode::SUCCESS)
}
