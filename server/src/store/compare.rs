//! Finished classifiers for the figures: slim rows, and accuracy by epoch.
//!
//! A finished run never changes, so the rows of all studies are cached in memory until another one finishes or a study is deleted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, TryStreamExt, stream};
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

/// Number of classifiers that SQLite packs into one text.
const PACKED_AT_ONCE: usize = 1_000;
/// Number of texts that are packed at the same time, each by its own connection.
const PACKING: usize = 2;

/// Declares [`Packed`] and the SQL expression for it from the same list, because the values are told apart by their order.
macro_rules! packed {
    ($first:ident: $first_type:ty = $first_sql:literal, $($field:ident: $type:ty = $sql:literal,)*) => {
        /// A finished classifier, packed by SQLite into a JSON array: thousands of rows are transferred as one text, because
        /// separate rows with separate columns take ten times as long.
        #[derive(Deserialize)]
        struct Packed {
            $first: $first_type,
            $($field: $type,)*
        }

        const PACK: &str = concat!("json_array(", $first_sql, $(", ", $sql,)* ")");
    };
}

packed! {
    key: i64 = "r.key",
    id: RunId = "r.id",
    digest: Digest = "r.digest",
    study: StudyId = "l.study",
    study_name: String = "s.name",
    dataset: String = "r.dataset",
    trigger: String = "r.trigger_label",
    trigger_kind: String = "r.trigger_kind",
    strength: f64 = "r.strength",
    optimizer: Option<ProbeOptimizer> = "r.optimizer",
    head_init: Option<HeadInit> = "r.head_init",
    kind: RunKind = "r.kind",
    ppr: u32 = "r.ppr",
    lpr: u32 = "r.lpr",
    seed: u64 = "r.seed",
    scratch: u8 = "r.scratch",
    implanted: u8 = "r.implanted",
    varied: BTreeMap<String, Value> = "json(l.varied)",
    reused: u8 = "l.reused",
    parent: Option<RunId> = "(SELECT p.id FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND i.role = 'start')",
    ca: Counts = "json_array(ca_hits, ca_total)",
    asr: Counts = "json_array(asr_hits, asr_total)",
    ra: Counts = "json_array(ra_hits, ra_total)",
    top5: Option<Counts> = "CASE WHEN top5_total IS NOT NULL THEN json_array(top5_hits, top5_total) END",
    epochs: u32 = "r.epochs",
    images_per_second: Option<f64> = "r.images_per_second",
    seq: u64 = "r.taken_seq",
    created_at: u64 = "r.created_at",
    started_at: Option<u64> = "r.started_at",
    ended_at: Option<u64> = "r.ended_at",
}

/// Hits and total.
#[derive(Deserialize)]
struct Counts(u32, u32);

impl From<Counts> for Ratio {
    fn from(Counts(hits, total): Counts) -> Self {
        Self { hits, total }
    }
}

impl From<Packed> for RunRow {
    fn from(packed: Packed) -> Self {
        let Packed { ca, asr, ra, top5, kind, ppr, lpr, seed, .. } = packed;
        let metrics = Metrics {
            ca: ca.into(),
            asr: asr.into(),
            ra: ra.into(),
            top5: top5.map(Into::into),
            ..Metrics::default()
        };
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
            point: RunPoint {
                kind,
                ppr,
                lpr,
                seed,
                scratch: packed.scratch == 1,
                implanted: packed.implanted == 1,
                // A repair is no classifier.
                repairs: false,
            },
            varied: packed.varied,
            reused: packed.reused == 1,
            parent: packed.parent,
            // Only defences have one, which are no classifiers.
            restorer: None,
            state: RunState::Done,
            progress,
            metrics: Some(metrics),
            created_at: packed.created_at,
            started_at: packed.started_at,
            ended_at: packed.ended_at,
            paused: None,
            job: None,
            wish: shared::DeviceWish::default(),
            held: false,
            waits: None,
            tidied: None,
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
    /// The last change of a study's name.
    changed: i64,
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
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// Those of these runs that are finished classifiers, oldest first, each under its own study. Their progress holds only the
    /// final state.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn compare_runs(&self, runs: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let keys: Vec<i64> = sqlx::query_scalar(
            "SELECT key FROM runs WHERE +state = 'done' AND ca IS NOT NULL \
             AND id IN (SELECT value FROM json_each(?)) ORDER BY key",
        )
        .bind(to_json(&runs)?)
        .fetch_all(self.readers())
        .await?;
        self.read_keys(keys, None).await
    }

    async fn read_results(
        &self,
        studies: &[StudyId],
        limit: u32,
    ) -> Result<Vec<RunRow>, StoreError> {
        let wanted = if studies.is_empty() { None } else { Some(to_json(&studies)?) };
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT key FROM runs ");
        if let Some(studies) = &wanted {
            // With an index on the state, SQLite would read all finished runs.
            sql.push("WHERE +state = 'done' AND ca IS NOT NULL AND key IN (SELECT run FROM study_runs WHERE study IN ");
            sql.push("(SELECT value FROM json_each(").push_bind(studies).push(")))");
        } else {
            sql.push("INDEXED BY runs_compare WHERE state = 'done' AND ca IS NOT NULL");
        }
        sql.push(" ORDER BY key DESC LIMIT ").push_bind(i64::from(limit));
        let mut keys: Vec<i64> = sql.build_query_scalar().fetch_all(self.readers()).await?;
        keys.reverse();
        self.read_keys(keys, wanted.as_deref()).await
    }

    /// The classifiers with these keys, as [`Store::read_packed`] gives them, in the order of the keys.
    async fn read_keys(
        &self,
        keys: Vec<i64>,
        studies: Option<&str>,
    ) -> Result<Vec<RunRow>, StoreError> {
        let parts: Vec<Vec<i64>> = keys.chunks(PACKED_AT_ONCE).map(Into::into).collect();
        stream::iter(parts)
            .map(|keys| self.read_packed(keys, studies))
            .buffered(PACKING)
            .try_concat()
            .await
    }

    /// The classifiers with these keys, under each of the studies (a JSON list) that use them, or under their own study.
    async fn read_packed(
        &self,
        keys: Vec<i64>,
        studies: Option<&str>,
    ) -> Result<Vec<RunRow>, StoreError> {
        let from = match studies {
            None => UNDER_OWN_STUDY,
            Some(_) => "study_runs l JOIN runs r ON r.key = l.run JOIN studies s ON s.id = l.study",
        };
        let mut sql = QueryBuilder::<Sqlite>::new(format!(
            "SELECT json_group_array({PACK}) FROM {from} WHERE r.key IN (SELECT value FROM json_each("
        ));
        sql.push_bind(to_json(&keys)?).push("))");
        if let Some(studies) = studies {
            // With an index on the study, SQLite would try every pair of a run and a study.
            sql.push(" AND +l.study IN (SELECT value FROM json_each(")
                .push_bind(studies)
                .push("))");
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
        let changed = self.last_change().await?;
        Ok(Stamp {
            count: row.try_get(0)?,
            keys: row.try_get(1)?,
            newest: row.try_get(2)?,
            changed,
        })
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
