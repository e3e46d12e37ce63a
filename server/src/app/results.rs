//! Runs filtered, sorted and grouped by any setting and metric, for the API and the command line.

use std::collections::BTreeSet;

use shared::{
    Digest, FieldError, RunId, StudyId,
    api::{
        MatrixData, MatrixShows, Measured, Page, PlotData, PlotKind, PlotScale, ResultColumns,
        ResultGroup, ResultGroups, ResultRow, StudyName,
    },
};

use crate::{
    app::App,
    results::{
        Column, Filter, Measure, Row, Selection, SortKey, Table, matrix, matrix::mean, plot,
        plot::PANELS,
    },
    store::StoreError,
};

/// Which runs, in which order.
#[derive(Clone, Debug, Default)]
pub struct ResultQuery {
    /// Expression that must be true of the runs; `None` selects all.
    pub filter: Option<String>,
    /// Settings or metrics to sort by; a leading minus sign sorts in descending order.
    pub sort: Vec<String>,
    /// Number of runs to skip.
    pub offset: usize,
    /// Maximum number of runs.
    pub limit: usize,
}

/// What a plot shows, with columns by name.
#[derive(Clone, Debug, Default)]
pub struct PlotQuery {
    /// Expression that must be true of the runs; `None` selects all.
    pub filter: Option<String>,
    /// What a mark stands for.
    pub kind: PlotKind,
    /// From left to right.
    pub x: String,
    /// How x is placed.
    pub x_scale: PlotScale,
    /// From bottom to top.
    pub y: String,
    /// How y is placed.
    pub y_scale: PlotScale,
    /// A second metric of means, on y's scale.
    pub beside: Option<String>,
    /// What gives the colour; in a grid the metric that is averaged.
    pub colour: Option<String>,
    /// What has a panel for each value.
    pub facet: Option<String>,
}

/// What a matrix of attacks and defences shows, with columns by name.
#[derive(Clone, Debug, Default)]
pub struct MatrixQuery {
    /// Expression that must be true of the runs; `None` selects all.
    pub filter: Option<String>,
    /// From top to bottom; defaults to the trigger.
    pub rows: Option<String>,
    /// From left to right; defaults to the defence.
    pub columns: Option<String>,
    /// The metric.
    pub shows: MatrixShows,
}

/// The query cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum ResultError {
    /// A field of the query is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program itself failed.
    #[error("{0}")]
    Internal(String),
}

