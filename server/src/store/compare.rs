//! Finished classifiers for the figures: slim rows, and accuracy by epoch.
//!
//! A finished run never changes, so the rows of all studies are kept in memory until one more finishes or a study goes.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use shared::{
    Phase, Progress, Ratio, RunEvent, RunId, RunState, StudyId,
    api::RunRow,
    metric::Metrics,
    run::RunPoint,
    study::{HeadInit, ProbeOptimizer},
};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    Store, StoreError,
    row::parse,
    studies::{from_json, to_json},
};

/// A finished classifier, packed by SQLite into one JSON array: thousands of rows come over as one text, where a row of
/// its own for each, with a value of its own for each column, takes ten times as long.
#[derive(Deserialize)]
struct Packed(
    i64,
    RunId,
    StudyId,
    String,
    String,
    String,
    String,
    f64,
    (ProbeOptimizer, HeadInit),
    (Phase, u32, u32, u64, u8),
    Option<RunId>,
    [u32; 6],
    [Option<u32>; 2],
    (u32, Option<f64>, u64),
    (u64, Option<u64>, Option<u64>),
);

/// What [`Packed`] holds, in its order.
const PACK: &str = "json_array(key, id, study, study_name, dataset, trigger_label, trigger_kind, strength, \
     json_array(optimizer, head_init), json_array(phase, ppr, lpr, seed, scratch), parent, \
     json_array(ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total), \
     json_array(top5_hits, top5_total), \
     json_array(epochs, images_per_second, taken_seq), json_array(created_at, started_at, ended_at))";

impl From<Packed> for RunRow {
    fn from(packed: Packed) -> Self {
        let Packed(
            _,
            id,
            study,
            study_name,
            dataset,
            trigger,
            trigger_kind,
            strength,
            (optimizer, head_init),
            ..,
        ) = packed;
        let (phase, ppr, lpr, seed, scratch) = packed.9;
        let [ca, ca_total, asr, asr_total, ra, ra_total] = packed.11;
        let [top5, top5_total] = packed.12;
        let metrics = Metrics {
            ca: Ratio { hits: ca, total: ca_total },
            asr: Ratio { hits: asr, total: asr_total },
            ra: Ratio { hits: ra, total: ra_total },
            top5: top5.zip(top5_total).map(|(hits, total)| Ratio { hits, total }),
        };
        let (epochs, images_per_second, seq) = packed.13;
        let (created_at, started_at, ended_at) = packed.14;
        let progress = Progress {
            seq,
            epochs,
            epoch: f64::from(epochs),
            images_per_second,
            metrics: Some(metrics),
            finished: true,
            ..Progress::default()
        };
        Self {
            id,
            study,
            study_name,
            dataset,
            trigger,
            trigger_kind,
            strength,
            optimizer,
            head_init,
            point: RunPoint { phase, ppr, lpr, seed, scratch: scratch == 1 },
            parent: packed.10,
            state: RunState::Done,
            progress,
            metrics: Some(metrics),
            created_at,
            started_at,
            ended_at,
            error: None,
        }
    }
}

/// Tells one set of finished classifiers from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    count: i64,
    keys: i64,
    newest: i64,
}

/// The rows of all studies as they were read last.
#[derive(Clone, Debug, Default)]
pub(super) struct Results(Arc<Mutex<Option<Kept>>>);

#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    limit: u32,
    rows: Arc<[RunRow]>,
}

impl Results {
    fn get(&self, stamp: Stamp, limit: u32) -> Option<Arc<[RunRow]>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|kept| kept.stamp == stamp && kept.limit == limit)
            .map(|kept| kept.rows.clone())
    }

    fn keep(&self, stamp: Stamp, limit: u32, rows: Vec<RunRow>) {
        let kept = Kept { stamp, limit, rows: rows.into() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }
}

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
        if !studies.is_empty() {
            return self.read_results(studies, limit).await;
        }
        let stamp = self.stamp().await?;
        if let Some(rows) = self.results().get(stamp, limit) {
            return Ok(rows.to_vec());
        }
        let rows = self.read_results(&[], limit).await?;
        self.results().keep(stamp, limit, rows.clone());
        Ok(rows)
    }

    async fn read_results(
        &self,
        studies: &[StudyId],
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let index = if studies.is_empty() { "INDEXED BY runs_compare" } else { "" };
        let mut sql = QueryBuilder::<Sqlite>::new(format!(
            "SELECT json_group_array({PACK}) FROM (SELECT * FROM runs {index} WHERE state = 'done' AND ca IS NOT NULL"
        ));
        if !studies.is_empty() {
            sql.push(" AND study IN (SELECT value FROM json_each(");
            sql.push_bind(to_json(&studies)?).push("))");
        }
        sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::from(limit)).push(")");
        let text: String = sql.build_query_scalar().fetch_one(self.readers()).await?;
        let mut packed: Vec<Packed> = from_json(&text, "results")?;
        packed.sort_by_key(|run| run.0);
        Ok(packed.into_iter().map(Into::into).collect())
    }

    /// What changes whenever a classifier finishes or a study is deleted, read from an index alone.
    async fn stamp(&self) -> Result<Stamp, StoreError> {
        let row = sqlx::query(
            "SELECT count(*), coalesce(sum(key), 0), coalesce(max(ended_at), 0) FROM runs INDEXED BY runs_compare \
             WHERE state = 'done' AND ca IS NOT NULL",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(Stamp { count: row.try_get(0)?, keys: row.try_get(1)?, newest: row.try_get(2)? })
    }

    /// All evaluations of these runs, run by run, in the order of the epochs; of a pre-training those by nearest neighbours.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn evaluations(&self, runs: &[RunId]) -> Result<Vec<EvaluatedAt>, StoreError> {
        let rows = sqlx::query(
            "WITH wanted AS (SELECT key, id FROM runs WHERE id IN (SELECT value FROM json_each(?))), \
             told AS (SELECT run, seq, body FROM events WHERE kind = 'evaluated' AND run IN (SELECT key FROM wanted) \
                UNION ALL \
                SELECT run, seq, body FROM events WHERE kind = 'knn' AND run IN (SELECT key FROM wanted)) \
             SELECT w.id, t.body FROM told t JOIN wanted w ON w.key = t.run ORDER BY t.run, t.seq",
        )
        .bind(to_json(&runs)?)
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                let run = parse(row.try_get(0)?, "a run's identifier")?;
                match from_json(row.try_get(1)?, "an event")? {
                    RunEvent::Evaluated { epoch, metrics, .. }
                    | RunEvent::Knn { epoch, metrics } => Ok(EvaluatedAt { run, epoch, metrics }),
                    other => Err(StoreError::corrupt("an evaluation")(&other.kind())),
                }
            })
            .collect()
    }
}
