//! A study from its specification; cancel, retry, delete.

use std::{collections::HashMap, io, time::Duration};

use engine::data::{DataError, Index};
use shared::{
    Phase, RunId, RunState, StudyId, StudySpec,
    api::{RunRow, StudyDetail},
    run::DataSource,
    study::FieldError,
};

use super::{datasets::DatasetError, keys::check_key};
use crate::{
    app::App,
    store::{
        StoreError,
        studies::{NewRun, NewStudy},
    },
};

/// How long a cancelled run may take to be over before the answer goes out without it.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);
/// How often another program's doings are looked for meanwhile.
const CANCEL_LOOK: Duration = Duration::from_millis(100);

/// A study cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Fields of the specification are wrong.
    #[error("{}", list(.0))]
    Invalid(Vec<FieldError>),
    /// The data set.
    #[error(transparent)]
    Dataset(DatasetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A study cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The study is gone from the store, but not all of its files are.
    #[error("the study is deleted, but its files are not all gone: {0}")]
    Files(#[from] io::Error),
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl App {
    /// Makes a study and queues its runs. Its folders are made when a run's turn comes.
    ///
    /// # Errors
    /// When the specification is wrong (with every wrong field), or the store answers with an error. Nothing is kept then.
    pub async fn create_study(&self, mut spec: StudySpec) -> Result<StudyDetail, CreateError> {
        spec.name = spec.name.trim().to_owned();
        let (mut errors, classes) = match self.get_dataset(&spec.dataset.name).await {
            Ok(info) => {
                let mut errors = spec.validate_with(&info);
                // A list of a data set that is chosen wrongly would only be told of as unknown names.
                if errors.is_empty() && spec.attack.poisons.is_some() {
                    errors = check_poisons(&spec, info.source()).await?;
                }
                (errors, info.classes)
            }
            Err(unknown @ DatasetError::Unknown { .. }) => {
                let mut errors = spec.validate();
                // An empty name is told of already.
                if !spec.dataset.name.is_empty() {
                    errors.push(FieldError::new("dataset.name", unknown.to_string()));
                }
                (errors, Vec::new())
            }
            Err(error) => return Err(CreateError::Dataset(error)),
        };
        if let Some(key) = spec.attack.trigger.key().filter(|key| !key.is_empty()) {
            errors.extend(check_key(&self.data_dir, key));
        }
        if let Some(name) = spec.encoder.as_deref().filter(|name| !name.is_empty()) {
            match self.store.get_import(name).await {
                Ok(checkpoint) => {
                    errors.extend(spec.validate_encoder(&checkpoint));
                    // Its folder has the name as it was given first.
                    spec.encoder = Some(checkpoint.name);
                }
                Err(missing @ StoreError::NotFound { .. }) => {
                    errors.push(FieldError::new("encoder", missing.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !errors.is_empty() {
            return Err(CreateError::Invalid(errors));
        }

        let id = self.ids.study();
        let mut encoders = HashMap::new();
        let mut runs = Vec::new();
        for point in spec.points() {
            let run = self.ids.run();
            if point.phase == Phase::Pretrain {
                encoders.insert(point, run);
            }
            let parent = point.encoder().and_then(|encoder| encoders.get(&encoder).copied());
            runs.push(NewRun { id: run, point, parent });
        }
        let study = NewStudy { id, created_at: self.clock.now_ms(), spec, classes, runs };
        self.store.insert_study(&study).await?;
        self.jobs.wake();
        Ok(self.store.get_study(id).await?)
    }

    /// Cancels a run: a queued one at once, a running one within two seconds. Returns the run, which then is over unless
    /// no scheduler works on the data folder.
    ///
    /// # Errors
    /// When the run is over already, there is no such run, or the store answers with an error.
    pub async fn cancel_run(&self, run: RunId) -> Result<RunRow, StoreError> {
        self.store.cancel_run(run, self.clock.now_ms()).await?;
        self.jobs.wake();
        let study = self.store.get_run(run).await?.study;
        self.wait_for_end(study, Some(run)).await?;
        self.store.get_run(run).await
    }

    /// Cancels all runs of a study that are not over.
    ///
    /// # Errors
    /// When there is no such study, or the store answers with an error.
    pub async fn cancel_study(&self, study: StudyId) -> Result<StudyDetail, StoreError> {
        self.store.cancel_study(study, self.clock.now_ms()).await?;
        self.jobs.wake();
        self.wait_for_end(study, None).await?;
        self.store.get_study(study).await
    }

    /// Queues a run once more that did not end well; see [`Store::retry_run`](crate::store::Store::retry_run).
    ///
    /// # Errors
    /// When the run is queued, running or done, there is no such run, or the store answers with an error.
    pub async fn retry_run(&self, run: RunId) -> Result<RunRow, StoreError> {
        self.store.retry_run(run, self.clock.now_ms()).await?;
        self.jobs.wake();
        self.store.get_run(run).await
    }

    /// Deletes a study with its runs, their events and all of their files.
    ///
    /// # Errors
    /// When a run of it is queued or running, there is no such study, the store answers with an error, or files stay.
    pub async fn delete_study(&self, study: StudyId) -> Result<(), DeleteError> {
        self.store.delete_study(study).await?;
        let folder = self.data_dir.study_folder(study);
        tokio::task::spawn_blocking(move || match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
        .map_err(io::Error::other)??;
        Ok(())
    }

    /// Waits until this run, or all runs of the study, are over, but not for long.
    async fn wait_for_end(&self, study: StudyId, run: Option<RunId>) -> Result<(), StoreError> {
        let mut news = self.store.news();
        let wait = async {
            loop {
                let runs = self.store.study_runs(study).await?;
                let mut asked = runs.iter().filter(|row| run.is_none_or(|run| row.id == run));
                if asked.all(|row| row.state.is_over()) {
                    return Ok(());
                }
                tokio::select! {
                    _ = news.changed() => {}
                    () = tokio::time::sleep(CANCEL_LOOK) => { self.store.look_for_news().await?; }
                }
            }
        };
        tokio::time::timeout(CANCEL_PATIENCE, wait).await.unwrap_or(Ok(()))
    }
}

/// What is wrong with a study's poison list. Lists the data set's folder.
async fn check_poisons(
    spec: &StudySpec,
    source: DataSource,
) -> Result<Vec<FieldError>, CreateError> {
    let spec = spec.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let index = Index::open(&source)?.limited(&spec.dataset);
        let images = index.train.iter().map(|entry| (entry.name.as_str(), entry.class));
        Ok(spec.validate_poisons(images))
    });
    let checked = checked.await.map_err(|error| DatasetError::Internal(error.to_string()));
    checked.map_err(CreateError::Dataset)?.map_err(|error: DataError| {
        CreateError::Invalid(vec![FieldError::new("dataset.name", error.to_string())])
    })
}

/// Whether all runs of a list are over.
pub fn all_over(runs: &[RunRow]) -> bool {
    runs.iter().all(|run| run.state.is_over())
}

/// How many runs of a list are in a state.
pub fn count(runs: &[RunRow], state: RunState) -> usize {
    runs.iter().filter(|run| run.state == state).count()
}
