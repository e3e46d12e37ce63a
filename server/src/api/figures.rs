//! Downloadable figures.
#![expect(
    clippy::large_stack_arrays,
    reason = "the parameters of a figure, which their macro lists once for the API's document"
)]

use axum::{
    Json,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::{
    RunId,
    api::{
        JudgedEncoder, MatrixData, MatrixShows, PlotData, PlotKind, PlotScale, Projection,
        RocSeries, RunRow, ScoreBins, TriggerSearch,
    },
    chart::{
        CurveLook, Figure, FigureKind, PlotLook, Theme, accuracy_by_epoch, asr_by_poison,
        before_after, curve, defence_matrix, encoders, feature_map, plot, roc, scores, tradeoff,
        trigger_search,
    },
    csv::listed,
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    compare::{results, run_ids, run_rows},
    error::ApiError,
    extract::{Path, Query, list, word},
    inside::features,
};
use crate::{
    app::{
        inside::MapQuery,
        reconstructions::Wanted,
        results::{MatrixQuery, PlotQuery},
    },
    figures::{self, FigureError, FileKind},
};

/// Maximum number of lines in a figure when the request does not name its runs.
const MOST_LINES: usize = 12;
/// Maximum number of encoders in a figure when the request does not name its runs.
const MOST_ENCODERS: usize = 60;

/// What the figure shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FigureQuery {
    /// The finished classifiers of these studies, comma-separated; defaults to all studies.
    studies: Option<String>,
    /// These runs instead, comma-separated. Required for curves.
    runs: Option<String>,
    /// Only runs that satisfy this expression, as for `/results`; not together with `studies` or `runs`.
    filter: Option<String>,
    /// Whether `asr-by-poison` also shows the published series.
    published: Option<bool>,
    /// `plot` only: what a mark stands for, `runs` (the default), `means` or `heat`.
    kind: Option<String>,
    /// `plot`: the setting or metric from left to right; defaults to `ca`. `defence-matrix`: the setting of its columns, `before-after`: of its
    /// arrows; defaults to the defence.
    x: Option<String>,
    /// `plot`: the metric or setting from bottom to top; defaults to `asr`. `defence-matrix`: the setting of its rows, `before-after`: of its
    /// panels; defaults to the trigger.
    y: Option<String>,
    /// `plot` of means only: a second metric with y's unit, drawn dashed.
    beside: Option<String>,
    /// `plot`: what gives the colour; the metric of a grid (`heat`). `defence-matrix`: `auroc` (the default), `tpr_at_1`, `tpr_at_5`, `asr`, `ca`,
    /// `ra` or `pl1`.
    colour: Option<String>,
    /// `plot` only: the setting with a panel for each of its values; the panels share their axes.
    facet: Option<String>,
    /// `plot` only: the groups that are not drawn, by their values of `colour`, comma-separated (one with a comma in quotation marks);
    /// `*` for all groups that have no colour of their own.
    hide: Option<String>,
    /// `plot` only: how x is placed, `auto` (the default), `linear`, `log` or `even`.
    x_scale: Option<String>,
    /// How y is placed: as x, or `log` for a curve.
    y_scale: Option<String>,
    /// `plot` only: whether axes in percent go from 0 to 100.
    whole: Option<bool>,
    /// `plot` only: whether the Pareto front is drawn.
    front: Option<bool>,
    /// `plot` of runs only: whether the least-squares line of each panel is drawn.
    trend: Option<bool>,
    /// Curves only: the weight of the past in a running mean over the values, at least 0 (the default, none) and below 1.
    smoothing: Option<f64>,
    /// Curves only: the first and the last epoch to show, such as `10,20`.
    epochs: Option<String>,
    /// `features` only: the checkpoint, by file name; defaults to the run's last one.
    checkpoint: Option<String>,
    /// `features` only: an imported checkpoint instead, by name.
    imported: Option<String>,
    /// `features` only: validation images of each class; defaults to 25.
    per_class: Option<u32>,
    /// `features` only: `pca` (the default), `tsne`, or `tsne:5` with a perplexity.
    projection: Option<String>,
    /// `light` (the default) or `dark`.
    theme: Option<String>,
}

