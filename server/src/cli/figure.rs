//! `maskdoor figure tradeoff|asr-by-poison FILE`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use shared::{
    api::RunRow,
    chart::{Figure, FigureKind, Theme, asr_by_poison, tradeoff},
};

use super::FigureArgs;
use crate::{
    figures::{self, FileKind},
    terminal::say,
};

/// Maximum number of runs in a figure.
const MOST: u32 = 10_000;

/// The figure of these runs.
fn figure(kind: FigureKind, runs: &[RunRow], published: bool) -> anyhow::Result<Figure> {
    match kind {
        FigureKind::Tradeoff if published => {
            bail!("only asr-by-poison shows the published series")
        }
        FigureKind::Tradeoff => Ok(tradeoff(runs)),
        FigureKind::AsrByPoison => Ok(asr_by_poison(runs, published)),
        FigureKind::AccuracyByEpoch | FigureKind::Curve(_) => bail!(
            "{} is drawn for single runs, on a study's page; choose tradeoff or asr-by-poison here",
            kind.as_str()
        ),
    }
}

/// The kind of file, from its extension.
fn kind_of(file: &Path) -> anyhow::Result<FileKind> {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    extension.parse().map_err(|reason| anyhow!("{}: {reason}", file.display()))
}

pub async fn run(args: FigureArgs) -> anyhow::Result<ExitCode> {
    let kind = kind_of(&args.file)?;
    let app = args.data.open().await?;
    for &study in &args.study {
        app.store.get_study(study).await?;
    }
    let runs = app.store.compare(&args.study, MOST).await?;
    let figure = figure(args.figure, &runs, args.published)?;
    if runs.is_empty() {
        bail!("there is no finished linear probe or fine-tuning to draw");
    }
    let theme = if args.dark { Theme::Dark } else { Theme::Light };
    let bytes = figures::file(&figure, kind, theme)?;
    let place = args.file.display();
    fs::write(&args.file, bytes).with_context(|| format!("{place} cannot be written"))?;
    say(format_args!("{} runs: {place}", runs.len()));
    Ok(ExitCode::SUCCESS)
}
