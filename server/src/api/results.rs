//! Results: runs with settings and metrics by name, filtered, sorted and grouped.

use axum::{
    Json,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::api::{Page, ResultColumns, ResultGroups, ResultRow};
use utoipa::IntoParams;

use super::{
    Api,
    error::ApiError,
    extract::{Path, Place, Query, list},
};
use crate::{
    app::{results::ResultQuery, tables::TableQuery},
    results::Format,
    store::runs::MAX_PAGE,
};

/// Which runs, in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ResultsQuery {
    /// Only runs that satisfy this CEL expression over settings and metrics: `kind == "probe" && attack.trigger.ratio >= 0.3 && asr > 50`.
    filter: Option<String>,
    /// Settings or metrics to sort by, comma-separated; `-asr` sorts in descending order. Defaults to the order of creation.
    sort: Option<String>,
    /// Number of runs to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of runs to return; defaults to 50, at most 1,000.
    limit: Option<u32>,
}

/// How to group.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GroupsQuery {
    /// Only runs that satisfy this expression, as for `/results`.
    filter: Option<String>,
    /// Settings to group by, comma-separated.
    by: String,
    /// Metrics to average, comma-separated; defaults to `ca,asr,ra`.
    of: Option<String>,
    /// Names of `by` and `of` to sort by, comma-separated; `-asr` sorts in descending order. Defaults to the order of the groups' first
    /// runs.
    sort: Option<String>,
    /// Number of groups to skip; defaults to 0.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 9_223_372_036_854_775_807_i64)]
    offset: Option<Place>,
    /// Maximum number of groups to return; defaults to 1,000, which is the most.
    limit: Option<u32>,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ColumnsQuery {
    /// Only runs that satisfy this expression, as for `/results`.
    filter: Option<String>,
}

/// The columns of the table of results that have a value in some run: names for filters, titles, units, values.
#[utoipa::path(get, path = "/results/columns", tag = "results", params(ColumnsQuery),
    responses((status = 200, body = ResultColumns)))]
pub async fn list_result_columns(
    State(api): State<Api>,
    Query(query): Query<ColumnsQuery>,
) -> Result<Json<ResultColumns>, ApiError> {
    Ok(Json(api.app.result_columns(query.filter).await?))
}

/// A page of the table of results.
#[utoipa::path(get, path = "/results", tag = "results", params(ResultsQuery),
    responses((status = 200, body = Page<ResultRow>)))]
pub async fn list_result_rows(
    State(api): State<Api>,
    Query(query): Query<ResultsQuery>,
) -> Result<Json<Page<ResultRow>>, ApiError> {
    let sort = query.sort.map_or(Ok(Vec::new()), |sort| list("sort", &sort))?;
    let query = ResultQuery {
        filter: query.filter,
        sort,
        offset: skipped(query.offset),
        limit: query.limit.unwrap_or(50).min(MAX_PAGE) as usize,
    };
    Ok(Json(api.app.list_results(query).await?))
}

/// Means of metrics with Student's 95 % interval over runs with equal values of some settings.
#[utoipa::path(get, path = "/results/groups", tag = "results", params(GroupsQuery),
    responses((status = 200, body = ResultGroups)))]
pub async fn group_result_rows(
    State(api): State<Api>,
    Query(query): Query<GroupsQuery>,
) -> Result<Json<ResultGroups>, ApiError> {
    let by = list("by", &query.by)?;
    let of = query.of.unwrap_or_else(|| "ca,asr,ra".into());
    let of = list("of", &of)?;
    let query = ResultQuery {
        filter: query.filter,
        sort: query.sort.map_or(Ok(Vec::new()), |sort| list("sort", &sort))?,
        offset: skipped(query.offset),
        limit: query.limit.unwrap_or(MAX_PAGE).min(MAX_PAGE) as usize,
    };
    Ok(Json(api.app.group_results(query, by, of).await?))
}

fn skipped(offset: Option<Place>) -> usize {
    usize::try_from(offset.unwrap_or_default().count()).unwrap_or(usize::MAX)
}

/// What a table of results holds.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FileQuery {
    /// Only runs that satisfy this expression, as for `/results`.
    filter: Option<String>,
    /// Settings or metrics to sort by, as for `/results`.
    sort: Option<String>,
    /// Settings, metrics and what every run has, comma-separated. Defaults to run, kind, state, the settings that differ between the runs,
    /// and all metrics; in `.tex` and `.txt` without run and state.
    columns: Option<String>,
    /// Settings to group by, comma-separated: a row is a group, as for `/results/groups`.
    by: Option<String>,
    /// Metrics to average over the groups, comma-separated; defaults to `ca,asr,ra`.
    of: Option<String>,
}

/// The table of results as a file: all selected runs, or groups of them. Shares are in percent, beside hits, total and the ends of Wilson's
/// 95 % interval; means of groups are beside deviation, ends of Student's 95 % interval, and number of runs. A file of more than 256 MiB is
/// refused.
#[utoipa::path(get, path = "/results/{file}", tag = "results",
    params(
        ("file" = String, Path, description = "`table.csv`, `table.json`, `table.parquet`, `table.tex` or `table.txt`"),
        FileQuery
    ),
    responses((status = 200, description = "The file", body = Vec<u8>, content_type = "text/csv")))]
pub async fn get_result_file(
    State(api): State<Api>,
    Path(file): Path<String>,
    Query(query): Query<FileQuery>,
) -> Result<Response, ApiError> {
    let Some(("table", extension)) = file.rsplit_once('.') else {
        return Err(ApiError::NotFound(format!("{file:?} is not a table of results")));
    };
    let format: Format = extension.parse().map_err(ApiError::NotFound)?;
    let names =
        |field: &str, names: Option<String>| names.map(|names| list(field, &names)).transpose();
    let query = TableQuery {
        filter: query.filter,
        sort: names("sort", query.sort)?.unwrap_or_default(),
        columns: names("columns", query.columns)?.unwrap_or_default(),
        by: names("by", query.by)?,
        of: names("of", query.of)?.unwrap_or_default(),
    };
    let bytes = api.app.result_file(query, format).await?;
    let disposition = format!("attachment; filename=\"maskdoor-results.{format}\"");
    let headers = [
        (CONTENT_TYPE, format.mime()),
        (CONTENT_DISPOSITION, &disposition),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, bytes).into_response())
}