/// A figure as SVG, PNG, PDF or CSV; `defence-matrix` as LaTeX, too.
#[utoipa::path(get, path = "/figures/{file}", tag = "results",
    params(
        ("file" = String, Path, description = "`tradeoff`, `asr-by-poison`, `accuracy-by-epoch`, `plot`, `features`, `defence-matrix`, `before-after`, `roc`, \
            `scores`, `encoders`, `search`, `loss`, `lr` or `speed`, followed by `.svg`, `.png`, `.pdf` or `.csv`; `defence-matrix` also by `.tex`"),
        FigureQuery
    ),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "image/svg+xml")))]
pub async fn get_figure(
    State(api): State<Api>,
    Path(file): Path<String>,
    Query(query): Query<FigureQuery>,
) -> Result<Response, ApiError> {
    let (name, extension) = file.rsplit_once('.').unwrap_or((&file, ""));
    let kind: FigureKind = name.parse().map_err(ApiError::NotFound)?;
    let format: FileKind = extension.parse().map_err(ApiError::NotFound)?;
    let theme: Theme =
        query.theme.as_deref().map_or(Ok(Theme::default()), |theme| word("theme", theme))?;
    let figure = make(&api, kind, &query).await?;
    let bytes = blocking(move || figures::file(&figure, format, theme).map_err(of_figure)).await?;
    let disposition =
        format!("attachment; filename=\"maskdoor-{}.{}\"", kind.as_str(), format.extension());
    let headers = [
        (CONTENT_TYPE, format.mime()),
        (CONTENT_DISPOSITION, &disposition),
        (CACHE_CONTROL, "no-store"),
        // An SVG needs its inline style and nothing else.
        (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    Ok((headers, bytes).into_response())
}

/// The numbers of the figure `plot`.
#[utoipa::path(get, path = "/results/plot", tag = "results", params(FigureQuery),
    responses((status = 200, body = PlotData)))]
pub async fn get_plot(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<PlotData>, ApiError> {
    Ok(Json(api.app.plot(asked(&query)?).await?))
}

/// The numbers of the figure `defence-matrix`: means of a metric over the runs with equal values in two columns.
#[utoipa::path(get, path = "/results/matrix", tag = "results", params(FigureQuery),
    responses((status = 200, body = MatrixData)))]
pub async fn get_matrix(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<MatrixData>, ApiError> {
    Ok(Json(api.app.matrix(matrix_query(&query)?).await?))
}

/// The numbers of the figure `roc`: the curve of each defence run that judged images, of those named or of the newest that satisfy the filter.
#[utoipa::path(get, path = "/results/roc", tag = "results", params(FigureQuery),
    responses((status = 200, body = [RocSeries])))]
pub async fn get_roc(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<Vec<RocSeries>>, ApiError> {
    Ok(Json(curves_of_defences(&api, &query).await?))
}

/// The numbers of the figure `encoders`: what was said of each encoder, by those runs or by the newest that satisfy the filter.
#[utoipa::path(get, path = "/results/encoders", tag = "results", params(FigureQuery),
    responses((status = 200, body = [JudgedEncoder])))]
pub async fn get_encoders(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<Vec<JudgedEncoder>>, ApiError> {
    Ok(Json(judged_encoders(&api, &query).await?))
}

/// The numbers of the figure `search`: the search of one defence run for a trigger in an encoder.
#[utoipa::path(get, path = "/results/search", tag = "results", params(FigureQuery),
    responses((status = 200, body = TriggerSearch)))]
pub async fn get_search(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<TriggerSearch>, ApiError> {
    Ok(Json(api.app.trigger_search(one_run(&query, "whose search is shown")?).await?))
}

/// The numbers of the figure `scores`: how the scores of one defence run are distributed.
#[utoipa::path(get, path = "/results/scores", tag = "results", params(FigureQuery),
    responses((status = 200, body = ScoreBins)))]
