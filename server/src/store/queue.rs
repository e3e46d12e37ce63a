//! The queue: what trains, what is next; start, end, cancel, queue again. States change in `state.rs`.

use shared::{DeviceWish, Digest, Progress, RunId, RunKind, RunState, Settings, StudyId};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::{
    Store, StoreError,
    row::{parse, stored},
    state::{DESCENDANTS, end_without_input, move_state, state_event},
    studies::{from_json, to_json},
};

/// A run in state running, according to the store.
#[derive(Clone, Debug)]
pub struct RunningRun {
    /// Its key in the store.
    pub key: i64,
    /// Identifier.
    pub run: RunId,
    /// Its folder below the data folder.
    pub folder: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Whether it is to be cancelled.
    pub cancel: bool,
    /// The device that the queue assigned to it.
    pub device: Option<String>,
    /// The executor's handle.
    pub handle: Option<String>,
    /// Number of bytes of the event file that were taken in.
    pub taken_bytes: u64,
    /// The fold over the events that were taken in.
    pub progress: Progress,
}

/// A queued run that is ready to start.
#[derive(Clone, Debug)]
pub struct ReadyRun {
    /// Its key in the store.
    pub key: i64,
    /// Identifier.
    pub run: RunId,
    /// Digest of everything that determines its result.
    pub digest: Digest,
    /// Its folder below the data folder.
    pub folder: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// What it does.
    pub kind: RunKind,
    /// Its settings.
    pub settings: Settings,
    /// Folder of the run that it starts from.
    pub start: Option<String>,
    /// Folder of the run whose autoencoder restores what a defence hides.
    pub restorer: Option<String>,
    /// The executor's handles of those of the runs that it needs that are not finished yet.
    pub after: Vec<String>,
    /// The device that it asks for.
    pub wish: DeviceWish,
}

/// A run that runs or waits, for an estimate of its time.
#[derive(Clone, Debug)]
pub struct UnfinishedRun {
    /// What it does.
    pub kind: RunKind,
    /// Its settings.
    pub settings: Settings,
    /// Key of the run that it starts from.
    pub start: Option<i64>,
    /// The device that it asks for.
    pub wish: DeviceWish,
    /// How far it is.
    pub progress: Progress,
}

