//! Imported checkpoints. An entry describes the imported file; the checkpoint is in the data folder.

use shared::api::ImportedCheckpoint;
use sqlx::Row;

use super::{
    Store, StoreError,
    removals::{forget_removal, note_removal},
    row::stored,
    studies::{from_json, to_json},
};

impl Store {
    /// Adds an imported checkpoint, whose files are in this folder below the data folder.
    ///
    /// # Errors
    /// When the name is taken, or the query fails.
    pub async fn insert_import(
        &self,
        info: &ImportedCheckpoint,
        folder: &str,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let added = sqlx::query(
            "INSERT INTO imported_checkpoints (name, added_at, info) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&info.name)
        .bind(stored(info.added_at))
        .bind(to_json(info)?)
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "there already is an imported checkpoint {}; choose another name, or remove that one first",
                info.name
            )));
        }
        forget_removal(&mut tx, folder).await?;
        self.commit(tx).await
    }

    /// All imported checkpoints, newest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_imports(&self) -> Result<Vec<ImportedCheckpoint>, StoreError> {
        let rows =
            sqlx::query("SELECT info FROM imported_checkpoints ORDER BY added_at DESC, name")
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(|row| from_json(row.try_get(0)?, "an imported checkpoint")).collect()
    }

    /// An imported checkpoint.
    ///
    /// # Errors
    /// When there is none of that name, or the query fails.
    pub async fn get_import(&self, name: &str) -> Result<ImportedCheckpoint, StoreError> {
        let row = sqlx::query("SELECT info FROM imported_checkpoints WHERE name = ?")
            .bind(name)
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("imported checkpoint", &name))?;
        from_json(row.try_get(0)?, "an imported checkpoint")
    }

    /// Removes an imported checkpoint's entry, and notes its folder below the data folder as to be removed: the caller removes it and
    /// calls [`removed`](Store::removed).
    ///
    /// # Errors
    /// When a study starts from it or restores with it, there is none of that name, or the query fails.
    pub async fn delete_import(&self, name: &str, folder: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let study: Option<(String, bool)> = sqlx::query_as(
            "SELECT study_name, coalesce(settings ->> '$.encoder' = ?1 COLLATE NOCASE, 0) FROM runs \
             WHERE settings ->> '$.encoder' = ?1 COLLATE NOCASE OR settings ->> '$.defence.restorer_checkpoint' = ?1 COLLATE NOCASE LIMIT 1",
        )
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some((study, starts)) = study {
            let uses = if starts { "starts from" } else { "restores images with" };
            return Err(StoreError::Conflict(format!(
                "the study \"{study}\" {uses} {name}; delete it first"
            )));
        }
        let removed = sqlx::query("DELETE FROM imported_checkpoints WHERE name = ?")
            .bind(name)
            .execute(&mut *tx)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::not_found("imported checkpoint", &name));
        }
        note_removal(&mut tx, folder).await?;
        self.commit(tx).await
    }
}
