//! From a row of `runs` to a [`RunRow`].

use shared::{
    Phase, Progress, Ratio,
    api::RunRow,
    metric::Metrics,
    run::{RunPoint, RunState},
    study::ProbeOptimizer,
};
use sqlx::{Row, sqlite::SqliteRow};

use super::StoreError;

/// The columns that [`slim_row`] reads, in its order; [`run_row`] wants `progress` behind them.
pub(super) const COLUMNS: &str = "id, study, study_name, dataset, trigger_label, trigger_kind, strength, optimizer, \
     phase, ppr, lpr, seed, parent, state, ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total, epochs, \
     images_per_second, created_at, started_at, ended_at, error, taken_seq";

/// A run with its progress, which stands behind [`COLUMNS`].
pub(super) fn run_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let text: &str = row.try_get(27)?;
    let progress = serde_json::from_str(text)
        .map_err(|error| StoreError::corrupt("a run's progress")(&error))?;
    Ok(RunRow { progress, ..slim_row(row)? })
}

/// A run of which only the end of its progress is told: enough for figures, and far cheaper for thousands of rows.
pub(super) fn slim_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let state: RunState = parse(row.try_get(13)?, "a state")?;
    let metrics = metrics(row, 14)?;
    let epochs: u32 = row.try_get(20)?;
    let finished = state == RunState::Done;
    let progress = Progress {
        seq: row.try_get::<i64, _>(26)? as u64,
        epochs,
        epoch: if finished { f64::from(epochs) } else { 0.0 },
        images_per_second: row.try_get(21)?,
        metrics,
        finished,
        ..Progress::default()
    };
    let parent: Option<&str> = row.try_get(12)?;
    Ok(RunRow {
        id: parse(row.try_get(0)?, "a run's identifier")?,
        study: parse(row.try_get(1)?, "a study's identifier")?,
        study_name: row.try_get(2)?,
        dataset: row.try_get(3)?,
        trigger: row.try_get(4)?,
        trigger_kind: row.try_get(5)?,
        strength: row.try_get(6)?,
        optimizer: optimizer(row.try_get(7)?)?,
        point: point(row, 8)?,
        parent: parent.map(|id| parse(id, "a run's identifier")).transpose()?,
        state,
        progress,
        metrics,
        created_at: time(row, 22)?.unwrap_or_default(),
        started_at: time(row, 23)?,
        ended_at: time(row, 24)?,
        error: row.try_get(25)?,
    })
}

/// Phase, PPR, LPR and seed from column `at` on.
pub(super) fn point(row: &SqliteRow, at: usize) -> Result<RunPoint, StoreError> {
    Ok(RunPoint {
        phase: parse::<Phase>(row.try_get(at)?, "a phase")?,
        ppr: row.try_get(at + 1)?,
        lpr: row.try_get(at + 2)?,
        seed: row.try_get::<i64, _>(at + 3)? as u64,
    })
}

/// The six counts from column `at` on; `None` when a run has no result.
pub(super) fn metrics(row: &SqliteRow, at: usize) -> Result<Option<Metrics>, StoreError> {
    let ratio = |at: usize| -> Result<Option<Ratio>, StoreError> {
        let hits: Option<u32> = row.try_get(at)?;
        let total: Option<u32> = row.try_get(at + 1)?;
        Ok(hits.zip(total).map(|(hits, total)| Ratio { hits, total }))
    };
    let (ca, asr, ra) = (ratio(at)?, ratio(at + 2)?, ratio(at + 4)?);
    Ok(ca.zip(asr).zip(ra).map(|((ca, asr), ra)| Metrics { ca, asr, ra }))
}

/// A time in Unix milliseconds.
pub(super) fn time(row: &SqliteRow, at: usize) -> Result<Option<u64>, StoreError> {
    Ok(row.try_get::<Option<i64>, _>(at)?.map(|time| time as u64))
}

/// Reads a value from its text.
pub(super) fn parse<T>(text: &str, what: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| StoreError::corrupt(what)(&error))
}

/// An optimiser's name in the store, the same as in a specification.
pub(super) fn optimizer_name(optimizer: ProbeOptimizer) -> &'static str {
    match optimizer {
        ProbeOptimizer::Lars => "lars",
        ProbeOptimizer::AdamW => "adamw",
    }
}

fn optimizer(name: &str) -> Result<ProbeOptimizer, StoreError> {
    [ProbeOptimizer::Lars, ProbeOptimizer::AdamW]
        .into_iter()
        .find(|&optimizer| optimizer_name(optimizer) == name)
        .ok_or_else(|| StoreError::corrupt("an optimiser")(&name))
}