impl Store {
    /// The runs that run or wait, in no order.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn unfinished(&self) -> Result<Vec<UnfinishedRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, settings, (SELECT i.input FROM run_inputs i WHERE i.run = r.key AND i.role = 'start'), wish, \
             progress FROM runs r WHERE state IN ('running', 'queued')",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(UnfinishedRun {
                    kind: parse(row.try_get(0)?, "a kind of run")?,
                    settings: from_json(row.try_get(1)?, "a run's settings")?,
                    start: row.try_get(2)?,
                    wish: parse(row.try_get(3)?, "the device that a run asks for")?,
                    progress: from_json(row.try_get(4)?, "a run's progress")?,
                })
            })
            .collect()
    }

    /// All running runs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn running(&self) -> Result<Vec<RunningRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, id, folder, attempt, cancel, taken_bytes, progress, device, handle FROM runs WHERE state = 'running' \
             ORDER BY queued_at, key",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(RunningRun {
                    key: row.try_get(0)?,
                    run: parse(row.try_get(1)?, "a run's identifier")?,
                    folder: row.try_get(2)?,
                    attempt: row.try_get(3)?,
                    cancel: row.try_get(4)?,
                    taken_bytes: row.try_get(5)?,
                    progress: from_json(row.try_get(6)?, "a run's progress")?,
                    device: row.try_get(7)?,
                    handle: row.try_get(8)?,
                })
            })
            .collect()
    }

    /// The first queued run whose inputs are all done, among those that ask for none of the devices in `unmet`.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn next_ready(&self, unmet: &[DeviceWish]) -> Result<Option<ReadyRun>, StoreError> {
        self.next(unmet, None, None).await
    }

    /// Like [`next_ready`](Self::next_ready), of the runs that ask for the server's machine.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn next_here(&self) -> Result<Option<ReadyRun>, StoreError> {
        self.next(&[], Some(DeviceWish::Here), None).await
    }

    /// The first queued run whose inputs are all done, or are with an executor that starts it after them: their handles begin with
    /// `handles`. Not one that asks for the server's machine.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn next_ahead(&self, handles: &str) -> Result<Option<ReadyRun>, StoreError> {
        self.next(&[DeviceWish::Here], None, Some(handles)).await
    }

    async fn next(
        &self,
        unmet: &[DeviceWish],
        only: Option<DeviceWish>,
        ahead: Option<&str>,
    ) -> Result<Option<ReadyRun>, StoreError> {
        let row = sqlx::query(
            "SELECT key, id, digest, folder, attempt, kind, settings, wish, \
             (SELECT p.folder FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND i.role = 'start'), \
             (SELECT p.folder FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND i.role = 'restorer'), \
             (SELECT json_group_array(p.handle) \
             FROM run_inputs i JOIN runs p ON p.key = i.input WHERE i.run = r.key AND p.state = 'running') FROM runs r WHERE state = 'queued' \
             AND held = 0 AND NOT EXISTS (SELECT 1 FROM queue WHERE paused = 1) \
             AND wish NOT IN (SELECT value FROM json_each(?1)) AND NOT EXISTS (SELECT 1 FROM run_inputs i JOIN runs p ON p.key = i.input \
             WHERE i.run = r.key AND p.state <> 'done' AND NOT (p.state = 'running' AND p.cancel = 0 AND coalesce(substr(p.handle, 1, length(?2)) = ?2, 0))) \
             AND (?3 IS NULL OR wish = ?3) \
             ORDER BY place, queued_at, key LIMIT 1",
        )
        .bind(to_json(&unmet)?)
        .bind(ahead)
        .bind(only.map(|wish| wish.to_string()))
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ReadyRun {
            key: row.try_get(0)?,
            run: parse(row.try_get(1)?, "a run's identifier")?,
            digest: Digest::stored(row.try_get::<&str, _>(2)?),
            folder: row.try_get(3)?,
            attempt: row.try_get(4)?,
            kind: parse(row.try_get(5)?, "a kind of run")?,
            settings: from_json(row.try_get(6)?, "a run's settings")?,
            wish: parse(row.try_get(7)?, "the device that a run asks for")?,
            start: row.try_get(8)?,
            restorer: row.try_get(9)?,
            after: from_json(row.try_get(10)?, "a run's inputs")?,
        }))
    }

    /// Marks a queued run as running on a device. `false` when it is no longer queued.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn start_run(&self, key: i64, device: &str, at: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let moved = move_state(&mut tx, key, RunState::Running, None, at).await?;
        if moved {
            sqlx::query("UPDATE runs SET device = ?, handle = NULL WHERE key = ?")
                .bind(device)
                .bind(key)
                .execute(&mut *tx)
                .await?;
        }
        self.commit(tx).await?;
        Ok(moved)
    }

    /// Stores the executor's handle of a run that it started.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn note_handle(&self, key: i64, handle: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE runs SET handle = ? WHERE key = ?")
            .bind(handle)
            .bind(key)
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await
    }

    /// Queues a run again whose worker could not be started, so that it was never running: as the first, which it was. If a run that it starts from has ended
    /// meanwhile without a result, it ends as well. `false` if it is to be cancelled, or is not marked as running.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn put_back(&self, key: i64, at: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let queued = sqlx::query(
            "UPDATE runs SET state = 'queued', started_at = NULL, device = NULL, handle = NULL, \
             place = (SELECT coalesce(min(place), 0) - 1 FROM runs WHERE state = 'queued') \
             WHERE key = ? AND state = 'running' AND cancel = 0 AND taken_seq = 0",
        )
        .bind(key)
        .execute(&mut *tx)
        .await?;
        let is_queued = queued.rows_affected() > 0;
        if is_queued {
            state_event(&mut tx, key, RunState::Queued, at).await?;
            end_without_input(&mut tx, key, at).await?;
        }
        self.commit(tx).await?;
        Ok(is_queued)
    }

    /// Interrupts a running run for this reason and queues it again at once. `false` if it is to be cancelled, or its state does not
    /// allow it.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn go_on(&self, key: i64, why: &str, at: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let wanted =
            sqlx::query("SELECT 1 FROM runs WHERE key = ? AND state = 'running' AND cancel = 0")
                .bind(key)
                .fetch_optional(&mut *tx)
                .await?
                .is_some();
        let goes_on =
            wanted && move_state(&mut tx, key, RunState::Interrupted, Some(why), at).await?;
        if goes_on {
            requeue(&mut tx, key, at).await?;
        }
        self.commit(tx).await?;
        Ok(goes_on)
    }

    /// Ends a run that did not finish, as failed, interrupted or cancelled, with the reason. The queued runs that start from it end,
    /// too. `false` if the run's state does not allow it, for example because it has ended meanwhile.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn end_run(
        &self,
        key: i64,
        state: RunState,
        error: Option<&str>,
        at: u64,
    ) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let moved = move_state(&mut tx, key, state, error, at).await?;
        self.commit(tx).await?;
        Ok(moved)
    }

    /// Cancels a queued run at once, and requests a running one to end. Returns the state that it had.
    ///
    /// # Errors
    /// When the run has ended, there is no such run, or the query fails.
    pub async fn cancel_run(&self, run: RunId, at: u64) -> Result<RunState, StoreError> {
        let mut tx = self.write().await?;
        let (key, state) = find(&mut tx, run).await?;
        match state {
            RunState::Queued => {
                move_state(&mut tx, key, RunState::Cancelled, None, at).await?;
            }
            RunState::Running => {
                sqlx::query("UPDATE runs SET cancel = 1 WHERE key = ?")
                    .bind(key)
                    .execute(&mut *tx)
                    .await?;
            }
            from => return Err(StoreError::IllegalState { from, to: RunState::Cancelled }),
        }
        self.commit(tx).await?;
        Ok(state)
    }

    /// Cancels all queued runs of a study at once, and requests its running ones to end. Runs that another study needs continue.
    /// Returns the number of each.
    ///
    /// # Errors
    /// When there is no such study, or the query fails.
    pub async fn cancel_study(&self, study: StudyId, at: u64) -> Result<Cancelled, StoreError> {
        let mut tx = self.write().await?;
        let stopped = sqlx::query("UPDATE studies SET stopped = 1 WHERE id = ?")
            .bind(study.to_string())
            .execute(&mut *tx)
            .await?;
        if stopped.rows_affected() == 0 {
            return Err(StoreError::not_found("study", &study));
        }
        let rows = sqlx::query(
            "SELECT r.key, r.state, EXISTS (SELECT 1 FROM study_runs o JOIN studies s ON s.id = o.study \
             WHERE o.run = r.key AND s.stopped = 0) FROM study_runs l JOIN runs r ON r.key = l.run \
             WHERE l.study = ? AND r.state IN ('queued', 'running') ORDER BY r.key",
        )
        .bind(study.to_string())
        .fetch_all(&mut *tx)
        .await?;
        let mut cancelled = Cancelled::default();
        // In reverse order: a run is cancelled before the one it starts from, so that none is marked as ended because of another.
        for row in rows.iter().rev() {
            let (key, state): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            if row.try_get(2)? {
                cancelled.wanted_elsewhere += 1;
            } else if state == "queued" {
                cancelled.queued += 1;
                move_state(&mut tx, key, RunState::Cancelled, None, at).await?;
            } else {
                cancelled.running += 1;
                sqlx::query("UPDATE runs SET cancel = 1 WHERE key = ?")
                    .bind(key)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        self.commit(tx).await?;
        Ok(cancelled)
    }

    /// Queues an unfinished run again: its events are deleted, its attempt number increases. Events that its folder keeps
    /// are taken in again. The unfinished runs that it needs, and those that need it, at any depth, are queued
    /// again, too.
    ///
    /// # Errors
    /// When the run is queued, running or done, there is no such run, or the query fails.
    pub async fn retry_run(&self, run: RunId, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (key, from) = find(&mut tx, run).await?;
        if !from.may_become(RunState::Queued) {
            return Err(StoreError::IllegalState { from, to: RunState::Queued });
        }
        requeue(&mut tx, key, at).await?;
        sqlx::query(
            "UPDATE studies SET stopped = 0 WHERE id IN (SELECT study FROM study_runs WHERE run = ?)",
        )
        .bind(key)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await
    }
}

/// The result of cancelling a study: its queued and running runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// Number of queued runs, which are cancelled.
    pub queued: u64,
    /// Number of running runs, which are requested to end.
    pub running: u64,
    /// Number of runs that another study needs, which continue.
    pub wanted_elsewhere: u64,
}

