//! The in-memory table of all runs with settings and metrics: read once, then updated run by run.
//!
//! Changes since the last update are found through the events: each change of a run's state adds one, and a study that reuses a
//! run has a newer identifier. Other changes (a study was deleted, perhaps by another program) show in the number of runs and
//! listings, and the table is read again.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use serde::Deserialize;
use shared::{
    Ratio, RunKind, RunState, StudyId,
    metric::{Discordant, Judgement, Metrics, Quality, Survival},
    param::SETTINGS,
};
use sqlx::{Row as _, sqlite::SqliteRow};
use tokio::sync::Mutex;

use super::{
    Store, StoreError,
    row::{metrics, parse, time},
    studies::from_json,
};
use crate::results::{Measure, Metric, Row, Study, Table, Types, Value};

/// The table, and the mark up to which it was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    table: Arc<RwLock<Table>>,
    read: Arc<Mutex<Mark>>,
}

impl Kept {
    /// Inserts rows into the table. Returns its number of rows.
    fn put(&self, rows: &[Row]) -> usize {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        put(&mut table, rows);
        table.shrink();
        table.len()
    }

    /// Replaces the table.
    fn take(&self, mut table: Table) {
        table.shrink();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
    }
}

fn put(table: &mut Table, rows: &[Row]) {
    for row in rows {
        if let Err(error) = table.replace(row) {
            tracing::error!(%error, run = %row.run, "a run is missing from the table of results");
        }
    }
}

/// Number of runs read at a time: as text they take many times as much memory as in the table.
const AT_ONCE: i64 = 1000;

/// The mark up to which the table was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Mark {
    /// The last event read.
    event: i64,
    /// The newest study read.
    study: String,
    /// Number of rows of `study_runs`.
    listed: i64,
    /// The last change of a study's name.
    changed: i64,
}

/// A read lock on the table.
pub struct TableLook<'a>(RwLockReadGuard<'a, Table>);

impl std::ops::Deref for TableLook<'_> {
    type Target = Table;
    fn deref(&self) -> &Table {
        &self.0
    }
}

/// The table of all runs, for reading on a thread where that may take a while.
#[derive(Clone, Debug)]
pub struct ResultTable(Arc<RwLock<Table>>);