impl App {
    /// A page of the table of results.
    ///
    /// # Errors
    /// When the filter or a sort key is invalid, or the store fails.
    pub async fn list_results(&self, query: ResultQuery) -> Result<Page<ResultRow>, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let mut chosen = select(&table, query.filter.as_deref())?;
            let keys: Result<Vec<_>, _> =
                query.sort.iter().map(|name| sort_key(&table, name)).collect();
            chosen.sort(&keys?);
            let items =
                chosen.page(query.offset, query.limit).into_iter().map(result_row).collect();
            Ok(Page { items, total: chosen.len() as u64, offset: query.offset as u64 })
        })
        .await
    }

    /// The studies with runs that an expression is true of.
    ///
    /// # Errors
    /// When the filter is invalid, or the store fails.
    pub async fn studies_with(&self, filter: String) -> Result<BTreeSet<StudyId>, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || Ok(select(&table.look(), Some(&filter))?.studies())).await
    }

    /// The columns of the table of results that have a value in some selected run.
    ///
    /// # Errors
    /// When the filter is invalid, or the store fails.
    pub async fn result_columns(
        &self,
        filter: Option<String>,
    ) -> Result<ResultColumns, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            Ok(select(&table, filter.as_deref())?.columns())
        })
        .await
    }

    /// The numbers of a plot.
    ///
    /// # Errors
    /// When the filter or a column is invalid, or the store fails.
    pub async fn plot(&self, query: PlotQuery) -> Result<PlotData, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let optional = |field: &str, name: Option<&str>| {
                let name = name.filter(|name| !name.is_empty());
                name.map(|name| column(&table, field, name)).transpose()
            };
            let ask = plot::Ask {
                kind: query.kind,
                x: column(&table, "x", &query.x)?,
                x_scale: query.x_scale,
                y: column(&table, "y", &query.y)?,
                y_scale: query.y_scale,
                beside: optional("beside", query.beside.as_deref())?,
                colour: optional("colour", query.colour.as_deref())?,
                facet: optional("facet", query.facet.as_deref())?,
            };
            Ok(select(&table, query.filter.as_deref())?.plot(&ask)?)
        })
        .await
    }

    /// The numbers of the figure `before-after`: the matrices of CA and of ASR, whatever `query` shows.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix); when there are more panels than a figure takes.
    pub async fn before_after(&self, query: MatrixQuery) -> Result<[MatrixData; 2], ResultError> {
        let of = |shows| self.matrix(MatrixQuery { shows, ..query.clone() });
        let (ca, asr) = (of(MatrixShows::Ca).await?, of(MatrixShows::Asr).await?);
        let panels = ca.rows.slots.len();
        if panels > PANELS {
            let message = format!(
                "`{}` has {panels} values in these runs, and a figure has at most {PANELS} panels: choose another column or filter the runs",
                ca.rows.name
            );
            return Err(FieldError::new("y", message).into());
        }
        Ok([ca, asr])
    }

    /// The numbers of a matrix of attacks and defences.
    ///
    /// # Errors
    /// When the filter or a column is invalid, or the store fails.
    pub async fn matrix(&self, query: MatrixQuery) -> Result<MatrixData, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let named = |field: &str, name: Option<&str>, default: &str| {
                let name = name.filter(|name| !name.is_empty()).unwrap_or(default);
                column(&table, field, name)
            };
            let ask = matrix::Ask {
                rows: named("y", query.rows.as_deref(), "attack.trigger.kind")?,
                columns: named("x", query.columns.as_deref(), "defence.method")?,
                shows: query.shows,
            };
            Ok(select(&table, query.filter.as_deref())?.matrix(&ask)?)
        })
        .await
    }

    /// The newest `limit` of the runs with a metric that satisfy the filter, oldest first.
    ///
    /// # Errors
    /// When the filter is invalid, or the store fails.
    pub async fn newest_with(
        &self,
        metric: &'static str,
        filter: Option<String>,
        limit: usize,
    ) -> Result<Vec<RunId>, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let metric = column(&table, "filter", metric)?;
            let mut runs = select(&table, filter.as_deref())?.having(&metric).runs();
            Ok(runs.split_off(runs.len().saturating_sub(limit)))
        })
        .await
    }

    /// The newest `limit` of the runs with an attack success rate that satisfy the filter, oldest first.
    ///
    /// # Errors
    /// When the filter is invalid, or the store fails.
    pub async fn newest_results(
        &self,
        filter: String,
        limit: usize,
    ) -> Result<Vec<RunId>, ResultError> {
        self.newest_with("asr", Some(filter), limit).await
    }

    /// A page of the means of metrics over runs with equal values of some settings, in the order of their first runs or sorted.
    ///
    /// # Errors
    /// When the filter or a name is invalid, or the store fails.
    pub async fn group_results(
        &self,
        query: ResultQuery,
        by: Vec<String>,
        of: Vec<String>,
    ) -> Result<ResultGroups, ResultError> {
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let chosen = select(&table, query.filter.as_deref())?;
            let columns = |field: &str, names: &[String]| {
                names.iter().map(|name| column(&table, field, name)).collect::<Result<Vec<_>, _>>()
            };
            let (keys, metrics) = (columns("by", &by)?, columns("of", &of)?);
            let mut groups = chosen
                .group(&keys, &metrics)
                .map_err(|error| FieldError::new("by", error.to_string()))?;
            for name in query.sort.iter().rev() {
                let key = sort_key(&table, name)?;
                let place = |columns: &[Column]| columns.iter().position(|it| *it == key.column);
                match (place(&keys), place(&metrics)) {
                    (Some(at), _) => groups.sort_by_key(at, key.descending),
                    (_, Some(at)) => groups.sort_by_mean(at, key.descending),
                    _ => {
                        let message = format!("`{}` is neither in `by` nor in `of`", key.column);
                        return Err(FieldError::new("sort", message).into());
                    }
                }
            }
            let total = groups.groups.len() as u64;
            let group = |group: crate::results::Group| ResultGroup {
                settings: by
                    .iter()
                    .zip(group.key)
                    .filter_map(|(path, value)| Some((path.clone(), value?.into())))
                    .collect(),
                runs: group.runs,
                metrics: of
                    .iter()
                    .zip(group.metrics)
                    .filter_map(|(name, spread)| Some((name.clone(), mean(spread?))))
                    .collect(),
            };
            Ok(ResultGroups {
                groups: groups
                    .groups
                    .into_iter()
                    .skip(query.offset)
                    .take(query.limit)
                    .map(group)
                    .collect(),
                total,
                over: groups.over.iter().map(|column| column.name().to_owned()).collect(),
            })
        })
        .await
    }
}

pub(super) fn select<'t>(
    table: &'t Table,
    filter: Option<&str>,
) -> Result<Selection<'t>, FieldError> {
    match filter.map(str::trim).filter(|filter| !filter.is_empty()) {
        None => Ok(table.all()),
        Some(text) => {
            let filter = Filter::new(text, table)
                .map_err(|error| FieldError::new("filter", error.to_string()))?;
            Ok(filter.select(table))
        }
    }
}

pub(super) fn column(table: &Table, field: &str, name: &str) -> Result<Column, FieldError> {
    table.column(name).map_err(|error| FieldError::new(field, error.to_string()))
}

pub(super) fn sort_key(table: &Table, name: &str) -> Result<SortKey, FieldError> {
    let (descending, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
    Ok(SortKey { column: column(table, "sort", name)?, descending })
}

fn result_row(row: Row) -> ResultRow {
    let measured = |measure: Measure| match measure {
        Measure::Ratio(ratio) => Measured::Ratio(ratio),
        Measure::Real(number) => Measured::Real(number),
    };
    ResultRow {
        run: row.run,
        kind: row.kind.as_ref().into(),
        digest: Digest::stored(row.digest.into_string()),
        state: row.state,
        studies: row
            .studies
            .into_iter()
            .map(|study| StudyName { id: study.id, name: study.name.as_ref().into() })
            .collect(),
        created_at: row.created,
        ended_at: row.ended,
        settings: row.settings.into_iter().map(|(path, value)| (path, value.into())).collect(),
        metrics: row
            .metrics
            .into_iter()
            .map(|(name, metric)| (name, measured(metric.measure)))
            .collect(),
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ResultError> + Send + 'static,
) -> Result<T, ResultError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ResultError::Internal(error.to_string()))?
}
