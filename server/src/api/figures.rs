//! Downloadable figures.

use axum::{
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::{
    api::RunRow,
    chart::{
        CurveKind, CurveSeries, Figure, FigureKind, Theme, accuracy_by_epoch, asr_by_poison, curve,
        tradeoff,
    },
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    compare::{epochs, labels, results, run_rows},
    error::ApiError,
    extract::{Path, Query, word},
};
use crate::figures::{self, FileKind};

/// Maximum number of events read for one line of a curve.
const MOST_POINTS: u32 = 100_000;
/// Maximum number of lines in a figure when the request does not name its runs.
const MOST_LINES: usize = 12;

/// What the figure shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FigureQuery {
    /// The finished classifiers of these studies, comma-separated; defaults to all studies.
    studies: Option<String>,
    /// These runs instead, comma-separated. Required for curves.
    runs: Option<String>,
    /// Whether `asr-by-poison` also shows the published series.
    published: Option<bool>,
    /// `light` (the default) or `dark`.
    theme: Option<String>,
}

/// A figure as SVG, PNG, PDF or CSV.
#[utoipa::path(get, path = "/figures/{file}", tag = "results",
    params(
        ("file" = String, Path, description = "`tradeoff`, `asr-by-poison`, `accuracy-by-epoch`, `loss`, `lr` or \
            `speed`, followed by `.svg`, `.png`, `.pdf` or `.csv`"),
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
    let bytes =
        blocking(move || figures::file(&figure, format, theme).map_err(ApiError::internal)).await?;
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
            accuracy_by_epoch(&epochs(api, &rows).await?)
        }
        FigureKind::Curve(which) => curve(which, &curves(api, which, query).await?),
    })
}

/// The runs that the query names, or all finished classifiers of its studies.
async fn rows(api: &Api, query: &FigureQuery) -> Result<Vec<RunRow>, ApiError> {
    match &query.runs {
        Some(runs) => run_rows(api, runs).await,
        None => results(api, query.studies.as_deref()).await,
    }
}

async fn curves(
    api: &Api,
    which: CurveKind,
    query: &FigureQuery,
) -> Result<Vec<CurveSeries>, ApiError> {
    let Some(runs) = &query.runs else {
        return Err(ApiError::field("runs", "must name the runs to draw, comma-separated"));
    };
    let rows = run_rows(api, runs).await?;
    let kinds = ["step".to_owned(), "epoch".to_owned()];
    let mut curves = Vec::with_capacity(rows.len());
    for (row, label) in rows.iter().zip(labels(&rows)) {
        let events = api.app.store.run_events(row.id, 0, MOST_POINTS, &kinds).await?;
        curves.push(CurveSeries::from_events(which, row.id, label, &events));
    }
    Ok(curves)
}
