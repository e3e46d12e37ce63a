//! Uploaded key images. Their files are in the data folder, named by their SHA-256.

use shared::api::KeyInfo;
use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, row::stored};

impl Store {
    /// Records an uploaded key image. One that was uploaded before keeps its entry.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn insert_key(&self, key: &KeyInfo, at: u64) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query(
            "INSERT INTO keys (sha256, added_at, name, width, height) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&key.sha256)
        .bind(stored(at))
        .bind(&key.name)
        .bind(key.width)
        .bind(key.height)
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await
    }

    /// All uploaded key images in the order of their upload.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_keys(&self) -> Result<Vec<KeyInfo>, StoreError> {
        let rows =
            sqlx::query("SELECT sha256, name, width, height FROM keys ORDER BY added_at, sha256")
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(key_info).collect()
    }

    /// An uploaded key image.
    ///
    /// # Errors
    /// When there is none of that SHA-256, or the query fails.
    pub async fn get_key(&self, sha256: &str) -> Result<KeyInfo, StoreError> {
        let row = sqlx::query("SELECT sha256, name, width, height FROM keys WHERE sha256 = ?")
            .bind(sha256)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map_or_else(|| Err(StoreError::not_found("key image", &sha256)), key_info)
    }
}

fn key_info(row: &SqliteRow) -> Result<KeyInfo, StoreError> {
    let sha256: String = row.try_get(0)?;
    Ok(KeyInfo {
        id: sha256.clone(),
        name: row.try_get(1)?,
        sha256,
        width: row.try_get(2)?,
        height: row.try_get(3)?,
        builtin: false,
    })
}
