//! Tokens and sessions.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Store, StoreError,
    row::{parse, stored, time},
};
use crate::tokens::{Caller, Secret, Token};

impl Store {
    /// Records a token.
    ///
    /// # Errors
    /// When there is one of that name, or the query fails.
    pub async fn insert_token(&self, token: &Token, secret: &Secret) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let added = sqlx::query(
            "INSERT INTO tokens (name, hash, rights, created_at, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&token.name)
        .bind(secret.as_text())
        .bind(token.rights.as_str())
        .bind(stored(token.created_at))
        .bind(token.expires_at.map(stored))
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 0 {
            return Err(StoreError::Conflict(format!("there already is a token {}", token.name)));
        }
        self.commit(tx).await
    }

    /// All tokens by name, the expired ones included.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn list_tokens(&self) -> Result<Vec<Token>, StoreError> {
        let rows =
            sqlx::query("SELECT name, rights, created_at, expires_at FROM tokens ORDER BY name")
                .fetch_all(self.readers())
                .await?;
        let token = |row: &SqliteRow| {
            Ok(Token {
                name: row.try_get("name")?,
                rights: parse(row.try_get("rights")?, "a token's rights")?,
                created_at: time(row, "created_at")?.unwrap_or_default(),
                expires_at: time(row, "expires_at")?,
            })
        };
        rows.iter().map(token).collect()
    }

    /// Removes a token and the sessions of the browsers that came with it.
    ///
    /// # Errors
    /// When there is none of that name, or the query fails.
    pub async fn delete_token(&self, name: &str) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        let removed =
            sqlx::query("DELETE FROM tokens WHERE name = ?").bind(name).execute(&mut *tx).await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::not_found("token", &name));
        }
        self.commit(tx).await
    }

    /// Who has a token that has not expired.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn find_token(
        &self,
        secret: &Secret,
        now: u64,
    ) -> Result<Option<Caller>, StoreError> {
        let row = sqlx::query(
            "SELECT name, rights, name AS token FROM tokens WHERE hash = ? AND coalesce(expires_at > ?, true)",
        )
        .bind(secret.as_text())
        .bind(stored(now))
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(caller).transpose()
    }

    /// Records a session, and forgets those that have expired.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn insert_session(
        &self,
        secret: &Secret,
        caller: &Caller,
        now: u64,
        expires_at: u64,
    ) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE expires_at <= ?")
            .bind(stored(now))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO sessions (hash, name, rights, token, expires_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(secret.as_text())
        .bind(&caller.name)
        .bind(caller.rights.as_str())
        .bind(&caller.token)
        .bind(stored(expires_at))
        .execute(&mut *tx)
        .await?;
        self.commit(tx).await
    }

    /// Whose session this is, if it and its token have not expired.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn find_session(
        &self,
        secret: &Secret,
        now: u64,
    ) -> Result<Option<Caller>, StoreError> {
        let row = sqlx::query(
            "SELECT s.name, s.rights, s.token FROM sessions s LEFT JOIN tokens t ON t.name = s.token \
             WHERE s.hash = ?1 AND s.expires_at > ?2 AND coalesce(t.expires_at > ?2, true)",
        )
        .bind(secret.as_text())
        .bind(stored(now))
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(caller).transpose()
    }

    /// Ends a session.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn delete_session(&self, secret: &Secret) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("DELETE FROM sessions WHERE hash = ?")
            .bind(secret.as_text())
            .execute(&mut *tx)
            .await?;
        self.commit(tx).await
    }
}

fn caller(row: &SqliteRow) -> Result<Caller, StoreError> {
    Ok(Caller {
        name: row.try_get("name")?,
        rights: parse(row.try_get("rights")?, "the rights of a token")?,
        token: row.try_get("token")?,
    })
}
