//! Deleting studies: at once, or so that it can be undone for a while.

use std::{fs, time::Duration};

use shared::{StudyId, api::Deletion};

use super::{removals::LeftOver, studies::DeleteError};
use crate::{app::App, store::StoreError};

/// How long a deleted study can be restored, in milliseconds.
pub const UNDO: u64 = 10 * 60 * 1000;
/// Time between two looks at which deletions end.
const PERIOD: Duration = Duration::from_secs(10);

impl App {
    /// Deletes a study with its runs and their events. It can be restored for [`UNDO`]; its files are removed afterwards.
    ///
    /// # Errors
    /// When a run of it is queued or running, there is no such study, or the store fails.
    pub async fn delete_study_for_now(&self, study: StudyId) -> Result<Deletion, StoreError> {
        let now = self.clock.now_ms();
        self.store.delete_study_until(study, now, now + UNDO).await
    }

    /// Ends the deletion of a study: it cannot be restored any more, and its files are removed.
    ///
    /// # Errors
    /// When there is no such deletion, the store fails, or some files cannot be removed.
    pub async fn end_deletion(&self, study: StudyId) -> Result<(), DeleteError> {
        let folders = self.store.end_deletion(study).await?;
        self.remove_folders(study, folders).await
    }

    /// Deletes a study with its runs, their events and all of their files, at once.
    ///
    /// # Errors
    /// When a run of it is queued or running, there is no such study, the store fails, or some files cannot be removed.
    pub async fn delete_study(&self, study: StudyId) -> Result<(), DeleteError> {
        let folders = self.store.delete_study(study).await?;
        self.remove_folders(study, folders).await
    }

    async fn remove_folders(
        &self,
        study: StudyId,
        folders: Vec<String>,
    ) -> Result<(), DeleteError> {
        self.remove_files(folders).await.map_err(|error| match error {
            LeftOver::Store(error) => DeleteError::Store(error),
            other @ LeftOver::File { .. } => DeleteError::Files(other),
        })?;
        // Version 0.1 had a folder for each study; runs that another study uses stay in it.
        let _ = fs::remove_dir(self.data_dir.runs().join(study.to_string()));
        Ok(())
    }

    /// Ends the deletions whose time is over. Returns the studies' names.
    ///
    /// # Errors
    /// The first one that cannot be ended; the others are ended nevertheless.
    pub async fn end_old_deletions(&self) -> Result<Vec<String>, DeleteError> {
        let now = self.clock.now_ms();
        let (mut ended, mut first) = (Vec::new(), None);
        let due = self.store.deletions().await?.into_iter().filter(|one| one.until <= now);
        for deletion in due {
            match self.end_deletion(deletion.study).await {
                Ok(()) => ended.push(deletion.name),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        first.map_or(Ok(ended), Err)
    }

    /// Ends deletions when their time is over, until the program ends. Those that ended while no program was there end at once.
    pub async fn keep_deletions(self) {
        loop {
            match self.end_old_deletions().await {
                Ok(ended) => {
                    for study in ended {
                        tracing::info!(
                            study,
                            "its deletion cannot be undone any more; its files were removed"
                        );
                    }
                }
                Err(error) => tracing::warn!(%error, "a deletion could not be ended"),
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = self.ending.begun() => return,
            }
        }
    }
}
