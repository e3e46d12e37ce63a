//! Deleted studies that can still be restored. Their rows lie in tables of their own, which nothing else reads, until the deletion ends;
//! their files stay where they are until then.

use shared::{RunState, StudyId, api::Deletion};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{
    Store, StoreError,
    removals::note_removal,
    row::{parse, stored, time},
    state::state_event,
    studies::{own_runs, take_out, to_json},
};

/// The tables with a study's rows, and which rows are its own: `?1` is the study, `?2` the keys of the runs that only it has. Each comes
/// after those that it refers to.
const TABLES: [(&str, &str); 6] = [
    ("studies", "id = ?1"),
    ("runs", "key IN (SELECT value FROM json_each(?2))"),
    ("run_inputs", "run IN (SELECT value FROM json_each(?2))"),
    ("tidied", "run IN (SELECT value FROM json_each(?2))"),
    ("events", "run IN (SELECT value FROM json_each(?2))"),
    ("study_runs", "study = ?1"),
];

impl Store {
    /// Deletes a study, and those of its runs that no other study uses, with their events. Returns the folders of these runs below
    /// the data folder, which are noted as to be removed: the caller removes them and calls [`removed`](Store::removed).
    ///
    /// # Errors
    /// When a run that only this study uses is queued or running, there is no such study, or the query fails.
    pub async fn delete_study(&self, study: StudyId) -> Result<Vec<String>, StoreError> {
        let mut tx = self.write().await?;
        put_aside(&mut tx, study, 0, 0).await?;
        let folders = end(&mut tx, study).await?;
        self.commit(tx).await?;
        Ok(folders)
    }

    /// Like [`delete_study`](Store::delete_study), but keeps rows and files until `until`, so that the study can be restored.
    ///
    /// # Errors
    /// As there; nothing is changed then.
    pub async fn delete_study_until(
        &self,
        study: StudyId,
        at: u64,
        until: u64,
    ) -> Result<Deletion, StoreError> {
        let mut tx = self.write().await?;
        put_aside(&mut tx, study, at, until).await?;
        let deletion = find(&mut tx, study).await?;
        self.commit(tx).await?;
        Ok(deletion)
    }

    /// The deleted studies that can be restored, the latest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn deletions(&self) -> Result<Vec<Deletion>, StoreError> {
        let sql = format!("{FOUND} ORDER BY d.deleted_at DESC, d.study");
        // The SQL is built from constants only.
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(deletion).collect()
    }

    /// The folders of their runs, below the data folder.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn deleted_folders(&self) -> Result<Vec<String>, StoreError> {
        let folders = sqlx::query_scalar("SELECT folder FROM deleted_runs ORDER BY folder");
        Ok(folders.fetch_all(self.readers()).await?)
    }

    /// Restores a deleted study with its runs, also those that went with another study that was deleted after it.
    ///
    /// # Errors
    /// When there is no such deletion, or the query fails; nothing is changed then.
    pub async fn restore_study(&self, study: StudyId, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        find(&mut tx, study).await?;
        let id = study.to_string();
        let runs: Vec<i64> = sqlx::query_scalar(
            "SELECT l.run FROM deleted_study_runs l JOIN deleted_runs r ON r.key = l.run WHERE l.study = ? ORDER BY l.run",
        )
        .bind(&id)
        .fetch_all(&mut *tx)
        .await?;
        for (table, rows) in TABLES {
            copy(&mut tx, (&format!("deleted_{table}"), table), rows, &id, &runs).await?;
            if table == "studies" {
                // The runs are counted as they are listed again. What is kept of studies in memory is read again.
                sqlx::query(
                    "UPDATE studies SET queued = 0, running = 0, done = 0, failed = 0, interrupted = 0, cancelled = 0, \
                     changed = (SELECT max(changed) + 1 FROM studies) WHERE id = ?",
                )
                .bind(&id)
                .execute(&mut *tx)
                .await?;
            }
        }
        // Every run is shown under the oldest of the studies that use it, as before.
        sqlx::query(
            "UPDATE runs SET (study, study_name) = (SELECT s.id, s.name FROM study_runs o JOIN studies s ON s.id = o.study \
             WHERE o.run = runs.key ORDER BY s.created_at, s.id LIMIT 1) \
             WHERE key IN (SELECT run FROM study_runs WHERE study = ?)",
        )
        .bind(&id)
        .execute(&mut *tx)
        .await?;
        for &key in &runs {
            let state: String = sqlx::query_scalar("SELECT state FROM runs WHERE key = ?")
                .bind(key)
                .fetch_one(&mut *tx)
                .await?;
            let state: RunState = parse(&state, "a state")?;
            state_event(&mut tx, key, state, at).await?;
        }
        forget(&mut tx, &id, &runs).await?;
        self.commit(tx).await
    }

    /// Ends a deletion: the study cannot be restored any more. Returns the folders of its runs below the data folder, which are noted as to
    /// be removed: the caller removes them and calls [`removed`](Store::removed). Runs of another deleted study stay with that one.
    ///
    /// # Errors
    /// When there is no such deletion, or the query fails.
    pub async fn end_deletion(&self, study: StudyId) -> Result<Vec<String>, StoreError> {
        let mut tx = self.write().await?;
        let folders = end(&mut tx, study).await?;
        self.commit(tx).await?;
        Ok(folders)
    }
}

