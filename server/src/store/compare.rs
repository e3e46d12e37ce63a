//! Finished classifiers for the figures: slim rows, and accuracy by epoch.

use shared::{RunEvent, RunId, StudyId, api::RunRow, metric::Metrics};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    Store, StoreError,
    row::{COLUMNS, parse, slim_row},
    studies::{from_json, to_json},
};

/// An evaluation within a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluatedAt {
    /// The run.
    pub run: RunId,
    /// Epochs done.
    pub epoch: u32,
    /// The counts.
    pub metrics: Metrics,
}

impl Store {
    /// The newest `limit` finished classifiers of these studies (of all when empty), oldest first. Of their progress only
    /// the end is told.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn compare(
        &self,
        studies: &[StudyId],
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut sql = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {COLUMNS} FROM runs WHERE state = 'done' AND ca IS NOT NULL"
        ));
        if !studies.is_empty() {
            sql.push(" AND study IN (SELECT value FROM json_each(");
            sql.push_bind(to_json(&studies)?).push("))");
        }
        sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter().rev().map(slim_row).collect()
    }

    /// All evaluations of these runs, run by run, in the order of the epochs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn evaluations(&self, runs: &[RunId]) -> Result<Vec<EvaluatedAt>, StoreError> {
        let rows = sqlx::query(
            "SELECT r.id, e.body FROM runs r JOIN events e ON e.run = r.key AND e.kind = 'evaluated' \
             WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.key, e.seq",
        )
        .bind(to_json(&runs)?)
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let run = parse(row.try_get(0)?, "a run's identifier")?;
                match from_json(row.try_get(1)?, "an event")? {
                    RunEvent::Evaluated { epoch, metrics } => {
                        Ok(EvaluatedAt { run, epoch, metrics })
                    }
                    other => Err(StoreError::corrupt("an evaluation")(&other.kind())),
                }
            })
            .collect()
    }
}
