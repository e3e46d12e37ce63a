//! Finished classifiers for the figures: slim rows, and accuracy by epoch.
//!
//! A finished run never changes, so the rows of all studies are cached in memory until another one finishes or a study is deleted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use shared::{
    Digest, Progress, Ratio, RunEvent, RunId, RunKind, RunState, StudyId,
    api::RunRow,
    metric::Metrics,
    param::Value,
    run::RunPoint,
    settings::{HeadInit, ProbeOptimizer},
};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{
    Store, StoreError,
    row::{UNDER_OWN_STUDY, parse},
    studies::{from_json, to_json},
};

/// A finished classifier, packed by SQLite into one JSON text: thousands of rows are transferred as one, because separate rows
/// with separate columns take ten times as long.
#[derive(Deserialize)]
struct Packed {
    key: i64,
    id: RunId,
    digest: Digest,
    study: StudyId,
    study_name: String,
    dataset: String,
    trigger: String,
    trigger_kind: String,
    strength: f64,
    optimizer: Option<ProbeOptimizer>,
    head_init: Option<HeadInit>,
    kind: RunKind,
    ppr: u32,
    lpr: u32,
    seed: u64,
    scratch: u8,
    varied: BTreeMap<String, Value>,
    reused: u8,
    parent: Option<RunId>,
    ca: Ratio,
    asr: Ratio,
    ra: Ratio,
    top5: Option<Ratio>,
    epochs: u32,
    images_per_second: Option<f64>,
    seq: u64,
    created_at: u64,
    started_at: Option<u64>,
    ended_at: Option<u64>,
}

/// The SQL expression for [`Packed`].
const PACK: &str = "json_object('key', r.key, 'id', r.id, 'digest', r.digest, 'study', l.study, 'study_name', s.name, \
     'dataset', r.dataset, 'trigger', r.trigger_label, 'trigger_kind', r.trigger_kind, 'strength', r.strength, \
     'optimizer', r.optimizer, 'head_init', r.head_init, 'kind', r.kind, 'ppr', r.ppr, 'lpr', r.lpr, 'seed', r.seed, \
     'scratch', r.scratch, 'varied', json(l.varied), 'reused', l.reused, 'parent', (SELECT p.id FROM run_inputs i \
     JOIN runs p ON p.key = i.input WHERE i.run = r.key LIMIT 1), \
     'ca', json_object('hits', ca_hits, 'total', ca_total), 'asr', json_object('hits', asr_hits, 'total', asr_total), \
     'ra', json_object('hits', ra_hits, 'total', ra_total), \
     'top5', CASE WHEN top5_total IS NULL THEN NULL ELSE json_object('hits', top5_hits, 'total', top5_total) END, \
     'epochs', r.epochs, 'images_per_second', r.images_per_second, 'seq', r.taken_seq, 'created_at', r.created_at, \
     'started_at', r.started_at, 'ended_at', r.ended_at)";

impl From<Packed> for RunRow {
    fn from(packed: Packed) -> Self {
        let Packed { ca, asr, ra, top5, kind, ppr, lpr, seed, .. } = packed;
        let metrics = Metrics { ca, asr, ra, top5 };
        let progress = Progress {
            seq: packed.seq,
            epochs: packed.epochs,
            epoch: f64::from(packed.epochs),
            images_per_second: packed.images_per_second,
            metrics: Some(metrics),
            finished: true,
            ..Progress::default()
        };
        Self {
            id: packed.id,
            digest: packed.digest,
            study: packed.study,
            study_name: packed.study_name,
            dataset: packed.dataset,
            trigger: packed.trigger,
            trigger_kind: packed.trigger_kind,
            strength: packed.strength,
            optimizer: packed.optimizer,
            head_init: packed.head_init,
            point: RunPoint { kind, ppr, lpr, seed, scratch: packed.scratch == 1 },
            varied: packed.varied,
            reused: packed.reused == 1,
            parent: packed.parent,
            state: RunState::Done,
            progress,
            metrics: Some(metrics),
            created_at: packed.created_at,
            started_at: packed.started_at,
            ended_at: packed.ended_at,
            error: None,
            device: None,
        }
    }
}

/// Identifies a set of finished classifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    count: i64,
    keys: i64,
    newest: i64,
}

/// The rows of all studies as last read.
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
    /// The newest `limit` finished classifiers of these studies (of all when empty), oldest first. Their progress holds only
    /// the final state.
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
        let (from, index) = if studies.is_empty() {
            (UNDER_OWN_STUDY, "INDEXED BY runs_compare")
        } else {
            ("study_runs l JOIN runs r ON r.key = l.run JOIN studies s ON s.id = l.study", "")
        };
        let mut sql = QueryBuilder::<Sqlite>::new(format!(
            "SELECT json_group_array({PACK}) FROM {from} WHERE r.key IN \
             (SELECT key FROM runs {index} WHERE state = 'done' AND ca IS NOT NULL"
        ));
        let wanted = to_json(&studies)?;
        if !studies.is_empty() {
            sql.push(" AND key IN (SELECT run FROM study_runs WHERE study IN (SELECT value FROM json_each(");
            sql.push_bind(wanted.clone()).push(")))");
        }
        sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::from(limit)).push(")");
        if !studies.is_empty() {
            sql.push(" AND l.study IN (SELECT value FROM json_each(").push_bind(wanted).push("))");
        }
        let text: String = sql.build_query_scalar().fetch_one(self.readers()).await?;
        let mut packed: Vec<Packed> = from_json(&text, "results")?;
        packed.sort_by_key(|run| run.key);
        Ok(packed.into_iter().map(Into::into).collect())
    }

    /// A value that changes whenever a classifier finishes or a study is deleted, read from an index only.
    async fn stamp(&self) -> Result<Stamp, StoreError> {
        let row = sqlx::query(
            "SELECT count(*), coalesce(sum(key), 0), coalesce(max(ended_at), 0) FROM runs INDEXED BY runs_compare \
             WHERE state = 'done' AND ca IS NOT NULL",
        )
        .fetch_one(self.readers())
        .await?;
        Ok(Stamp { count: row.try_get(0)?, keys: row.try_get(1)?, newest: row.try_get(2)? })
    }

    /// All evaluations of these runs, run by run, ordered by epoch; for a pre-training those by nearest neighbours.
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
