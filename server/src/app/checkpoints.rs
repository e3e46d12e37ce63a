//! Checkpoints of other programs: import under a name, and export of our own checkpoints.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use engine::{
    EngineError,
    files::LAST_CHECKPOINT,
    interchange::{ExportFile, ExportFormat, ImportOptions, Imported, export},
};
use shared::{
    RunEvent, RunId, RunKind,
    api::{ImportCheckpoint, ImportedCheckpoint, RunRow},
    study::FieldError,
};

use super::datasets::check_plain_name;
use crate::{app::App, store::StoreError};

/// Maximum number of a run's checkpoints that are searched.
const MOST_CHECKPOINTS: u32 = 20_000;

/// A checkpoint cannot be imported, found or exported.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The contents of the file cannot be imported.
    #[error("{0}")]
    Refused(EngineError),
    /// The checkpoint does not exist; the text says which.
    #[error("{0}")]
    Missing(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The program or the disk failed.
    #[error("{0}")]
    Internal(String),
}

impl App {
    /// Imports a checkpoint under a name: converts the file to a checkpoint of this program in the data folder. The original
    /// file is not changed.
    ///
    /// # Errors
    /// When the name is taken or invalid, the file holds no model that this program can run, or the checkpoint cannot be stored.
    /// Nothing is stored then.
    pub async fn import_checkpoint(
        &self,
        request: ImportCheckpoint,
    ) -> Result<ImportedCheckpoint, CheckpointError> {
        let name = request.name.trim().to_owned();
        check_plain_name(&name)?;
        // Check before the slow import, so that a taken name is reported at once.
        if self.store.get_import(&name).await.is_ok() {
            return Err(taken(&name).into());
        }
        let path = std::path::absolute(Path::new(request.path.trim()))
            .map_err(|error| FieldError::new("path", error.to_string()))?;
        let folder = self.data_dir.checkpoint_folder(&name);
        let (place, now) = (folder.clone(), self.clock.now_ms());
        let info = blocking(move || keep(&name, &path, &options(&request), &place, now)).await?;
        if let Err(error) = self.store.insert_import(&info).await {
            remove(&folder)?;
            return Err(match error {
                StoreError::Conflict(_) => taken(&info.name).into(),
                other => other.into(),
            });
        }
        Ok(info)
    }

    /// Removes an imported checkpoint with its files.
    ///
    /// # Errors
    /// When a study starts from it, there is none of that name, or its files cannot be removed.
    pub async fn remove_import(&self, name: &str) -> Result<(), CheckpointError> {
        // The folder has the name in its original spelling.
        let name = self.store.get_import(name).await?.name;
        self.store.delete_import(&name).await?;
        remove(&self.data_dir.checkpoint_folder(&name))
    }

    /// The file of an imported checkpoint.
    ///
    /// # Errors
    /// When there is none of that name, or the store fails.
    pub async fn import_file(&self, name: &str) -> Result<PathBuf, CheckpointError> {
        let name = self.store.get_import(name).await?.name;
        Ok(self.data_dir.checkpoint_folder(&name).join(LAST_CHECKPOINT))
    }

    /// The file of a pre-training's checkpoint: that of the given epoch, or the last one.
    ///
    /// # Errors
    /// When the run is not a pre-training, has no such checkpoint, or the store fails.
    pub async fn run_checkpoint_file(
        &self,
        run: RunId,
        epoch: Option<u32>,
    ) -> Result<PathBuf, CheckpointError> {
        let row = self.store.get_run(run).await?;
        if row.point.kind != RunKind::Pretrain {
            let what = row.point.label();
            return Err(CheckpointError::Missing(format!(
                "the run is a {what}; only the checkpoint of a pre-training can be exported"
            )));
        }
        self.told_checkpoint(&row, epoch).await
    }

    /// Epochs and files of the checkpoints that a run has reported, in order.
    pub(super) async fn told_checkpoints(
        &self,
        run: RunId,
    ) -> Result<Vec<(u32, String)>, StoreError> {
        let kinds = ["checkpoint".to_owned()];
        let events = self.store.run_events(run, 0, MOST_CHECKPOINTS, &kinds).await?;
        let told = events.into_iter().filter_map(|stamped| match stamped.event {
            RunEvent::Checkpoint { epoch, file } => Some((epoch, file)),
            _ => None,
        });
        Ok(told.collect())
    }

