//! `maskdoor replay RUN`: repeats a finished run and checks that the result is identical bit for bit.

use std::process::ExitCode;

use shared::Progress;

use super::ReplayArgs;
use crate::{
    replay::replay,
    terminal::{Bars, say},
};

/// Code 0 when both runs are equal, 1 when they differ.
pub async fn run(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let run = args.run.find(&app).await?;
    let bars = Bars::default();
    let bar = bars.add("repeating".to_owned(), 1000);
    let told = |progress: &Progress| {
        bar.set_position((progress.fraction() * 1000.0) as u64);
        bar.set_message(progress.preparing.clone().unwrap_or_default());
    };
    let outcome = tokio::select! {
        outcome = replay(&app, run, told) => outcome.map_err(anyhow::Error::from),
        interrupt = tokio::signal::ctrl_c() => {
            interrupt?;
            Err(anyhow::anyhow!("the replay was stopped"))
        }
    };
    bars.clear();
    app.store.close().await;
    let comparison = outcome?;
    say(&comparison);
    Ok(if comparison.is_equal() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
