//! How the state of a run changes: an UPDATE that names the states it may come from, as [`RunState::may_become`] has
//! them, and a `state` event for those who follow.

use shared::RunState;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use super::{StoreError, row::point};

/// Moves a run to a state if it may go there; `false` and no change otherwise.
pub(super) async fn move_state(
    tx: &mut Transaction<'static, Sqlite>,
    key: i64,
    to: RunState,
    error: Option<&str>,
    at: u64,
) -> Result<bool, StoreError> {
    let from: Vec<_> = RunState::ALL
        .into_iter()
        .filter(|state| state.may_become(to))
        .map(RunState::as_str)
        .collect();
    let row = sqlx::query(
        "UPDATE runs SET state = ?1, error = ?2, cancel = 0, \
         started_at = CASE WHEN ?1 = 'running' THEN ?3 ELSE started_at END, \
         ended_at = CASE WHEN ?1 IN ('queued', 'running') THEN NULL ELSE ?3 END \
         WHERE key = ?4 AND state IN (SELECT value FROM json_each(?5)) RETURNING id, phase, ppr, lpr, seed, \
         scratch",
    )
    .bind(to.as_str())
    .bind(error)
    .bind(at as i64)
    .bind(key)
    .bind(serde_json::Value::from(from).to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    state_event(tx, key, to, at).await?;
    // Done children have nothing to wait for: only queued ones go with the run.
    let children = match to {
        RunState::Failed | RunState::Interrupted => RunState::Failed,
        RunState::Cancelled => RunState::Cancelled,
        _ => return Ok(true),
    };
    let (id, label) = (row.try_get::<&str, _>(0)?, point(&row, 1)?.label());
    let error =
        format!("not started, because the {label} that it starts from is {to}; retry that one");
    let children_keys: Vec<i64> = sqlx::query_scalar(
        "UPDATE runs SET state = ?, error = ?, ended_at = ? WHERE parent = ? AND state = 'queued' RETURNING key",
    )
    .bind(children.as_str())
    .bind(&error)
    .bind(at as i64)
    .bind(id)
    .fetch_all(&mut **tx)
    .await?;
    for child in children_keys {
        state_event(tx, child, children, at).await?;
    }
    Ok(true)
}

/// Notes that a run's state changed, for those who follow the events.
pub(super) async fn state_event(
    tx: &mut SqliteConnection,
    key: i64,
    state: RunState,
    at: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (run, at, kind, state) VALUES (?, ?, 'state', ?)")
        .bind(key)
        .bind(at as i64)
        .bind(state.as_str())
        .execute(tx)
        .await?;
    Ok(())
}
