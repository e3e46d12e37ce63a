//! `maskdoor figure tradeoff|asr-by-poison|plot|defence-matrix|roc|features FILE`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use shared::{
    api::RunRow,
    chart::{
        Figure, FigureKind, PlotLook, Theme, asr_by_poison, defence_matrix, feature_map, plot, roc,
        tradeoff,
    },
};

use super::FigureArgs;
use crate::{
    App,
    app::{
        inside::MapQuery,
        reconstructions::{Kept, Wanted},
        results::{MatrixQuery, PlotQuery},
    },
    figures::{self, FileKind},
    terminal::say,
};

/// Maximum number of runs in a figure.
const MOST: u32 = 10_000;
/// Maximum number of curves in a figure.
const MOST_CURVES: usize = 12;

/// The map of an encoder's features.
async fn features(app: &App, args: &FigureArgs) -> anyhow::Result<Figure> {
    let asked = &args.features;
    let run = asked.run.context("features shows one run's encoder: say which with --run RUN")?;
    let file = asked.epoch.map(engine::files::checkpoint);
    let of = Wanted { run, imported: asked.imported.clone(), file };
    let query = MapQuery { of, per_class: asked.per_class };
    Ok(feature_map(&*app.feature_map(&Kept::default(), &query, ()).await?))
}

/// The figure, and the number of its runs.
async fn figure(app: &App, args: &FigureArgs) -> anyhow::Result<(Figure, u64)> {
    if args.figure != FigureKind::AsrByPoison && args.published {
        bail!("only asr-by-poison shows the published series")
    }
    match args.figure {
        FigureKind::Tradeoff => {
            let runs = runs(app, args).await?;
            Ok((tradeoff(&runs), runs.len() as u64))
        }
        FigureKind::AsrByPoison => {
            let runs = runs(app, args).await?;
            Ok((asr_by_poison(&runs, args.published), runs.len() as u64))
        }
        FigureKind::Plot => {
            let asked = &args.plot;
            let query = PlotQuery {
                filter: args.filter.clone(),
                kind: asked.kind,
                x: asked.x.clone(),
                x_scale: asked.x_scale,
                y: asked.y.clone(),
                y_scale: asked.y_scale,
                colour: asked.colour.clone(),
                facet: asked.facet.clone(),
            };
            by_filter(args)?;
            let data = app.plot(query).await?;
            let look =
                PlotLook { whole: asked.whole, front: asked.front, hidden: asked.hide.clone() };
            Ok((plot(&data, &look), data.drawn))
        }
        FigureKind::Features => Ok((features(app, args).await?, 1)),
        FigureKind::DefenceMatrix => {
            by_filter(args)?;
            let asked = &args.matrix;
            let query = MatrixQuery {
                filter: args.filter.clone(),
                rows: Some(asked.rows.clone()),
                columns: Some(asked.columns.clone()),
                shows: asked.shows,
            };
            let data = app.matrix(query).await?;
            Ok((defence_matrix(&data), data.drawn))
        }
        FigureKind::Roc => {
            by_filter(args)?;
            let runs = app.newest_with("auroc", args.filter.clone(), MOST_CURVES).await?;
            let series = app.roc(&runs).await?;
            Ok((roc(&series), series.len() as u64))
        }
        FigureKind::AccuracyByEpoch | FigureKind::Curve(_) => bail!(
            "{} is drawn for single runs, on a study's page; choose tradeoff, asr-by-poison, plot, defence-matrix, roc or features here",
            args.figure.as_str()
        ),
    }
}

/// A figure of columns selects its runs by an expression.
fn by_filter(args: &FigureArgs) -> anyhow::Result<()> {
    if !args.study.is_empty() {
        let figure = args.figure.as_str();
        bail!("{figure} takes --filter instead of --study: --filter 'study == \"NAME\"'");
    }
    Ok(())
}

/// The finished classifiers of the figure.
async fn runs(app: &App, args: &FigureArgs) -> anyhow::Result<Vec<RunRow>> {
    let runs = match &args.filter {
        Some(filter) => {
            let runs = app.newest_results(filter.clone(), MOST as usize).await?;
            app.store.compare_runs(&runs).await?
        }
        None => app.store.compare(&args.study, MOST).await?,
    };
    if runs.is_empty() {
        bail!("there is no finished linear probe or fine-tuning to draw");
    }
    Ok(runs)
}

/// The kind of file, from its extension.
fn kind_of(file: &Path) -> anyhow::Result<FileKind> {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    extension.parse().map_err(|reason| anyhow!("{}: {reason}", file.display()))
}

pub async fn run(args: FigureArgs) -> anyhow::Result<ExitCode> {
    let kind = kind_of(&args.file)?;
    let app = args.data.clone().open().await?;
    for &study in &args.study {
        app.store.get_study(study).await?;
    }
    let (figure, runs) = figure(&app, &args).await?;
    let theme = if args.dark { Theme::Dark } else { Theme::Light };
    let bytes = figures::file(&figure, kind, theme)?;
    let place = args.file.display();
    fs::write(&args.file, bytes).with_context(|| format!("{place} cannot be written"))?;
    say(format_args!("{runs} runs: {place}"));
    Ok(ExitCode::SUCCESS)
}
