//! Added data sets. An entry describes the folder's contents; the images stay where they are.

use shared::api::DatasetInfo;
use sqlx::Row;

use super::{
    Store, StoreError,
    removals::{forget_removal, note_removal},
    row::stored,
    studies::{from_json, to_json},
};

impl Store {
    /// Adds a data set. The names of its images will be in the file `names` below the data folder.
    ///
    /// # Errors
    /// When the name is taken, or the query fails.
    pub async fn insert_dataset(&self, info: &DatasetInfo, names: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let added = sqlx::query(
            "INSERT INTO datasets (name, added_at, info) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&info.name)
        .bind(stored(info.added_at))
        .bind(to_json(info)?)
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!(
                "there already is a data set {}; choose another name, or remove that one first",
                info.name
            )));
        }
        forget_removal(&mut tx, names).await?;
        self.commit(tx).await
    }

    /// All added data sets by name, each with at most the first 100 skipped files.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_datasets(&self) -> Result<Vec<DatasetInfo>, StoreError> {
        let rows = sqlx::query("SELECT info FROM datasets ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                from_json::<DatasetInfo>(row.try_get(0)?, "a data set").map(DatasetInfo::abridged)
            })
            .collect()
    }

    /// A data set, with all its skipped files.
    ///
    /// # Errors
    /// When there is none of that name, or the query fails.
    pub async fn get_dataset(&self, name: &str) -> Result<DatasetInfo, StoreError> {
        let row = sqlx::query("SELECT info FROM datasets WHERE name = ?")
            .bind(name)
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("data set", &name))?;
        from_json(row.try_get(0)?, "a data set")
    }

    /// The names of all data sets that runs were made on, whether they still exist or not.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn datasets_of_runs(&self) -> Result<Vec<String>, StoreError> {
        let names = sqlx::query_scalar("SELECT DISTINCT dataset FROM runs");
        Ok(names.fetch_all(self.readers()).await?)
    }

    /// Removes a data set's entry, but not its images. Notes the file `names` below the data folder as to be removed: the caller removes
    /// it and calls [`removed`](Store::removed).
    ///
    /// # Errors
    /// When a study on it has queued or running runs, there is none of that name, or the query fails.
    pub async fn delete_dataset(&self, name: &str, names: &str) -> Result<(), StoreError> {
        if let Some(study) = self.study_using(name).await? {
            return Err(StoreError::Conflict(format!(
                "the study \"{study}\" is queued or running on {name}; cancel it first"
            )));
        }
        let mut tx = self.write().await?;
        let removed =
            sqlx::query("DELETE FROM datasets WHERE name = ?").bind(name).execute(&mut *tx).await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::not_found("data set", &name));
        }
        note_removal(&mut tx, names).await?;
        self.commit(tx).await
    }
}