/// Queues the unfinished runs among a run, its descendants, and all runs that these need.
pub(super) async fn requeue(
    tx: &mut SqliteConnection,
    key: i64,
    at: u64,
) -> Result<(), StoreError> {
    let sql = format!(
        "{DESCENDANTS}, family(key) AS (SELECT ?1 UNION SELECT key FROM below \
         UNION SELECT i.input FROM run_inputs i JOIN family f ON i.run = f.key) SELECT key FROM family ORDER BY key"
    );
    // The SQL is built from constants only.
    let family: Vec<i64> =
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(key).fetch_all(&mut *tx).await?;
    queue_again(tx, family, at).await
}

/// Queues an unfinished run and the unfinished runs that it needs, and not what starts from it: a study that takes the run wants that as little as
/// whoever cancelled it.
pub(super) async fn requeue_needed(
    tx: &mut SqliteConnection,
    key: i64,
    at: u64,
) -> Result<(), StoreError> {
    let family: Vec<i64> = sqlx::query_scalar(
        "WITH RECURSIVE family(key) AS (SELECT ?1 UNION SELECT i.input FROM run_inputs i JOIN family f ON i.run = f.key) \
         SELECT key FROM family ORDER BY key",
    )
    .bind(key)
    .fetch_all(&mut *tx)
    .await?;
    queue_again(tx, family, at).await
}

