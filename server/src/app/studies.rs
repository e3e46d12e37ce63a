//! Creates a study from its specification; cancels and retries.

use std::{collections::BTreeSet, time::Duration};

use engine::data::Index;
use shared::{
    FieldError, RunId, RunState, StudyId, StudySpec,
    api::{RunRow, StudyChange, StudyDetail},
    study::Graph,
};

use super::{
    datasets::DatasetError,
    plan::{Prepared, is_whole},
    removals::LeftOver,
};
use crate::{
    app::App,
    store::{
        StoreError,
        studies::{NewRun, NewStudy},
    },
};

/// How long to wait for a cancelled run to end before answering anyway.
const CANCEL_PATIENCE: Duration = Duration::from_secs(2);
/// Maximum length of a study's notes, in characters.
const MOST_NOTES: usize = 20_000;
/// How often to poll for changes by another program meanwhile.
const CANCEL_LOOK: Duration = Duration::from_millis(100);

/// A study cannot be created.
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
    /// The study was deleted from the store, but some of its files remain.
    #[error("the study was deleted, but some of its files could not be removed: {0}")]
    Files(LeftOver),
}

impl CreateError {
    /// The error as a command reports it for a study of this name.
    pub fn of_study(self, name: &str) -> anyhow::Error {
        match self {
            Self::Invalid(errors) => {
                anyhow::anyhow!("{name} is not a valid study:\n{}", list(&errors))
            }
            other => other.into(),
        }
    }
}

fn list(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl App {
    /// Creates a study and queues its runs, except for those that the data folder already has; `fresh` runs all of them again. The
    /// folder of a run is created when the run starts.
    ///
    /// # Errors
    /// When the specification is invalid (with every wrong field), the machine has too little memory or disk for it, or the store fails.
    /// Nothing is stored then.
    pub async fn create_study(
        &self,
        spec: StudySpec,
        fresh: bool,
    ) -> Result<StudyDetail, CreateError> {
        let prepared = self.prepare(spec).await?;
        let plan = self.planned(&prepared, fresh).await?;
        if !plan.refused.is_empty() {
            return Err(CreateError::Invalid(plan.refused));
        }
        let Prepared { spec, graph, datasets } = prepared;
        self.check_folders(&graph).await?;
        let dataset = datasets.into_iter().find(|info| info.name == spec.settings.dataset.name);
        let id = self.ids.study();
        let study = NewStudy {
            id,
            created_at: self.clock.now_ms(),
            classes: dataset.map(|info| info.classes).unwrap_or_default(),
            runs: graph.nodes.into_iter().map(|node| NewRun { id: self.ids.run(), node }).collect(),
            spec,
            fresh,
        };
        self.store
            .insert_study(&study, &|kind, folder| is_whole(&self.data_dir, kind, folder))
            .await?;
        self.queue.wake();
        Ok(self.store.get_study(id).await?)
    }

    /// Checks that the folders of the data sets still hold what they held when they were added.
    async fn check_folders(&self, graph: &Graph) -> Result<(), CreateError> {
        let names: BTreeSet<&str> =
            graph.nodes.iter().map(|node| &node.settings.dataset.name[..]).collect();
        for name in names {
            let info = self.get_dataset(name).await.map_err(CreateError::Dataset)?;
            let source = self.source(&info);
            let opened = tokio::task::spawn_blocking(move || Index::open(&source).map(drop)).await;
            let opened = opened.map_err(|error| DatasetError::Internal(error.to_string()));
            opened.map_err(CreateError::Dataset)?.map_err(|error| {
                CreateError::Invalid(vec![FieldError::new("dataset.name", error.to_string())])
            })?;
        }
        Ok(())
    }

    /// Cancels a run: a queued one at once, a running one within two seconds. Returns the run, which has then ended unless
    /// no scheduler serves the data folder, or the store cannot be written: then its worker ends, and its state follows later.
    ///
    /// # Errors
    /// When the run has already ended, there is no such run, or the store fails.
    pub async fn cancel_run(&self, run: RunId) -> Result<RunRow, StoreError> {
        let cancelled = self.store.cancel_run(run, self.clock.now_ms()).await;
        if let Err(error @ StoreError::Unwritable(_)) = cancelled {
            let state = self.store.get_run(run).await?.state;
            if state != RunState::Running || !self.queue.schedules() {
                return Err(error);
            }
            self.queue.end(run);
        } else {
            cancelled?;
        }
        self.queue.wake();
        let study = self.store.get_run(run).await?.study;
        self.wait_for_end(study, Some(run), 0).await?;
        self.store.get_run(run).await
    }

    /// Cancels all queued and running runs of a study that no other study needs.
    ///
    /// # Errors
    /// When there is no such study, or the store fails.
    pub async fn cancel_study(&self, study: StudyId) -> Result<StudyDetail, StoreError> {
        let cancelled = self.store.cancel_study(study, self.clock.now_ms()).await?;
        self.queue.wake();
        self.wait_for_end(study, None, cancelled.wanted_elsewhere as usize).await?;
        self.store.get_study(study).await
    }

    /// Queues an unfinished run again; see [`Store::retry_run`](crate::store::Store::retry_run).
    ///
    /// # Errors
    /// When the run is queued, running or done, there is no such run, or the store fails.
    pub async fn retry_run(&self, run: RunId) -> Result<RunRow, StoreError> {
        self.store.retry_run(run, self.clock.now_ms()).await?;
        self.queue.wake();
        self.store.get_run(run).await
    }

    /// Changes what a study is called and where it is listed.
    ///
    /// # Errors
    /// When a name, tag or note is none, there is no such study, or the store fails.
    pub async fn change_study(
        &self,
        study: StudyId,
        change: &StudyChange,
    ) -> Result<(), CreateError> {
        let too_long =
            change.notes.as_ref().is_some_and(|notes| notes.chars().count() > MOST_NOTES);
        let check = |spec: &StudySpec| {
            let mut errors = spec.validate_labels();
            if too_long {
                let message = format!("take at most {MOST_NOTES} characters");
                errors.push(FieldError::new("notes", message));
            }
            if errors.is_empty() { Ok(()) } else { Err(CreateError::Invalid(errors)) }
        };
        self.store.change_study(study, change, check).await
    }

    /// Waits a short time until this run, or all runs of the study except some that continue, have ended.
    async fn wait_for_end(
        &self,
        study: StudyId,
        run: Option<RunId>,
        going_on: usize,
    ) -> Result<(), StoreError> {
        let mut news = self.store.news();
        let wait = async {
            loop {
                let runs = self.store.study_runs(study).await?;
                let asked = runs.iter().filter(|row| run.is_none_or(|run| row.id == run));
                if asked.filter(|row| !row.state.is_over()).count() <= going_on {
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

/// Whether all runs of a list have ended.
pub fn all_over(runs: &[RunRow]) -> bool {
    runs.iter().all(|run| run.state.is_over())
}

/// How many runs of a list are in a state.
pub fn count(runs: &[RunRow], state: RunState) -> usize {
    runs.iter().filter(|run| run.state == state).count()
}