pub async fn get_scores(
    State(api): State<Api>,
    Query(query): Query<FigureQuery>,
) -> Result<Json<ScoreBins>, ApiError> {
    Ok(Json(api.app.scores(one_run(&query, "whose scores are shown")?).await?))
}

fn of_figure(error: FigureError) -> ApiError {
    match error {
        FigureError::NoTable(_) => ApiError::NotFound(error.to_string()),
        error => ApiError::internal(error),
    }
}

async fn make(api: &Api, kind: FigureKind, query: &FigureQuery) -> Result<Figure, ApiError> {
    Ok(match kind {
        FigureKind::Tradeoff => tradeoff(&rows(api, query).await?),
        FigureKind::AsrByPoison => {
            asr_by_poison(&rows(api, query).await?, query.published.unwrap_or(false))
        }
        FigureKind::AccuracyByEpoch => {
            let mut rows = rows(api, query).await?;
            if query.runs.is_none() {
                rows.drain(..rows.len().saturating_sub(MOST_LINES));
            }
            accuracy_by_epoch(&api.app.epochs(&rows).await?)
        }
        FigureKind::Curve(which) => {
            let look = curve_look(query)?;
            curve(which, &api.app.curves(which, &named(api, query).await?).await?, look)
        }
        FigureKind::Plot => {
            let look = PlotLook {
                whole: query.whole.unwrap_or(false),
                front: query.front.unwrap_or(false),
                trend: query.trend.unwrap_or(false),
                hidden: query.hide.as_deref().map(listed).unwrap_or_default(),
            };
            plot(&api.app.plot(asked(query)?).await?, &look)
        }
        FigureKind::DefenceMatrix => defence_matrix(&api.app.matrix(matrix_query(query)?).await?),
        FigureKind::BeforeAfter => {
            let [ca, asr] = api.app.before_after(matrix_query(query)?).await?;
            before_after(&ca, &asr)
        }
        FigureKind::Encoders => encoders(&judged_encoders(api, query).await?),
        FigureKind::Roc => roc(&curves_of_defences(api, query).await?),
        FigureKind::Scores => {
            let run = one_run(query, "whose scores are shown")?;
            scores(Some(&api.app.scores(run).await?))
        }
        FigureKind::Search => {
            let run = one_run(query, "whose search is shown")?;
            trigger_search(Some(&api.app.trigger_search(run).await?))
        }
        FigureKind::Features => feature_map(&*features(api, &map_query(query)?).await?),
    })
}

/// The feature map that the query describes: of one run.
fn map_query(query: &FigureQuery) -> Result<MapQuery, ApiError> {
    let run = one_run(query, "whose encoder is shown")?;
    let of = Wanted { run, imported: query.imported.clone(), file: query.checkpoint.clone() };
    let projection = query.projection.as_deref();
    let projection = projection.map_or(Ok(Projection::Pca), |text| word("projection", text))?;
    Ok(MapQuery { of, per_class: query.per_class, projection })
}

/// The run of a figure of one run.
fn one_run(query: &FigureQuery, which: &str) -> Result<RunId, ApiError> {
    let refused = || ApiError::field("runs", format!("must name the one run {which}"));
    match list("runs", query.runs.as_deref().ok_or_else(refused)?)?[..] {
        [run] => Ok(run),
        _ => Err(refused()),
    }
}

/// A figure of columns selects its runs by an expression.
fn by_filter(query: &FigureQuery, what: &str) -> Result<(), ApiError> {
    let given = [("runs", query.runs.is_some()), ("studies", query.studies.is_some())];
    match given.into_iter().find(|(_, given)| *given) {
        Some((field, _)) => Err(ApiError::field(field, format!("{what} takes a filter instead"))),
        None => Ok(()),
    }
}

