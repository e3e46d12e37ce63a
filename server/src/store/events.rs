//! Events: take in exactly once, read by run, read as one stream over all runs.

use shared::{Progress, RunEvent, RunId, RunState, Stamped, StudyId, api::LiveEvent};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::{
    Store, StoreError,
    queue::RunningRun,
    row::{parse, stored},
    state::move_state,
    studies::{from_json, to_json},
};

/// Maximum number of events that one read of the stream scans, so that no query takes long.
const SCANNED: i64 = 20_000;

/// A part of the stream of all events.
#[derive(Clone, Debug, PartialEq)]
pub struct LivePage {
    /// The events with their global numbers.
    pub events: Vec<(i64, LiveEvent)>,
    /// Where to continue: all events up to this number have been scanned.
    pub last: i64,
}

impl Store {
    /// Takes in new events of a running run: events, position in the file, progress, result and state change in one
    /// transaction. `to_bytes` is the position in the event file after the last of them.
    ///
    /// Returns the run's state afterwards; `None` if nothing was taken in, because the run is no longer running, is in
    /// another attempt, or more of its file was taken in meanwhile.
    ///
    /// # Errors
    /// When the query fails; nothing is stored then.
    pub async fn take_in(
        &self,
        run: &RunningRun,
        events: &[Stamped],
        to_bytes: u64,
        at: u64,
    ) -> Result<Option<RunState>, StoreError> {
        let mut progress = run.progress.clone();
        for stamped in events {
            progress.apply(stamped);
        }
        let mut tx = self.write().await?;
        let claimed = sqlx::query(
            "UPDATE runs SET taken_bytes = ?, taken_seq = ?, progress = ?, images_per_second = ? \
             WHERE key = ? AND attempt = ? AND taken_bytes = ? AND taken_seq = ? AND state = 'running'",
        )
        .bind(stored(to_bytes))
        .bind(stored(progress.seq))
        .bind(to_json(&progress)?)
        .bind(progress.images_per_second)
        .bind(run.key)
        .bind(run.attempt)
        .bind(stored(run.taken_bytes))
        .bind(stored(run.progress.seq))
        .execute(&mut *tx)
        .await?;
        if claimed.rows_affected() == 0 {
            return Ok(None);
        }
        let mut state = RunState::Running;
        for stamped in events {
            state = match &stamped.event {
                RunEvent::Finished { .. } => RunState::Done,
                RunEvent::Failed { .. } => RunState::Failed,
                _ => state,
            };
            insert(&mut tx, run.key, state, stamped).await?;
        }
        if state == RunState::Done {
            set_result(&mut tx, run.key, &progress).await?;
        }
        if state != RunState::Running {
            move_state(&mut tx, run.key, state, progress.error.as_deref(), at).await?;
        }
        self.commit(tx).await?;
        Ok(Some(state))
    }

    /// Events of a run after position `after`, at most `limit`. Only those of `kinds`, or all if it is empty.
    ///
    /// # Errors
    /// When there is no such run, or the query fails.
    pub async fn run_events(
        &self,
        run: RunId,
        after: u64,
        limit: u32,
        kinds: &[String],
    ) -> Result<Vec<Stamped>, StoreError> {
        let key: i64 = sqlx::query_scalar("SELECT key FROM runs WHERE id = ?")
            .bind(run.to_string())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("run", &run))?;
        let mut sql = QueryBuilder::<Sqlite>::new("SELECT seq, at, body FROM events WHERE run = ");
        sql.push_bind(key).push(" AND seq > ").push_bind(stored(after));
        if !kinds.is_empty() {
            sql.push(" AND kind IN (SELECT value FROM json_each(");
            sql.push_bind(to_json(&kinds)?).push("))");
        }
        sql.push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(Stamped {
                    seq: row.try_get(0)?,
                    at: row.try_get(1)?,
                    event: from_json(row.try_get(2)?, "an event")?,
                })
            })
            .collect()
    }

    /// Events of all runs, or of one study's, after the global number `after`, at most `limit`. Events are numbered from 1, so a
    /// smaller number means the beginning.
    ///
    /// A page can be empty although more follows, because the events of other studies are skipped: continue after
    /// [`LivePage::last`] until that is the number of the last event ([`Store::news`]).
    ///
    /// # Errors
    /// When the query fails.
    pub async fn events_after(
        &self,
        after: i64,
        study: Option<StudyId>,
        limit: u32,
    ) -> Result<LivePage, StoreError> {
        let mut tx = self.readers().begin().await?;
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM events")
            .fetch_one(&mut *tx)
            .await?;
        let after = after.max(0);
        let end = after.saturating_add(SCANNED).min(newest).max(after);
        let mut sql = QueryBuilder::<Sqlite>::new(
            "SELECT e.id, r.id, e.state, e.seq, e.at, e.body FROM events e JOIN runs r ON r.key = e.run WHERE e.id > ",
        );
        sql.push_bind(after).push(" AND e.id <= ").push_bind(end);
        if let Some(study) = study {
            // A subquery for the few new events; the reverse would be slow.
            sql.push(" AND EXISTS (SELECT 1 FROM study_runs l WHERE l.run = e.run AND l.study = ")
                .push_bind(study.to_string())
                .push(")");
        }
        sql.push(" ORDER BY e.id LIMIT ").push_bind(i64::from(limit));
        let rows = sql.build().fetch_all(&mut *tx).await?;
        let events = rows.iter().map(live_event).collect::<Result<Vec<_>, _>>()?;
        let last = match events.last() {
            Some(&(id, _)) if events.len() == limit as usize => id,
            _ => end,
        };
        Ok(LivePage { events, last })
    }
}

fn live_event(row: &sqlx::sqlite::SqliteRow) -> Result<(i64, LiveEvent), StoreError> {
    let seq: Option<u64> = row.try_get(3)?;
    let body: Option<&str> = row.try_get(5)?;
    let at: u64 = row.try_get(4)?;
    let stamped = match seq.zip(body) {
        Some((seq, body)) => Some(Stamped { seq, at, event: from_json(body, "an event")? }),
        None => None,
    };
    let live = LiveEvent {
        run: parse(row.try_get(1)?, "a run's identifier")?,
        state: parse(row.try_get(2)?, "a state")?,
        stamped,
    };
    Ok((row.try_get(0)?, live))
}

async fn insert(
    tx: &mut SqliteConnection,
    key: i64,
    state: RunState,
    stamped: &Stamped,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (run, seq, at, kind, state, body) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(key)
        .bind(stored(stamped.seq))
        .bind(stored(stamped.at))
        .bind(stamped.event.kind())
        .bind(state.as_str())
        .bind(to_json(&stamped.event)?)
        .execute(tx)
        .await?;
    Ok(())
}

async fn set_result(
    tx: &mut SqliteConnection,
    key: i64,
    progress: &Progress,
) -> Result<(), StoreError> {
    let Some(metrics) = progress.metrics else { return Ok(()) };
    sqlx::query(
        "UPDATE runs SET ca_hits = ?, ca_total = ?, asr_hits = ?, asr_total = ?, ra_hits = ?, ra_total = ?, \
         top5_hits = ?, top5_total = ? WHERE key = ?",
    )
    .bind(metrics.ca.hits)
    .bind(metrics.ca.total)
    .bind(metrics.asr.hits)
    .bind(metrics.asr.total)
    .bind(metrics.ra.hits)
    .bind(metrics.ra.total)
    .bind(metrics.top5.map(|top5| top5.hits))
    .bind(metrics.top5.map(|top5| top5.total))
    .bind(key)
    .execute(tx)
    .await?;
    Ok(())
}