/// Moves a study, and those of its runs that no other study uses, to where nothing else reads them.
async fn put_aside(
    tx: &mut SqliteConnection,
    study: StudyId,
    at: u64,
    until: u64,
) -> Result<(), StoreError> {
    let id = study.to_string();
    let own = own_runs(tx, study).await?;
    for (table, rows) in TABLES {
        copy(tx, (table, &format!("deleted_{table}")), rows, &id, &own).await?;
    }
    sqlx::query(
        "INSERT INTO deletions (study, name, deleted_at, until) SELECT id, name, ?, ? FROM studies WHERE id = ?",
    )
    .bind(stored(at))
    .bind(stored(until))
    .bind(&id)
    .execute(&mut *tx)
    .await?;
    take_out(tx, study, &own).await
}

/// Ends a deletion. Returns the folders that are noted as to be removed.
async fn end(tx: &mut SqliteConnection, study: StudyId) -> Result<Vec<String>, StoreError> {
    find(tx, study).await?;
    let id = study.to_string();
    let runs: Vec<(i64, String)> = sqlx::query_as(
        "SELECT r.key, r.folder FROM deleted_study_runs l JOIN deleted_runs r ON r.key = l.run WHERE l.study = ?1 \
         AND NOT EXISTS (SELECT 1 FROM deleted_study_runs o WHERE o.run = l.run AND o.study <> ?1) ORDER BY r.key",
    )
    .bind(&id)
    .fetch_all(&mut *tx)
    .await?;
    let (keys, folders): (Vec<i64>, Vec<String>) = runs.into_iter().unzip();
    forget(tx, &id, &keys).await?;
    for folder in &folders {
        note_removal(tx, folder).await?;
    }
    Ok(folders)
}

/// Deletions as rows for [`deletion`].
const FOUND: &str = "SELECT d.study, d.name, d.deleted_at, d.until, (SELECT count(*) FROM deleted_study_runs l \
    WHERE l.study = d.study) AS runs FROM deletions d";

fn deletion(row: &sqlx::sqlite::SqliteRow) -> Result<Deletion, StoreError> {
    Ok(Deletion {
        study: parse(row.try_get("study")?, "a study's identifier")?,
        name: row.try_get("name")?,
        runs: row.try_get::<i64, _>("runs")?.unsigned_abs(),
        deleted_at: time(row, "deleted_at")?.unwrap_or_default(),
        until: time(row, "until")?.unwrap_or_default(),
    })
}

async fn find(tx: &mut SqliteConnection, study: StudyId) -> Result<Deletion, StoreError> {
    let sql = format!("{FOUND} WHERE d.study = ?");
    // The SQL is built from constants only.
    let row = sqlx::query(AssertSqlSafe(sql)).bind(study.to_string()).fetch_optional(tx).await?;
    row.as_ref().map_or_else(|| Err(StoreError::not_found("deleted study", &study)), deletion)
}

/// Copies the rows of a condition from a table to one with the same columns. Columns that SQLite computes are left out.
async fn copy(
    tx: &mut SqliteConnection,
    (from, to): (&str, &str),
    rows: &'static str,
    study: &str,
    runs: &[i64],
) -> Result<(), StoreError> {
    let table = from.trim_start_matches("deleted_");
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
        .bind(table)
        .fetch_all(&mut *tx)
        .await?;
    let columns = columns.join(", ");
    let sql = format!("INSERT INTO {to} ({columns}) SELECT {columns} FROM {from} WHERE {rows}");
    // The SQL is built from this file's constants and the tables' own columns.
    sqlx::query(AssertSqlSafe(sql)).bind(study).bind(to_json(&runs)?).execute(tx).await?;
    Ok(())
}

/// Removes the rows of a deletion, with those of these runs.
async fn forget(tx: &mut SqliteConnection, study: &str, runs: &[i64]) -> Result<(), StoreError> {
    let runs = to_json(&runs)?;
    for (table, rows) in TABLES {
        let sql = format!("DELETE FROM deleted_{table} WHERE {rows}");
        // The SQL is built from this file's constants only.
        sqlx::query(AssertSqlSafe(sql)).bind(study).bind(&runs).execute(&mut *tx).await?;
    }
    sqlx::query("DELETE FROM deletions WHERE study = ?").bind(study).execute(tx).await?;
    Ok(())
}
