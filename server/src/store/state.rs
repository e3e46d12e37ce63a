//! Changes of a run's state: an UPDATE that names the states it may come from, according to [`RunState::may_become`],
//! and a `state` event for followers. Queued runs that need the run, at any depth, change with it.

use shared::RunState;
use sqlx::{Row as _, SqliteConnection};

use super::{
    StoreError,
    row::{parse, point, stored},
};

/// The keys of all runs that need run `?1`, directly or through others.
pub(super) const DESCENDANTS: &str = "WITH RECURSIVE below(key) AS (\
     SELECT run FROM run_inputs WHERE input = ?1 \
     UNION SELECT i.run FROM run_inputs i JOIN below b ON i.input = b.key)";

/// Moves a run to a state if that is allowed; otherwise returns `false` without a change.
pub(super) async fn move_state(
    tx: &mut SqliteConnection,
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
         WHERE key = ?4 AND state IN (SELECT value FROM json_each(?5)) RETURNING kind, ppr, lpr, seed, scratch, implanted, repairs",
    )
    .bind(to.as_str())
    .bind(error)
    .bind(stored(at))
    .bind(key)
    .bind(serde_json::Value::from(from).to_string())
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    state_event(tx, key, to, at).await?;
    end_below(tx, key, &point(&row)?.label(), to, at).await?;
    Ok(true)
}

/// Ends the queued runs that need a run in this state, if it is one without a result. Only queued runs depend on the outcome.
async fn end_below(
    tx: &mut SqliteConnection,
    key: i64,
    label: &str,
    state: RunState,
    at: u64,
) -> Result<(), StoreError> {
    let others = match state {
        RunState::Failed | RunState::Interrupted => RunState::Failed,
        RunState::Cancelled => RunState::Cancelled,
        _ => return Ok(()),
    };
    let error =
        format!("not started, because the {label} that it needs is {state}; retry that one");
    let sql = format!(
        "{DESCENDANTS} UPDATE runs SET state = ?2, error = ?3, ended_at = ?4 \
         WHERE key IN (SELECT key FROM below) AND state = 'queued' RETURNING key"
    );
    // The SQL is built from this file's constants only.
    let ended: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(key)
        .bind(others.as_str())
        .bind(&error)
        .bind(stored(at))
        .fetch_all(&mut *tx)
        .await?;
    for run in ended {
        state_event(tx, run, others, at).await?;
    }
    Ok(())
}

/// Ends a queued run if one that it needs has ended without a result.
pub(super) async fn end_without_input(
    tx: &mut SqliteConnection,
    key: i64,
    at: u64,
) -> Result<(), StoreError> {
    let inputs = sqlx::query(
        "SELECT p.kind, p.ppr, p.lpr, p.seed, p.scratch, p.implanted, p.repairs, p.key, p.state FROM run_inputs i JOIN runs p ON p.key = i.input \
         WHERE i.run = ? AND p.state IN ('failed', 'interrupted', 'cancelled')",
    )
    .bind(key)
    .fetch_all(&mut *tx)
    .await?;
    for row in inputs {
        let state = parse(row.try_get("state")?, "a state")?;
        end_below(tx, row.try_get("key")?, &point(&row)?.label(), state, at).await?;
    }
    Ok(())
}

/// Records that a run's state changed, for those who follow the events.
pub(super) async fn state_event(
    tx: &mut SqliteConnection,
    key: i64,
    state: RunState,
    at: u64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (run, at, kind, state) VALUES (?, ?, 'state', ?)")
        .bind(key)
        .bind(stored(at))
        .bind(state.as_str())
        .execute(tx)
        .await?;
    Ok(())
}
