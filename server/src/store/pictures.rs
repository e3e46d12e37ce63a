//! Own pictures. Their files are in the data folder, named by their SHA-256.

use shared::api::PictureInfo;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Store, StoreError,
    removals::{forget_removal, note_removal},
    row::stored,
};

impl Store {
    /// Records an own picture whose file is at `path` below the data folder. One that was uploaded before keeps its entry, which is
    /// returned.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn insert_picture(
        &self,
        picture: &PictureInfo,
        path: &str,
    ) -> Result<PictureInfo, StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO pictures (sha256, added_at, name, width, height) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&picture.id)
        .bind(stored(picture.added_at))
        .bind(&picture.name)
        .bind(picture.width)
        .bind(picture.height)
        .execute(&mut *tx)
        .await?;
        forget_removal(&mut tx, path).await?;
        self.commit(tx).await?;
        self.get_picture(&picture.id).await
    }

    /// All own pictures, newest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_pictures(&self) -> Result<Vec<PictureInfo>, StoreError> {
        let rows = sqlx::query(
            "SELECT sha256, name, width, height, added_at FROM pictures ORDER BY added_at DESC, sha256",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(info).collect()
    }

    /// An own picture.
    ///
    /// # Errors
    /// When there is none of that SHA-256, or the query fails.
    pub async fn get_picture(&self, sha256: &str) -> Result<PictureInfo, StoreError> {
        let row = sqlx::query(
            "SELECT sha256, name, width, height, added_at FROM pictures WHERE sha256 = ?",
        )
        .bind(sha256)
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map_or_else(|| Err(StoreError::not_found("own picture", &sha256)), info)
    }

    /// Removes an own picture's entry, and notes its file at `path` below the data folder as to be removed: the caller removes it and
    /// calls [`removed`](Store::removed).
    ///
    /// # Errors
    /// When there is none of that SHA-256, or the query fails.
    pub async fn delete_picture(&self, sha256: &str, path: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let removed = sqlx::query("DELETE FROM pictures WHERE sha256 = ?")
            .bind(sha256)
            .execute(&mut *tx)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::not_found("own picture", &sha256));
        }
        note_removal(&mut tx, path).await?;
        self.commit(tx).await
    }
}

fn info(row: &SqliteRow) -> Result<PictureInfo, StoreError> {
    Ok(PictureInfo {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        width: row.try_get(2)?,
        height: row.try_get(3)?,
        added_at: row.try_get(4)?,
    })
}
