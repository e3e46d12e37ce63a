//! Converts rows of `runs` to [`RunRow`]s.

use shared::{
    Digest, Ratio,
    api::{RunRow, Tidied},
    metric::Metrics,
    run::{RunPoint, RunState},
    run_kind::RunKind,
    settings::{HeadInit, ProbeOptimizer},
};
use sqlx::{Row, sqlite::SqliteRow};

use super::{StoreError, studies::from_json};

/// The columns that [`run_row`] reads, of `runs r` listed as `study_runs l` under `studies s`.
pub(super) const COLUMNS: &str = "r.id, r.digest, l.study, s.name AS study_name, r.dataset, r.trigger_label, r.trigger_kind, \
     r.strength, r.optimizer, r.head_init, r.kind, r.ppr, r.lpr, r.seed, r.scratch, r.implanted, r.repairs, l.varied, l.reused, \
     (SELECT p.id FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND i.role = 'start') AS parent, \
     (SELECT p.id FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND i.role = 'restorer') AS restorer, r.state, \
     r.ca_hits, r.ca_total, r.asr_hits, r.asr_total, r.ra_hits, r.ra_total, r.top5_hits, r.top5_total, r.created_at, \
     r.started_at, r.ended_at, r.error, r.progress, r.device, r.wish, r.held, \
     (SELECT t.at FROM tidied t WHERE t.run = r.key) AS tidied_at, (SELECT t.kept_last FROM tidied t WHERE t.run = r.key) AS kept_last";

/// The source of [`COLUMNS`] when each run is shown under its own study.
pub(super) const UNDER_OWN_STUDY: &str = "runs r JOIN study_runs l ON l.run = r.key AND l.study = r.study JOIN studies s ON s.id = r.study";

/// A run from [`COLUMNS`].
pub(super) fn run_row(row: &SqliteRow) -> Result<RunRow, StoreError> {
    let parent: Option<&str> = row.try_get("parent")?;
    let restorer: Option<&str> = row.try_get("restorer")?;
    let optimizer: Option<&str> = row.try_get("optimizer")?;
    let head_init: Option<&str> = row.try_get("head_init")?;
    Ok(RunRow {
        id: parse(row.try_get("id")?, "a run's identifier")?,
        digest: Digest::stored(row.try_get::<&str, _>("digest")?),
        study: parse(row.try_get("study")?, "a study's identifier")?,
        study_name: row.try_get("study_name")?,
        dataset: row.try_get("dataset")?,
        trigger: row.try_get("trigger_label")?,
        trigger_kind: row.try_get("trigger_kind")?,
        strength: row.try_get("strength")?,
        optimizer: named(&ProbeOptimizer::ALL, ProbeOptimizer::as_str, optimizer)?,
        head_init: named(&HeadInit::ALL, HeadInit::as_str, head_init)?,
        point: point(row)?,
        varied: from_json(row.try_get("varied")?, "varied settings")?,
        reused: row.try_get("reused")?,
        parent: parent.map(|id| parse(id, "a run's identifier")).transpose()?,
        restorer: restorer.map(|id| parse(id, "a run's identifier")).transpose()?,
        state: parse::<RunState>(row.try_get("state")?, "a state")?,
        progress: from_json(row.try_get("progress")?, "a run's progress")?,
        metrics: metrics(row)?,
        created_at: time(row, "created_at")?.unwrap_or_default(),
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
        error: row.try_get("error")?,
        paused: None,
        job: None,
        wish: parse(row.try_get("wish")?, "the device that a run asks for")?,
        held: row.try_get("held")?,
        waits: None,
        tidied: tidied(row)?,
        device: row.try_get("device")?,
    })
}

/// Whether a run's checkpoints were removed.
fn tidied(row: &SqliteRow) -> Result<Option<Tidied>, StoreError> {
    let kept_last: Option<bool> = row.try_get("kept_last")?;
    Ok(time(row, "tidied_at")?.zip(kept_last).map(|(at, kept_last)| Tidied { at, kept_last }))
}

/// Kind, poisons and seed.
pub(super) fn point(row: &SqliteRow) -> Result<RunPoint, StoreError> {
    Ok(RunPoint {
        kind: parse::<RunKind>(row.try_get("kind")?, "a kind of run")?,
        ppr: row.try_get("ppr")?,
        lpr: row.try_get("lpr")?,
        seed: row.try_get::<i64, _>("seed")?.cast_unsigned(),
        scratch: row.try_get("scratch")?,
        implanted: row.try_get("implanted")?,
        repairs: row.try_get("repairs")?,
    })
}

/// The counts of a classifier; `None` when a run has no result.
pub(super) fn metrics(row: &SqliteRow) -> Result<Option<Metrics>, StoreError> {
    let ratio = |hits: &str, total: &str| -> Result<Option<Ratio>, StoreError> {
        let hits: Option<u32> = row.try_get(hits)?;
        let total: Option<u32> = row.try_get(total)?;
        Ok(hits.zip(total).map(|(hits, total)| Ratio { hits, total }))
    };
    let (ca, asr) = (ratio("ca_hits", "ca_total")?, ratio("asr_hits", "asr_total")?);
    let (ra, top5) = (ratio("ra_hits", "ra_total")?, ratio("top5_hits", "top5_total")?);
    Ok(ca.zip(asr).zip(ra).map(|((ca, asr), ra)| Metrics {
        ca,
        asr,
        ra,
        top5,
        ..Metrics::default()
    }))
}

/// A time in Unix milliseconds.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Option<u64>, StoreError> {
    Ok(row.try_get(column)?)
}

/// A count, place or time as `SQLite` holds it. One beyond the largest number there is the largest: no row has that place.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Parses a value.
pub(super) fn parse<T>(text: &str, what: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.parse().map_err(|error| StoreError::corrupt(what)(&error))
}

/// The one of `all` that a specification calls `name`.
fn named<T: Copy>(
    all: &[T],
    name_of: fn(T) -> &'static str,
    name: Option<&str>,
) -> Result<Option<T>, StoreError> {
    let Some(name) = name else { return Ok(None) };
    let known = all.iter().copied().find(|&one| name_of(one) == name);
    known.map_or_else(|| Err(StoreError::corrupt("a run's recipe")(&name)), |one| Ok(Some(one)))
}
