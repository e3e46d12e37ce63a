//! From a row of `runs` to a [`RunRow`].

use shared::{
    Phase, Ratio,
    api::RunRow,
    metric::Metrics,
    run::{RunPoint, RunState},
    study::{HeadInit, ProbeOptimizer},
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{StoreError, studies::from_json};

/// The columns that [`run_row`] reads, in its order; `progress` stands behind them.
pub(super) const COLUMNS: &str = "id, study, study_name, dataset, trigger_label, trigger_kind, strength, optimizer, \
     head_init, phase, ppr, lpr, seed, scratch, parent, state, ca_hits, ca_total, asr_hits, asr_total, ra_hits, ra_total, \
     top5_hits, top5_total, created_at, started_at, ended_at, error";

/// A run from [`COLUMNS`] and `progress`.
pub(super) fn run_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let parent: Option<&str> = row.try_get(14)?;
    let progress: &str = row.try_get(28)?;
    Ok(RunRow {
        id: parse(row.try_get(0)?, "a run's identifier")?,
        study: parse(row.try_get(1)?, "a study's identifier")?,
        study_name: row.try_get(2)?,
        dataset: row.try_get(3)?,
        trigger: row.try_get(4)?,
        trigger_kind: row.try_get(5)?,
        strength: row.try_get(6)?,
        optimizer: named(&ProbeOptimizer::ALL, ProbeOptimizer::as_str, row.try_get(7)?)?,
        head_init: named(&HeadInit::ALL, HeadInit::as_str, row.try_get(8)?)?,
        point: point(row, 9)?,
        parent: parent.map(|id| parse(id, "a run's identifier")).transpose()?,
        state: parse::<RunState>(row.try_get(15)?, "a state")?,
        progress: from_json(progress, "a run's progress")?,
        metrics: metrics(row, 16)?,
        created_at: time(row, 24)?.unwrap_or_default(),
        started_at: time(row, 25)?,
        ended_at: time(row, 26)?,
        error: row.try_get(27)?,
    })
}

/// Phase, PPR, LPR, seed and scratch from column `at` on.
pub(super) fn point(row: &SqliteRow, at: usize) -> Result<RunPoint, StoreError> {
    Ok(RunPoint {
        phase: parse::<Phase>(row.try_get(at)?, "a phase")?,
        ppr: row.try_get(at + 1)?,
        lpr: row.try_get(at + 2)?,
        seed: row.try_get::<i64, _>(at + 3)? as u64,
        scratch: row.try_get(at + 4)?,
    })
}

/// The eight counts from column `at` on; `None` when a run has no result.
pub(super) fn metrics(row: &SqliteRow, at: usize) -> Result<Option<Metrics>, StoreError> {
    let ratio = |at: usize| -> Result<Option<Ratio>, StoreError> {
        let hits: Option<u32> = row.try_get(at)?;
        let total: Option<u32> = row.try_get(at + 1)?;
        Ok(hits.zip(total).map(|(hits, total)| Ratio { hits, total }))
    };
    let (ca, asr, ra, top5) = (ratio(at)?, ratio(at + 2)?, ratio(at + 4)?, ratio(at + 6)?);
    Ok(ca.zip(asr).zip(ra).map(|((ca, asr), ra)| Metrics { ca, asr, ra, top5 }))
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

/// The one of `all` that a specification calls `name`.
fn named<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, name: &str) -> Result<T, StoreError> {
    all.iter()
        .copied()
        .find(|&one| name_of(one) == name)
        .ok_or_else(|| StoreError::corrupt("a run's recipe")(&name))
}
