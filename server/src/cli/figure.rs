//! `maskdoor figure KIND FILE`.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};
use shared::{
    RunId,
    api::RunRow,
    chart::{
        CurveLook, Figure, FigureKind, PlotLook, Theme, accuracy_by_epoch, asr_by_poison,
        before_after, curve, defence_matrix, encoders, feature_map, plot, roc, scores, tradeoff,
        trigger_search,
    },
};

use super::{FigureArgs, args::CurveArgs, run_ref::find_all};
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
/// Maximum number of encoders.
const MOST_ENCODERS: usize = 60;

/// The map of an encoder's features.
async fn features(app: &App, args: &FigureArgs, runs: &[RunId]) -> anyhow::Result<Figure> {
    let asked = &args.features;
    let [run] = *runs else { bail!("features shows one run's encoder: say which with --run RUN") };
    let file = asked.epoch.map(engine::files::checkpoint);
    let of = Wanted { run, imported: asked.imported.clone(), file };
    let query = MapQuery { of, per_class: asked.per_class, projection: asked.projection };
    Ok(feature_map(&*app.feature_map(&Kept::default(), &query, ()).await?))
}

/// The figure, and the number of its runs.
async fn figure(app: &App, args: &FigureArgs, named: &[RunId]) -> anyhow::Result<(Figure, u64)> {
    if args.figure != FigureKind::AsrByPoison && args.published {
        bail!("only asr-by-poison shows the published series")
    }
    match args.figure {
        FigureKind::Tradeoff => {
            let runs = runs(app, args, named).await?;
            Ok((tradeoff(&runs), runs.len() as u64))
        }
        FigureKind::AsrByPoison => {
            let runs = runs(app, args, named).await?;
            Ok((asr_by_poison(&runs, args.published), runs.len() as u64))
        }
        FigureKind::AccuracyByEpoch => {
            let runs = rows(app, args, named).await?;
            Ok((accuracy_by_epoch(&app.epochs(&runs).await?), runs.len() as u64))
        }
        FigureKind::Curve(which) => {
            let runs = rows(app, args, named).await?;
            let CurveArgs { smoothing, epochs, log } = args.curve;
            let curves = app.curves(which, &runs).await?;
            Ok((curve(which, &curves, CurveLook { smoothing, log, epochs }), runs.len() as u64))
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
                beside: asked.beside.clone(),
                colour: asked.colour.clone(),
                facet: asked.facet.clone(),
            };
            by_filter(args)?;
            let data = app.plot(query).await?;
            let look = PlotLook {
                whole: asked.whole,
                front: asked.front,
                trend: asked.trend,
                hidden: asked.hide.clone(),
            };
            Ok((plot(&data, &look), data.drawn))
        }
        FigureKind::Features => Ok((features(app, args, named).await?, 1)),
        FigureKind::DefenceMatrix => {
            let data = app.matrix(matrix_query(args)?).await?;
            Ok((defence_matrix(&data), data.drawn))
        }
        FigureKind::BeforeAfter => {
            let [ca, asr] = app.before_after(matrix_query(args)?).await?;
            Ok((before_after(&ca, &asr), ca.drawn))
        }
        FigureKind::Encoders => {
            let runs = those_with(app, args, named, "clean_cosine", MOST_ENCODERS).await?;
            let judged = app.judged_encoders(&runs).await?;
            Ok((encoders(&judged), judged.len() as u64))
        }
        FigureKind::Roc => {
            let runs = those_with(app, args, named, "auroc", MOST_CURVES).await?;
            let series = app.roc(&runs).await?;
            Ok((roc(&series), series.len() as u64))
        }
        FigureKind::Search => {
            let [run] = *named else {
                bail!("search shows one defence run: say which with --run RUN")
            };
            Ok((trigger_search(Some(&app.trigger_search(run).await?)), 1))
        }
        FigureKind::Scores => {
            let [run] = *named else {
                bail!("scores shows one defence run: say which with --run RUN")
            };
            Ok((scores(Some(&app.scores(run).await?)), 1))
        }
    }
}

/// The named runs, or the newest `most` of the filter's that have a metric.
async fn those_with(
    app: &App,
    args: &FigureArgs,
    named: &[RunId],
    metric: &'static str,
    most: usize,
) -> anyhow::Result<Vec<RunId>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    by_filter(args)?;
    Ok(app.newest_with(metric, args.filter.clone(), most).await?)
}

/// The matrix that the arguments describe.
fn matrix_query(args: &FigureArgs) -> anyhow::Result<MatrixQuery> {
    by_filter(args)?;
    let asked = &args.matrix;
    Ok(MatrixQuery {
        filter: args.filter.clone(),
        rows: Some(asked.rows.clone()),
        columns: Some(asked.columns.clone()),
        shows: asked.shows,
    })
}

/// A figure of columns selects its runs by an expression.
fn by_filter(args: &FigureArgs) -> anyhow::Result<()> {
    let figure = args.figure.as_str();
    if !args.study.is_empty() {
        bail!("{figure} takes --filter instead of --study: --filter 'study == \"NAME\"'");
    }
    if !args.run.is_empty() {
        bail!("{figure} takes --filter instead of --run: --filter 'run == \"RUN\"'");
    }
    Ok(())
}

/// The runs with a line each.
async fn rows(app: &App, args: &FigureArgs, named: &[RunId]) -> anyhow::Result<Vec<RunRow>> {
    if named.is_empty() {
        bail!("{} has a line for each run: say which with --run RUN", args.figure.as_str());
    }
    Ok(app.run_rows(named).await?)
}

/// The finished classifiers of the figure.
async fn runs(app: &App, args: &FigureArgs, named: &[RunId]) -> anyhow::Result<Vec<RunRow>> {
    let runs = match &args.filter {
        _ if !named.is_empty() => app.run_rows(named).await?,
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
    let named = find_all(&app, &args.run).await?;
    let (figure, runs) = figure(&app, &args, &named).await?;
    let theme = if args.dark { Theme::Dark } else { Theme::Light };
    let bytes = figures::file(&figure, kind, theme)?;
    let place = args.file.display();
    fs::write(&args.file, bytes).with_context(|| format!("{place} cannot be written"))?;
    say(format_args!("{runs} runs: {place}"));
    Ok(ExitCode::SUCCESS)
}