/// The matrix that the query describes.
fn matrix_query(query: &FigureQuery) -> Result<MatrixQuery, ApiError> {
    by_filter(query, "a matrix")?;
    let shows = query.colour.as_deref();
    Ok(MatrixQuery {
        filter: query.filter.clone(),
        rows: query.y.clone(),
        columns: query.x.clone(),
        shows: shows.map_or(Ok(MatrixShows::default()), |shows| word("colour", shows))?,
    })
}

/// The encoders that the named runs judged, or the newest runs that the filter selects.
async fn judged_encoders(api: &Api, query: &FigureQuery) -> Result<Vec<JudgedEncoder>, ApiError> {
    let runs = if let Some(runs) = &query.runs {
        run_ids(runs)?
    } else {
        by_filter(query, "a figure of encoders")?;
        api.app.newest_with("clean_cosine", query.filter.clone(), MOST_ENCODERS).await?
    };
    Ok(api.app.judged_encoders(&runs).await?)
}

/// The curves of the defence runs that the query names, or of the newest that its filter selects.
async fn curves_of_defences(api: &Api, query: &FigureQuery) -> Result<Vec<RocSeries>, ApiError> {
    let runs = if let Some(runs) = &query.runs {
        run_ids(runs)?
    } else {
        if query.studies.is_some() {
            let message = "curves of defences take runs or a filter instead";
            return Err(ApiError::field("studies", message));
        }
        api.app.newest_with("auroc", query.filter.clone(), MOST_LINES).await?
    };
    Ok(api.app.roc(&runs).await?)
}

/// The plot that the query describes.
fn asked(query: &FigureQuery) -> Result<PlotQuery, ApiError> {
    by_filter(query, "a plot")?;
    let scale = |field, text: &Option<String>| {
        text.as_deref().map_or(Ok(PlotScale::default()), |text| word(field, text))
    };
    Ok(PlotQuery {
        filter: query.filter.clone(),
        kind: query.kind.as_deref().map_or(Ok(PlotKind::default()), |kind| word("kind", kind))?,
        x: query.x.clone().unwrap_or_else(|| "ca".into()),
        x_scale: scale("x_scale", &query.x_scale)?,
        y: query.y.clone().unwrap_or_else(|| "asr".into()),
        y_scale: scale("y_scale", &query.y_scale)?,
        beside: query.beside.clone(),
        colour: query.colour.clone(),
        facet: query.facet.clone(),
    })
}

/// How the query draws a curve.
fn curve_look(query: &FigureQuery) -> Result<CurveLook, ApiError> {
    let smoothing = query.smoothing.unwrap_or(0.0);
    if !(0.0..1.0).contains(&smoothing) {
        return Err(ApiError::field("smoothing", "must be at least 0 and below 1"));
    }
    let log = match query.y_scale.as_deref().map(|scale| word("y_scale", scale)).transpose()? {
        None | Some(PlotScale::Auto | PlotScale::Linear) => false,
        Some(PlotScale::Log) => true,
        Some(PlotScale::Even) => {
            return Err(ApiError::field("y_scale", "a curve has the scale linear or log"));
        }
    };
    let read = |text: &str| {
        CurveLook::read_epochs(text).ok_or_else(|| {
            ApiError::field("epochs", "must be two numbers, the smaller one first, such as 10,20")
        })
    };
    let epochs = query.epochs.as_deref().map(read).transpose()?;
    Ok(CurveLook { smoothing, log, epochs })
}

/// The runs that the query names, or all finished classifiers of its studies.
async fn rows(api: &Api, query: &FigureQuery) -> Result<Vec<RunRow>, ApiError> {
    match &query.runs {
        Some(runs) => run_rows(api, runs).await,
        None => results(api, query.studies.as_deref(), query.filter.clone()).await,
    }
}

/// The runs whose curves are drawn, which the query must name.
async fn named(api: &Api, query: &FigureQuery) -> Result<Vec<RunRow>, ApiError> {
    let message = "must name the runs to draw, comma-separated";
    let runs = query.runs.as_deref().ok_or_else(|| ApiError::field("runs", message))?;
    run_rows(api, runs).await
}
