//! Files that are to be removed because what they belonged to was deleted.

use sqlx::SqliteConnection;

use super::{Store, StoreError};

impl Store {
    /// The files and folders that are still to be removed, below the data folder.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn removals(&self) -> Result<Vec<String>, StoreError> {
        let paths = sqlx::query_scalar("SELECT path FROM removals ORDER BY path");
        Ok(paths.fetch_all(self.readers()).await?)
    }

    /// Notes files and folders below the data folder as to be removed.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn note_removals(&self, paths: &[String]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for path in paths {
            note_removal(&mut tx, path).await?;
        }
        self.commit(tx).await
    }

    /// Notes that these files and folders are gone.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn removed(&self, paths: &[String]) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        for path in paths {
            forget_removal(&mut tx, path).await?;
        }
        self.commit(tx).await
    }
}

/// Notes a file or folder below the data folder that is to be removed.
pub(super) async fn note_removal(tx: &mut SqliteConnection, path: &str) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO removals (path) VALUES (?) ON CONFLICT DO NOTHING")
        .bind(path)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes a file or folder off the list: it is gone, or belongs to something again.
pub(super) async fn forget_removal(
    tx: &mut SqliteConnection,
    path: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM removals WHERE path = ?").bind(path).execute(tx).await?;
    Ok(())
}