    /// The file of a checkpoint that the run has reported: that of the given epoch, or the last one.
    pub(super) async fn told_checkpoint(
        &self,
        row: &RunRow,
        epoch: Option<u32>,
    ) -> Result<PathBuf, CheckpointError> {
        let mut told = self.told_checkpoints(row.id).await?.into_iter().rev();
        let told = told.find(|(of, _)| epoch.is_none_or(|epoch| epoch == *of));
        let (_, told) = told.ok_or_else(|| {
            CheckpointError::Missing(match epoch {
                Some(epoch) => format!("the run has no checkpoint of epoch {epoch}"),
                None => "the run has written no checkpoint yet".into(),
            })
        })?;
        Ok(self.data_dir.folder(&self.store.run_folder(row.id).await?).join(told))
    }
}

/// Describes the contents of a file, without importing it.
///
/// # Errors
/// When the file holds no model that this program can run.
pub fn inspect_checkpoint(
    request: &ImportCheckpoint,
) -> Result<ImportedCheckpoint, CheckpointError> {
    let path = Path::new(request.path.trim());
    let imported = Imported::read(path, &options(request)).map_err(CheckpointError::Refused)?;
    Ok(describe(String::new(), path, &imported))
}

/// The files of a checkpoint in a format.
///
/// # Errors
/// When the checkpoint cannot be read.
pub async fn export_files(
    file: PathBuf,
    format: ExportFormat,
) -> Result<Vec<ExportFile>, CheckpointError> {
    blocking(move || {
        export(&file, format).map_err(|error| CheckpointError::Internal(error.to_string()))
    })
    .await
}

fn options(request: &ImportCheckpoint) -> ImportOptions {
    let &ImportCheckpoint { image_size, heads, decoder_heads, norm_pix_loss, ref entry, .. } =
        request;
    // The empty text of a form chooses none.
    let entry = entry.clone().filter(|entry| !entry.trim().is_empty());
    ImportOptions { image_size, heads, decoder_heads, norm_pix_loss, entry }
}

/// Reads the file and writes the checkpoint into its folder.
fn keep(
    name: &str,
    path: &Path,
    options: &ImportOptions,
    folder: &Path,
    now: u64,
) -> Result<ImportedCheckpoint, CheckpointError> {
    let imported = Imported::read(path, options).map_err(CheckpointError::Refused)?;
    let mut info = describe(name.to_owned(), path, &imported);
    let texts = [("name", info.name.clone()), ("source", info.source.clone())];
    make(folder)?;
    match imported.save(&folder.join(LAST_CHECKPOINT), &texts) {
        Ok(bytes) => {
            (info.bytes, info.added_at) = (bytes, now);
            Ok(info)
        }
        Err(error) => {
            remove(folder)?;
            Err(CheckpointError::Internal(error.to_string()))
        }
    }
}

/// Creates the folder, which must not exist: of two concurrent imports under one name, only one continues.
fn make(folder: &Path) -> Result<(), CheckpointError> {
    let parent = folder.parent().map_or(Ok(()), fs::create_dir_all);
    parent.and_then(|()| fs::create_dir(folder)).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => FieldError::new(
            "name",
            format!(
                "is being imported, or its import was interrupted: in the latter case remove {}, or choose another name",
                folder.display()
            ),
        )
        .into(),
        _ => CheckpointError::Internal(format!("{}: {error}", folder.display())),
    })
}

fn describe(name: String, path: &Path, imported: &Imported) -> ImportedCheckpoint {
    ImportedCheckpoint {
        name,
        source: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: imported.sha256.clone(),
        format: imported.format.clone(),
        model: imported.info.model,
        has_decoder: imported.info.has_decoder,
        norm_pix_loss: imported.info.norm_pix_loss,
        parameters: imported.parameters(),
        assumed: imported.assumed.clone(),
        ..ImportedCheckpoint::default()
    }
}

fn taken(name: &str) -> FieldError {
    let message = format!("there already is an imported checkpoint {name}; choose another name");
    FieldError::new("name", message)
}

fn remove(folder: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CheckpointError::Internal(format!("{} stays: {error}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Runs long work on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CheckpointError> + Send + 'static,
) -> Result<T, CheckpointError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| CheckpointError::Internal(error.to_string()))?
}
