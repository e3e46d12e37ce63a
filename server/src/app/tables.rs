//! The table of results as files, for the API and the command line.

use shared::FieldError;

use super::results::{ResultError, blocking, column, select, sort_key};
use crate::{
    app::App,
    results::{Export, ExportError, Format},
};

/// The metrics that groups have when none are named.
const USUAL: [&str; 3] = ["ca", "asr", "ra"];

/// What a table holds.
#[derive(Clone, Debug, Default)]
pub struct TableQuery {
    /// Expression that must be true of the runs; `None` selects all.
    pub filter: Option<String>,
    /// Settings or metrics to sort by; a leading minus sign sorts in descending order.
    pub sort: Vec<String>,
    /// Settings, metrics and what every run has; none for the usual ones.
    pub columns: Vec<String>,
    /// Settings to group by; `None` for a row a run.
    pub by: Option<Vec<String>>,
    /// Metrics to average over groups; none for CA, ASR and RA.
    pub of: Vec<String>,
}

impl App {
    /// The table of results as a file.
    ///
    /// # Errors
    /// When the filter or a name is invalid, the file would be too large, or the store fails.
    pub async fn result_file(
        &self,
        query: TableQuery,
        format: Format,
    ) -> Result<Vec<u8>, ResultError> {
        check(&query)?;
        let table = self.store.result_table().await?;
        blocking(move || {
            let table = table.look();
            let filter = query.filter.as_deref();
            let mut chosen = select(&table, filter)?;
            let keys: Result<Vec<_>, _> =
                query.sort.iter().map(|name| sort_key(&table, name)).collect();
            chosen.sort(&keys?);
            let export = match &query.by {
                None => Export::runs(&chosen, &query.columns, filter, format.is_for_readers())
                    .map_err(|error| FieldError::new("columns", error.to_string()))?,
                Some(by) => {
                    let usual = USUAL.map(str::to_owned);
                    let of = if query.of.is_empty() { &usual[..] } else { &query.of };
                    let columns = |field: &str, names: &[String]| {
                        let found = names.iter().map(|name| column(&table, field, name));
                        found.collect::<Result<Vec<_>, _>>()
                    };
                    let (by, of) = (columns("by", by)?, columns("of", of)?);
                    Export::groups(&chosen, &by, &of, filter).map_err(FieldError::from)?
                }
            };
            export.file(format).map_err(|error| match error {
                ExportError::TooLarge => FieldError::new("filter", error.to_string()).into(),
                ExportError::Writer(..) => ResultError::Internal(error.to_string()),
            })
        })
        .await
    }
}

/// A row is a run with columns, or a group with means.
fn check(query: &TableQuery) -> Result<(), FieldError> {
    if query.by.is_some() && !query.columns.is_empty() {
        let message =
            "are those of runs; a table of groups has the settings of `by` and the metrics of `of`";
        return Err(FieldError::new("columns", message));
    }
    if query.by.is_none() && !query.of.is_empty() {
        return Err(FieldError::new("of", "averages over groups: name the settings to group `by`"));
    }
    Ok(())
}