/// Queues those of these runs that have not finished.
async fn queue_again(tx: &mut SqliteConnection, runs: Vec<i64>, at: u64) -> Result<(), StoreError> {
    for key in runs {
        if move_state(tx, key, RunState::Queued, None, at).await? {
            restart(tx, key, at).await?;
        }
    }
    Ok(())
}

/// Sets the device that a run asks for.
pub(super) async fn set_wish(
    tx: &mut SqliteConnection,
    key: i64,
    wish: DeviceWish,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE runs SET wish = ? WHERE key = ?")
        .bind(wish.to_string())
        .bind(key)
        .execute(tx)
        .await?;
    Ok(())
}

/// Key and state of a run.
pub(super) async fn find(
    tx: &mut SqliteConnection,
    run: RunId,
) -> Result<(i64, RunState), StoreError> {
    let row = sqlx::query("SELECT key, state FROM runs WHERE id = ?")
        .bind(run.to_string())
        .fetch_optional(tx)
        .await?
        .ok_or_else(|| StoreError::not_found("run", &run))?;
    Ok((row.try_get(0)?, parse(row.try_get(1)?, "a state")?))
}

/// Discards the data of the last attempt.
async fn restart(tx: &mut SqliteConnection, key: i64, at: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE runs SET attempt = attempt + 1, queued_at = ?, started_at = NULL, taken_bytes = 0, taken_seq = 0, \
         progress = '{}', place = 0, held = 0 WHERE key = ?",
    )
    .bind(stored(at))
    .bind(key)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM events WHERE run = ? AND seq IS NOT NULL")
        .bind(key)
        .execute(tx)
        .await?;
    Ok(())
}
