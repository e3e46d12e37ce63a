//! What people change of a study that exists: its name, tags, notes, star, and whether it is archived.

use shared::{StudyId, StudySpec, api::StudyChange};
use sqlx::Row;

use super::{
    Store, StoreError,
    studies::{from_json, to_json},
};

impl Store {
    /// Changes a study, if `check` agrees with what its specification becomes.
    ///
    /// # Errors
    /// What `check` returns, when there is no such study, or when the query fails; nothing is changed then.
    pub async fn change_study<E: From<StoreError>>(
        &self,
        study: StudyId,
        change: &StudyChange,
        check: impl FnOnce(&StudySpec) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut tx = self.write().await?;
        let id = study.to_string();
        let row = sqlx::query("SELECT spec, notes, starred, archived FROM studies WHERE id = ?")
            .bind(&id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(StoreError::from)?
            .ok_or_else(|| StoreError::not_found("study", &study))?;
        let mut spec: StudySpec =
            from_json(row.try_get(0).map_err(StoreError::from)?, "a specification")?;
        if let Some(name) = &change.name {
            spec.name.clone_from(name);
        }
        if let Some(tags) = &change.tags {
            spec.tags.clone_from(tags);
        }
        check(&spec)?;
        let old = || -> Result<(String, bool, bool), sqlx::Error> {
            Ok((row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
        };
        let (notes, starred, archived) = old().map_err(StoreError::from)?;
        sqlx::query(
            "UPDATE studies SET name = ?, spec = ?, notes = ?, starred = ?, archived = ?, \
             changed = (SELECT max(changed) + 1 FROM studies) WHERE id = ?",
        )
        .bind(&spec.name)
        .bind(to_json(&spec)?)
        .bind(change.notes.as_ref().unwrap_or(&notes))
        .bind(change.starred.unwrap_or(starred))
        .bind(change.archived.unwrap_or(archived))
        .bind(&id)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        sqlx::query("UPDATE runs SET study_name = ? WHERE study = ?")
            .bind(&spec.name)
            .bind(&id)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        Ok(self.commit(tx).await?)
    }

    /// The number of the last change of a study.
    ///
    /// # Errors
    /// When the query fails.
    pub(super) async fn last_change(&self) -> Result<i64, StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(changed) FROM studies")
            .fetch_one(self.readers())
            .await?;
        Ok(last.unwrap_or_default())
    }
}
