//! Evaluation of a classifier under a trigger: a fine-tuning of this program, or a Hugging Face model.

use std::path::Path;

use engine::{
    EngineError, data::Index, eval::UnderTrigger, interchange::OpenClassifier, stop::Watch,
};
use shared::{
    FieldError, Rgb8, RunKind, Settings,
    api::{ClassifierSource, EvaluateRequest, EvaluatedClassifier},
    settings::{AttackSpec, DatasetSpec},
};

use super::{checkpoints::CheckpointError, datasets::DatasetError, keys};
use crate::{app::App, data_dir::DataDir, store::StoreError};

/// A classifier cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The classifier's file cannot be read, or holds no classifier.
    #[error("{0}")]
    Refused(EngineError),
    /// The checkpoint cannot be found.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The data set cannot be found.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The images cannot be read.
    #[error("{0}")]
    Images(EngineError),
    /// The program or the disk failed.
    #[error("{0}")]
    Internal(String),
}

/// A classifier that was read, and its run's settings.
pub struct Opened {
    /// The classifier.
    pub classifier: OpenClassifier,
    /// The settings of its run; `None` for a file.
    pub settings: Option<Settings>,
}

impl Opened {
    /// Which images to use; `dataset` and `test_per_class` take precedence over the study's.
    ///
    /// # Errors
    /// When neither the request nor the study names a data set.
    pub fn dataset(&self, request: &EvaluateRequest) -> Result<DatasetSpec, FieldError> {
        let of_run = self.settings.as_ref().map(|settings| settings.dataset.clone());
        let mut spec = match (&request.dataset, of_run) {
            (Some(name), _) => {
                let name = name.trim().to_owned();
                DatasetSpec { name, train_per_class: None, test_per_class: None }
            }
            (None, Some(of_run)) => of_run,
            (None, None) => {
                let message = "name a data set: a file has no study to take it from";
                return Err(FieldError::new("dataset", message));
            }
        };
        spec.test_per_class = request.test_per_class.or(spec.test_per_class);
        if spec.test_per_class == Some(0) {
            return Err(FieldError::new("test_per_class", "takes at least 1 image"));
        }
        Ok(spec)
    }

    /// Trigger and target class; those of the main backdoor, of a run with several.
    fn attack(&self, request: &EvaluateRequest) -> Result<AttackSpec, FieldError> {
        let of_run = || self.settings.as_ref().map(|settings| settings.attack.main_backdoor());
        request.attack.clone().or_else(of_run).ok_or_else(|| {
            let message =
                "give a trigger and a target class: a file has no study to take them from";
            FieldError::new("attack", message)
        })
    }
}

impl App {
    /// Reads a classifier.
    ///
    /// # Errors
    /// When it does not exist, or the file holds no classifier that this program can run.
    pub async fn open_classifier(
        &self,
        source: &ClassifierSource,
    ) -> Result<Opened, EvaluateError> {
        let (file, entry, settings) = match source {
            ClassifierSource::Run { run, epoch } => {
                let row = self.store.get_run(*run).await?;
                let settings = self.store.run_settings(*run).await?;
                let no_classifier = match row.point.kind {
                    RunKind::Finetune => None,
                    RunKind::Defence if row.point.repairs => None,
                    RunKind::Knn => Some(
                        "is a nearest-neighbour evaluation, which trains no classifier; evaluate a fine-tuning instead",
                    ),
                    RunKind::Defence => Some(
                        "is a defence that repairs no classifier; evaluate a fine-tuning instead",
                    ),
                    RunKind::Probe => Some(
                        "is a linear probe, whose file holds only a head; its page shows its evaluation; evaluate a fine-tuning instead",
                    ),
                    RunKind::Implant => Some(
                        "implants a backdoor into an encoder, which has no classifier; evaluate a fine-tuning of it instead",
                    ),
                    RunKind::Pretrain => Some(
                        "is a pre-training, which has no classifier; evaluate a fine-tuning of it instead",
                    ),
                };
                if let Some(message) = no_classifier {
                    return Err(FieldError::new("checkpoint.run", message).into());
                }
                (self.told_checkpoint(&row, *epoch).await?, None, Some(settings))
            }
            ClassifierSource::File { path, entry } => {
                let path = std::path::absolute(Path::new(path.trim()))
                    .map_err(|error| FieldError::new("checkpoint.path", error.to_string()))?;
                let entry = entry.clone().filter(|entry| !entry.trim().is_empty());
                (path, entry, None)
            }
        };
        let machine = self.machine.clone();
        let read = move || {
            OpenClassifier::read(&file, entry.as_deref(), &machine).map_err(EvaluateError::Refused)
        };
        let classifier = blocking(read).await?;
        Ok(Opened { classifier, settings })
    }

