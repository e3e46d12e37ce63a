//! What `maskdoor doctor` asks: whether the database is whole, what it says should be in the data folder, and runs that only the data
//! folder has.

use shared::{RunId, RunKind, RunState};
use sqlx::Row;

use super::{
    Store, StoreError,
    row::parse,
    state::move_state,
    studies::{NewStudy, Role, insert_run, insert_study_row, list_run, to_json},
};

/// A run as the database has it.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Identifier.
    pub run: RunId,
    /// Its folder below the data folder.
    pub folder: String,
    /// What it does.
    pub kind: RunKind,
    /// Its state.
    pub state: RunState,
    /// Number of its attempt, from 1.
    pub attempt: u32,
    /// The key image of its trigger.
    pub key: Option<String>,
    /// Whether its last checkpoint was removed by retention.
    pub is_tidied: bool,
}

/// A run that only the data folder has, beside its entry in [`NewStudy::runs`].
#[derive(Clone, Debug)]
pub struct FoundRun {
    /// Its folder below the data folder.
    pub folder: String,
    /// Number of its last attempt, from 1.
    pub attempt: u32,
    /// Unix time in milliseconds of its first event; `None` when it never started.
    pub started_at: Option<u64>,
    /// The runs that it needs, and what for.
    pub inputs: Vec<(RunId, Role)>,
    /// The settings that distinguish it from the others, by path.
    pub varied: std::collections::BTreeMap<String, shared::param::Value>,
}

impl Store {
    /// What is wrong with the database's file, by `SQLite`'s own check; empty when nothing is.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let found: Vec<String> =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_all(self.readers()).await?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Rows that refer to rows that are missing, in words; empty when there are none.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn broken_references(&self) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query("PRAGMA foreign_key_check").fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
                Ok(format!("a row of {table} names a row of {parent} that is missing"))
            })
            .collect()
    }

    /// All runs, in the order of their creation.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn stored_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, folder, kind, state, settings ->> '$.attack.trigger.key', \
             attempt, EXISTS (SELECT 1 FROM tidied t WHERE t.run = key AND t.kept_last = 0) FROM runs ORDER BY key",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(StoredRun {
                    run: parse(row.try_get(0)?, "a run's identifier")?,
                    folder: row.try_get(1)?,
                    kind: parse(row.try_get(2)?, "a kind of run")?,
                    state: parse(row.try_get(3)?, "a state")?,
                    key: row.try_get(4)?,
                    attempt: row.try_get(5)?,
                    is_tidied: row.try_get(6)?,
                })
            })
            .collect()
    }

    /// The number of all studies.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn count_studies(&self) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar("SELECT count(*) FROM studies");
        Ok(count.fetch_one(self.readers()).await?)
    }

    /// Takes runs into a study of their own, in one transaction. One that had started is running afterwards, with no events taken in:
    /// whoever follows it takes them in from its folder, and sees how it ended. One that had not started is cancelled. `found` has an
    /// entry for each of the study's runs.
    ///
    /// # Errors
    /// When the query fails; nothing is stored then.
    pub async fn take_in_study(
        &self,
        study: &NewStudy,
        found: &[FoundRun],
    ) -> Result<(), StoreError> {
        let at = study.created_at;
        let mut tx = self.write().await?;
        insert_study_row(&mut tx, study).await?;
        for (place, (run, known)) in study.runs.iter().zip(found).enumerate() {
            let key = insert_run(&mut tx, study, run, &[]).await?;
            let began = known.started_at.unwrap_or(at);
            sqlx::query(
                "UPDATE runs SET folder = ?, attempt = ?, created_at = ?, queued_at = ? WHERE key = ?",
            )
            .bind(&known.folder)
            .bind(known.attempt)
            .bind(super::row::stored(began))
            .bind(super::row::stored(began))
            .bind(key)
            .execute(&mut *tx)
            .await?;
            list_run(&mut tx, study.id, place, key, &to_json(&known.varied)?, false).await?;
            if known.started_at.is_some() {
                move_state(&mut tx, key, RunState::Running, None, began).await?;
            } else {
                let why = "it had not started when it was taken in again from its folder";
                move_state(&mut tx, key, RunState::Cancelled, Some(why), began).await?;
            }
        }
        let found = study.runs.iter().zip(found);
        let inputs = found.flat_map(|(run, known)| known.inputs.iter().map(move |of| (run, of)));
        for (run, (input, role)) in inputs {
            sqlx::query(
                "INSERT INTO run_inputs (run, input, role) SELECT r.key, p.key, ? FROM runs r, runs p WHERE r.id = ? AND p.id = ?",
            )
            .bind(role.as_str())
            .bind(run.id.to_string())
            .bind(input.to_string())
            .execute(&mut *tx)
            .await?;
        }
        self.commit(tx).await
    }
}
