//! The queue: what trains, what is next; hand out, end, cancel, queue again. States change in `state.rs`.

use shared::{Progress, RunId, RunState, StudyId, StudySpec, run::RunPoint};
use sqlx::{Row, SqliteConnection};

use super::{
    Store, StoreError,
    row::{parse, point},
    state::move_state,
    studies::from_json,
};

/// A run that a worker trains, as far as the store knows.
#[derive(Clone, Debug)]
pub struct RunningRun {
    /// Its number in the store.
    pub key: i64,
    /// Identifier.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Whether it is to be stopped.
    pub cancel: bool,
    /// Bytes of the event file that were taken in.
    pub taken_bytes: u64,
    /// The fold of the events that were taken in.
    pub progress: Progress,
}

/// A queued run whose turn it is.
#[derive(Clone, Debug)]
pub struct ReadyRun {
    /// Its number in the store.
    pub key: i64,
    /// Identifier.
    pub run: RunId,
    /// Its study.
    pub study: StudyId,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// Place in the grid.
    pub point: RunPoint,
    /// Pre-training that it starts from, which is done.
    pub parent: Option<RunId>,
    /// The study's specification.
    pub spec: StudySpec,
}

impl Store {
    /// All running runs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn running(&self) -> Result<Vec<RunningRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT key, id, study, attempt, cancel, taken_bytes, progress FROM runs WHERE state = 'running' \
             ORDER BY queued_at, key",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(RunningRun {
                    key: row.try_get(0)?,
                    run: parse(row.try_get(1)?, "a run's identifier")?,
                    study: parse(row.try_get(2)?, "a study's identifier")?,
                    attempt: row.try_get(3)?,
                    cancel: row.try_get(4)?,
                    taken_bytes: row.try_get::<i64, _>(5)? as u64,
                    progress: from_json(row.try_get(6)?, "a run's progress")?,
                })
            })
            .collect()
    }

    /// The first queued run that starts from nothing or from a finished pre-training.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn next_ready(&self) -> Result<Option<ReadyRun>, StoreError> {
        let row = sqlx::query(
            "SELECT r.key, r.id, r.study, r.attempt, r.phase, r.ppr, r.lpr, r.seed, r.scratch, r.parent, s.spec FROM runs r \
             JOIN studies s ON s.id = r.study LEFT JOIN runs p ON p.id = r.parent \
             WHERE r.state = 'queued' AND (r.parent IS NULL OR p.state = 'done') ORDER BY r.queued_at, r.key LIMIT 1",
        )
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let parent: Option<&str> = row.try_get(9)?;
        Ok(Some(ReadyRun {
            key: row.try_get(0)?,
            run: parse(row.try_get(1)?, "a run's identifier")?,
            study: parse(row.try_get(2)?, "a study's identifier")?,
            attempt: row.try_get(3)?,
            point: point(&row, 4)?,
            parent: parent.map(|id| parse(id, "a run's identifier")).transpose()?,
            spec: from_json(row.try_get(10)?, "a specification")?,
        }))
    }

    /// Marks a queued run as running. `false` when it is no longer queued.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn start_run(&self, key: i64, at: u64) -> Result<bool, StoreError> {
        let mut tx = self.write().await?;
        let moved = move_state(&mut tx, key, RunState::Running, None, at).await?;
        self.commit(tx).await?;
        Ok(moved)
    }

    /// Ends a run that did not finish: failed, interrupted or cancelled, and why. The queued runs that start from it end,
    /// too. `false` when the run's state does not allow it, for example because it has ended meanwhile.
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

    /// Cancels a queued run at once and asks for the end of a running one. Returns the state that it had.
    ///
    /// # Errors
    /// When the run is over, there is no such run, or the query fails.
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

    /// Cancels all queued runs of a study at once and asks for the end of its running ones. Returns how many of both.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn cancel_study(&self, study: StudyId, at: u64) -> Result<(u64, u64), StoreError> {
        let mut tx = self.write().await?;
        let queued: Vec<i64> = sqlx::query_scalar(
            "SELECT key FROM runs WHERE study = ? AND state = 'queued' ORDER BY key",
        )
        .bind(study.to_string())
        .fetch_all(&mut *tx)
        .await?;
        // From the last on: a run goes before the one that it starts from, so that none is told that it goes with another.
        for &key in queued.iter().rev() {
            move_state(&mut tx, key, RunState::Cancelled, None, at).await?;
        }
        let running =
            sqlx::query("UPDATE runs SET cancel = 1 WHERE study = ? AND state = 'running'")
                .bind(study.to_string())
                .execute(&mut *tx)
                .await?
                .rows_affected();
        self.commit(tx).await?;
        Ok((queued.len() as u64, running))
    }

    /// Queues a run that did not end well once more: its events go, its number of attempts rises. What its folder
    /// keeps of them is taken in again. A pre-training takes its unfinished probes along, a probe the pre-training that it waits for.
    ///
    /// # Errors
    /// When the run is queued, running or done, there is no such run, or the query fails.
    pub async fn retry_run(&self, run: RunId, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let (key, from) = find(&mut tx, run).await?;
        if !from.may_become(RunState::Queued) {
            return Err(StoreError::IllegalState { from, to: RunState::Queued });
        }
        let family: Vec<i64> = sqlx::query_scalar(
            "SELECT key FROM runs WHERE key = ?1 OR parent = ?2 OR id = (SELECT parent FROM runs WHERE key = ?1) \
             ORDER BY key",
        )
        .bind(key)
        .bind(run.to_string())
        .fetch_all(&mut *tx)
        .await?;
        for key in family {
            if move_state(&mut tx, key, RunState::Queued, None, at).await? {
                restart(&mut tx, key, at).await?;
            }
        }
        self.commit(tx).await
    }
}

/// Key and state of a run.
async fn find(tx: &mut SqliteConnection, run: RunId) -> Result<(i64, RunState), StoreError> {
    let row = sqlx::query("SELECT key, state FROM runs WHERE id = ?")
        .bind(run.to_string())
        .fetch_optional(tx)
        .await?
        .ok_or_else(|| StoreError::not_found("run", &run))?;
    Ok((row.try_get(0)?, parse(row.try_get(1)?, "a state")?))
}

/// Forgets all of the last attempt.
async fn restart(tx: &mut SqliteConnection, key: i64, at: u64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE runs SET attempt = attempt + 1, queued_at = ?, started_at = NULL, taken_bytes = 0, taken_seq = 0, \
         progress = '{}' WHERE key = ?",
    )
    .bind(at as i64)
    .bind(key)
    .execute(&mut *tx)
    .await?;
    sqlx::query("DELETE FROM events WHERE run = ? AND seq IS NOT NULL")
        .bind(key)
        .execute(tx)
        .await?;
    Ok(())
}