    /// Evaluates the classifier. `watch` receives the progress, and can stop the work.
    ///
    /// # Errors
    /// When the data set or the key image does not exist, the trigger does not fit the classifier's images, the classes
    /// differ, or an image cannot be read.
    pub async fn evaluate(
        &self,
        opened: Opened,
        request: &EvaluateRequest,
        mut watch: impl Watch + Send + 'static,
    ) -> Result<EvaluatedClassifier, EvaluateError> {
        let (spec, attack) = (opened.dataset(request)?, opened.attack(request)?);
        if request.attack.as_ref().is_some_and(|attack| !attack.further.is_empty()) {
            let message = "must be empty: an evaluation takes one trigger at a time";
            return Err(FieldError::new("attack.further", message).into());
        }
        let dataset = self.get_dataset(&spec.name).await?;
        if let Some(error) = attack.check_target(&dataset.name, dataset.classes.len() as u32) {
            return Err(error.into());
        }
        let side = opened.classifier.model.side() as u32;
        if let Some(error) = shared::param::check_attack(&attack, side).into_iter().next() {
            let message = format!("{} (on the classifier's images of {side} px)", error.message);
            return Err(FieldError::new(error.field, message).into());
        }
        let (data_dir, source) = (self.data_dir.clone(), self.source(&dataset));
        let (matching, threads) = (request.classes.clone(), self.machine.threads());
        blocking(move || {
            let key = read_key(&data_dir, &attack)?;
            let index =
                Index::open(&source).map_err(|error| EvaluateError::Images(error.into()))?;
            let index = index.limited(&spec);
            let under = UnderTrigger {
                index: &index,
                trigger: &attack.trigger,
                key: key.as_ref(),
                goal: &attack.goal_among(index.classes.len() as u32),
                matching: &matching,
                threads,
            };
            let done = under.evaluate(&opened.classifier, &mut watch);
            let (evaluation, assumed) = done.map_err(of_evaluation)?;
            Ok(EvaluatedClassifier {
                classifier: opened.classifier.description,
                image_size: side,
                parameters: opened.classifier.parameters,
                dataset: dataset.name,
                classes: index.classes,
                trigger: attack.trigger,
                assumed,
                evaluation,
            })
        })
        .await
    }
}

/// The trigger's key image in its original size, if it needs one.
fn read_key(data_dir: &DataDir, attack: &AttackSpec) -> Result<Option<Rgb8>, EvaluateError> {
    let Some(id) = attack.trigger.key() else { return Ok(None) };
    if let Some(error) = keys::check_key(data_dir, id) {
        return Err(error.into());
    }
    let internal = |error: String| EvaluateError::Internal(format!("the key image {id}: {error}"));
    let file = keys::key_file(data_dir, id).map_err(|error| internal(error.to_string()))?;
    engine::keys::image(&file).map(Some).map_err(|error| internal(error.to_string()))
}

fn of_evaluation(error: EngineError) -> EvaluateError {
    match error {
        // The classes do not match the data set's.
        EngineError::Order(message) => FieldError::new("classes", message).into(),
        EngineError::Data(_) => EvaluateError::Images(error),
        other => EvaluateError::Internal(other.to_string()),
    }
}

/// Runs long work on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EvaluateError> + Send + 'static,
) -> Result<T, EvaluateError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EvaluateError::Internal(error.to_string()))?
}