impl ResultTable {
    /// Locks the table for reading.
    pub fn look(&self) -> TableLook<'_> {
        TableLook(self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store {
    /// The table of all runs, up to date.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn result_table(&self) -> Result<ResultTable, StoreError> {
        let kept = self.kept_results();
        let mut mark = kept.read.lock().await;
        let event = self.look_for_news().await?;
        let (runs, listed): (i64, i64) =
            sqlx::query_as("SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM study_runs)")
                .fetch_one(self.readers())
                .await?;
        let study: Option<String> =
            sqlx::query_scalar("SELECT max(id) FROM studies").fetch_one(self.readers()).await?;
        let study = study.unwrap_or_default();
        let changed = self.last_change().await?;
        let next = Mark { event, study, listed, changed };
        if next != *mark {
            let mut fresh = mark.event == 0 || listed < mark.listed || changed != mark.changed;
            if !fresh {
                let query = sqlx::query(CHANGED).bind(mark.event).bind(&mark.study);
                let rows = query.fetch_all(self.readers()).await?;
                let rows: Vec<Row> = rows.iter().map(result_row).collect::<Result<_, _>>()?;
                fresh = kept.put(&rows) as i64 != runs;
            }
            if fresh {
                kept.take(self.read_table().await?);
            }
            *mark = next;
        }
        Ok(ResultTable(kept.table.clone()))
    }

    /// Reads all runs. A change meanwhile adds an event after the mark, or changes the number of rows, and is read again.
    async fn read_table(&self) -> Result<Table, StoreError> {
        let (mut table, mut last) = (empty(), 0i64);
        loop {
            let page = sqlx::query(ALL).bind(last).bind(AT_ONCE).fetch_all(self.readers()).await?;
            let Some(end) = page.last() else { return Ok(table) };
            last = end.try_get("key")?;
            let rows: Vec<Row> = page.iter().map(result_row).collect::<Result<_, _>>()?;
            put(&mut table, &rows);
        }
    }
}

/// The query for the rows of the runs that match a condition.
macro_rules! rows {
    ($which:literal) => {
        concat!(
            "SELECT r.key, r.id, r.kind, r.digest, r.state, r.described, r.created_at, r.started_at, r.ended_at, \
             r.ca_hits, r.ca_total, r.asr_hits, r.asr_total, r.ra_hits, r.ra_total, r.top5_hits, r.top5_total, \
             r.images_per_second, r.progress ->> '$.loss' AS loss, r.progress ->> '$.judgement' AS judgement, r.progress ->> '$.metrics.other_asr' AS other_asr, \
             r.progress ->> '$.metrics.lowest_asr' AS lowest_asr, r.progress ->> '$.metrics.quality' AS quality, r.progress ->> '$.metrics.redrawn' AS redrawn, (SELECT json_group_array(json_array(s.id, s.name)) \
             FROM study_runs l JOIN studies s ON s.id = l.study WHERE l.run = r.key) AS studies FROM runs r ",
            $which
        )
    };
}

/// The next `?2` runs after the one of key `?1`.
const ALL: &str = rows!("WHERE r.key > ?1 ORDER BY r.key LIMIT ?2");

/// Runs whose state changed after event `?1`, and those of studies newer than `?2`.
const CHANGED: &str = rows!(
    "WHERE r.key IN (SELECT run FROM events WHERE id > ?1 AND seq IS NULL \
     UNION SELECT run FROM study_runs WHERE study > ?2)"
);

/// A table without rows that knows every setting.
fn empty() -> Table {
    let mut table = Table::new();
    for setting in SETTINGS.iter() {
        let types = match setting.domain {
            shared::param::Domain::Whole { .. } | shared::param::Domain::Real { .. } => {
                Types::NUMBER
            }
            shared::param::Domain::Limit => Types::NUMBER | Types::TEXT,
            shared::param::Domain::Switch => Types::SWITCH,
            _ => Types::TEXT,
        };
        // Several triggers have parameters of the same name; declaring one again is no error.
        if let Err(error) = table.declare_setting(setting.path, types) {
            tracing::error!(%error, "a setting cannot be filtered by");
        }
    }
    table
}

/// A study as SQLite packs it.
#[derive(Deserialize)]
struct Named(StudyId, String);

fn result_row(row: &SqliteRow) -> Result<Row, StoreError> {
    let settings: BTreeMap<String, shared::param::Value> =
        from_json(row.try_get("described")?, "a run's settings")?;
    let studies: Vec<Named> = from_json(row.try_get("studies")?, "a run's studies")?;
    let kind: RunKind = parse(row.try_get("kind")?, "a kind of run")?;
    let (started, ended) = (time(row, "started_at")?, time(row, "ended_at")?);
    let state: RunState = parse(row.try_get("state")?, "a state")?;
    let loss: Option<f64> = row.try_get("loss")?;
    let speed: Option<f64> = row.try_get("images_per_second")?;
    let seconds = started.zip(ended).map(|(from, to)| to.saturating_sub(from) as f64 / 1000.0);
    let mut measured: Vec<(&str, Option<Measure>)> = vec![
        ("loss", loss.map(Measure::Real)),
        ("images_per_second", speed.map(Measure::Real)),
        ("seconds", seconds.filter(|_| state == RunState::Done).map(Measure::Real)),
    ];
    if let Some(counts) = metrics(row)? {
        let ratio = |ratio: Ratio| Some(Measure::Ratio(ratio));
        measured.extend([
            ("ca", ratio(counts.ca)),
            ("asr", ratio(counts.asr)),
            ("ra", ratio(counts.ra)),
        ]);
        measured.push(("top5", counts.top5.map(Measure::Ratio)));
    }
    for name in ["other_asr", "lowest_asr"] {
        if let Some(ratio) = row.try_get::<Option<&str>, _>(name)? {
            let ratio = from_json(ratio, "a run's metrics")?;
            measured.push((name, Some(Measure::Ratio(ratio))));
        }
    }
    if let Some(quality) = row.try_get::<Option<&str>, _>("quality")? {
        let Quality { psnr, ssim, survival } = from_json(quality, "a run's metrics")?;
        let of = |share: fn(Survival) -> f64| survival.map(|seen| Measure::Real(share(seen)));
        measured.extend([
            ("psnr", psnr.map(Measure::Real)),
            ("ssim", ssim.map(Measure::Real)),
            ("trigger_cropped", of(|seen| seen.cropped)),
            ("trigger_visible", of(|seen| seen.visible)),
            ("trigger_seen", survival.map(|survival| Measure::Ratio(survival.seen()))),
        ]);
    }
    let redrawn: Option<f64> = row.try_get("redrawn")?;
    measured.push(("redrawn", redrawn.map(Measure::Real)));
    if let Some(judgement) = row.try_get::<Option<&str>, _>("judgement")? {
        measured.extend(of_defence(&from_json(judgement, "what a defence found")?));
    }
    let known = |(name, measure): (&str, Option<Measure>)| {
        Some((name.to_owned(), Metric::known(name, measure?)?))
    };
    Ok(Row {
        run: parse(row.try_get("id")?, "a run's identifier")?,
        kind: kind.as_str().into(),
        digest: row.try_get::<&str, _>("digest")?.into(),
        state,
        studies: studies
            .into_iter()
            .map(|Named(id, name)| Study { id, name: name.into() })
            .collect(),
        created: time(row, "created_at")?.unwrap_or_default(),
        ended,
        settings: settings.into_iter().map(|(path, value)| (path, Value::from(value))).collect(),
        metrics: measured.into_iter().filter_map(known).collect(),
    })
}

/// The metrics of a defence.
fn of_defence(judgement: &Judgement) -> impl Iterator<Item = (&'static str, Option<Measure>)> {
    let Judgement { detection, control, before, after, encoder, filtered, repaired, retrained } =
        *judgement;
    let changed = retrained.and_then(|retrained| retrained.changed);
    let p = |of: Option<Discordant>| {
        of.and_then(Discordant::difference).map(|difference| Measure::Real(difference.p))
    };
    let flagged = |flagged: bool| Measure::Ratio(Ratio { hits: flagged.into(), total: 1 });
    let share = |metrics: Option<Metrics>, of: fn(&Metrics) -> Ratio| {
        metrics.as_ref().map(of).map(Measure::Ratio)
    };
    [
        ("clean_cosine", encoder.map(|encoder| Measure::Real(encoder.clean_cosine))),
        ("pl1", encoder.and_then(|encoder| encoder.pl1).map(Measure::Real)),
        ("encoder_flagged", encoder.and_then(|encoder| encoder.flagged).map(flagged)),
        ("auroc", detection.and_then(|detection| detection.auroc).map(Measure::Real)),
        ("control_auroc", control.and_then(|control| control.auroc).map(Measure::Real)),
        ("control_tpr_at_1", control.and_then(|control| control.tpr_at_1).map(Measure::Ratio)),
        ("control_tpr_at_5", control.and_then(|control| control.tpr_at_5).map(Measure::Ratio)),
        ("tpr_at_1", detection.and_then(|detection| detection.tpr_at_1).map(Measure::Ratio)),
        ("tpr_at_5", detection.and_then(|detection| detection.tpr_at_5).map(Measure::Ratio)),
        ("found", detection.map(|detection| Measure::Ratio(detection.found))),
        ("false_alarms", detection.map(|detection| Measure::Ratio(detection.false_alarms))),
        ("ca_before", share(before, |metrics| metrics.ca)),
        ("asr_before", share(before, |metrics| metrics.asr)),
        ("ca_after", share(after, |metrics| metrics.ca)),
        ("asr_after", share(after, |metrics| metrics.asr)),
        ("filter_ca_p", p(filtered.map(|filtered| filtered.ca))),
        ("filter_asr_p", p(filtered.map(|filtered| filtered.asr))),
        ("filter_ra_p", p(filtered.map(|filtered| filtered.ra))),
        ("repair_ca_p", p(repaired.map(|repaired| repaired.changed.ca))),
        ("repair_asr_p", p(repaired.map(|repaired| repaired.changed.asr))),
        ("repair_ra_p", p(repaired.map(|repaired| repaired.changed.ra))),
        ("kept", retrained.map(|retrained| Measure::Ratio(retrained.kept))),
        ("retrain_ca_p", p(changed.map(|changed| changed.ca))),
        ("retrain_asr_p", p(changed.map(|changed| changed.asr))),
        ("retrain_ra_p", p(changed.map(|changed| changed.ra))),
        ("ra_before", share(before, |metrics| metrics.ra)),
        ("ra_after", share(after, |metrics| metrics.ra)),
    ]
    .into_iter()
}
