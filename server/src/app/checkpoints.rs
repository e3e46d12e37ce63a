//! Checkpoints of other programs: import under a name, and export of our own checkpoints.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use engine::{
    EngineError,
    checkpoint::Recorded,
    files::{LAST_CHECKPOINT, create_folder, is_full},
    interchange::{ExportFile, ExportFormat, ImportOptions, Imported, export},
};
use shared::{
    RunEvent, RunId,
    api::{ImportCheckpoint, ImportedCheckpoint, RunRow},
    study::FieldError,
};

use super::{
    datasets::check_plain_name,
    removals::{LeftOver, is_backed_up, remove},
};
use crate::{app::App, data_dir::DataDir, store::StoreError};

/// Locked while a checkpoint is imported into its folder.
pub const IMPORT_LOCK: &str = "import.lock";

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
        self.check_free(&name).await?;
        let path = std::path::absolute(Path::new(request.path.trim()))
            .map_err(|error| FieldError::new("path", error.to_string()))?;
        let folder = self.data_dir.checkpoint_folder(&name);
        let (data_dir, place, now) = (self.data_dir.clone(), folder.clone(), self.clock.now_ms());
        let claim = blocking(move || Claim::take(&data_dir, place)).await?;
        // Another import under this name may have ended between the first look and the claim.
        if let Err(error) = self.check_free(&name).await {
            claim.keep();
            return Err(error);
        }
        let (info, claim) = blocking(move || {
            let info = keep(&name, &path, &options(&request), &claim, now)?;
            Ok((info, claim))
        })
        .await?;
        let below = self.data_dir.below(&folder);
        if let Err(error) = self.store.insert_import(&info, &below).await {
            claim.give_up()?;
            return Err(match error {
                StoreError::Conflict(_) => taken(&info.name).into(),
                other => other.into(),
            });
        }
        claim.keep();
        Ok(info)
    }

    /// Checks that no imported checkpoint has this name.
    async fn check_free(&self, name: &str) -> Result<(), CheckpointError> {
        match self.store.get_import(name).await {
            Ok(_) => Err(taken(name).into()),
            Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds an imported checkpoint again whose files are in the data folder, and which the store does not have. Its header says
    /// everything that the store knows of it.
    ///
    /// # Errors
    /// When the file cannot be read or was not imported by this program, or the store fails.
    pub async fn take_in_checkpoint(&self, name: &str) -> Result<(), CheckpointError> {
        check_plain_name(name)?;
        let folder = self.data_dir.checkpoint_folder(name);
        let path = folder.join(LAST_CHECKPOINT);
        let recorded =
            blocking(move || Recorded::read(&path).map_err(CheckpointError::Refused)).await?;
        let text = |key: &str| {
            let missing =
                || CheckpointError::Missing(format!("{name} was not imported: it has no {key}"));
            recorded.texts.get(key).filter(|text| !text.is_empty()).cloned().ok_or_else(missing)
        };
        let assumed = recorded.texts.get("assumed").map(String::as_str).unwrap_or_default();
        let assumed = assumed.split("; ").filter(|one| !one.is_empty()).map(String::from).collect();
        let info = ImportedCheckpoint {
            name: name.to_owned(),
            source: text("source")?,
            sha256: text("sha256")?,
            format: text("format")?,
            model: recorded.info.model,
            has_decoder: recorded.info.has_decoder,
            norm_pix_loss: recorded.info.norm_pix_loss,
            parameters: recorded.parameters,
            assumed,
            bytes: recorded.bytes,
            added_at: self.clock.now_ms(),
        };
        Ok(self.store.insert_import(&info, &self.data_dir.below(&folder)).await?)
    }

    /// Removes an imported checkpoint with its files.
    ///
    /// # Errors
    /// When a study starts from it or restores with it, there is none of that name, or its files cannot be removed.
    pub async fn remove_import(&self, name: &str) -> Result<(), CheckpointError> {
        // The folder has the name in its original spelling.
        let name = self.store.get_import(name).await?.name;
        let folder = self.data_dir.below(&self.data_dir.checkpoint_folder(&name));
        self.store.delete_import(&name, &folder).await?;
        self.remove_files(vec![folder]).await.map_err(|error| match error {
            LeftOver::Store(error) => error.into(),
            LeftOver::File { .. } => CheckpointError::Internal(format!("{error}")),
        })
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
        if !row.point.kind.makes_encoder() {
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
        let file = self.data_dir.folder(&self.store.run_folder(row.id).await?).join(told);
        check_kept(row, &file)?;
        Ok(file)
    }
}

/// Checks that a run's checkpoint was not removed by retention.
pub(super) fn check_kept(row: &RunRow, file: &Path) -> Result<(), CheckpointError> {
    match row.tidied {
        Some(tidied) if !file.exists() => {
            let name = file.file_name().unwrap_or_default().display();
            Err(CheckpointError::Missing(format!(
                "the run's {name} was {tidied}, because nothing needed it any more; its results stay. To have it again, start its \
                 study afresh"
            )))
        }
        _ => Ok(()),
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

/// Reads the file and writes the checkpoint into the folder of a claim, which is given up if that fails.
fn keep(
    name: &str,
    path: &Path,
    options: &ImportOptions,
    claim: &Claim,
    now: u64,
) -> Result<ImportedCheckpoint, CheckpointError> {
    let imported = Imported::read(path, options).map_err(CheckpointError::Refused);
    let written = imported.and_then(|imported| {
        let mut info = describe(name.to_owned(), path, &imported);
        let texts = [("name", info.name.clone()), ("source", info.source.clone())];
        let file = claim.folder.join(LAST_CHECKPOINT);
        info.bytes = imported.save(&file, &texts).map_err(written)?;
        info.added_at = now;
        Ok(info)
    });
    if written.is_err() {
        claim.give_up()?;
    }
    written
}

/// An error of a file that is written.
fn written(error: EngineError) -> CheckpointError {
    match error {
        EngineError::File { path, source } => unwritten(path, source),
        other => CheckpointError::Internal(other.to_string()),
    }
}

fn unwritten(path: PathBuf, source: io::Error) -> CheckpointError {
    if is_full(&source) {
        StoreError::Disk { path, source }.into()
    } else {
        CheckpointError::Internal(format!("{}: {source}", path.display()))
    }
}

/// The folder of an import in progress. Its lock is held until the import has ended, also when its program is killed: what an
/// interrupted import left behind blocks no name.
struct Claim {
    folder: PathBuf,
    /// Whether a checkpoint lay there before, which somebody may want back.
    found_checkpoint: bool,
    _lock: File,
}

impl Claim {
    /// Claims a folder, which is created where it is missing. Of two concurrent imports under one name, only one continues.
    fn take(data_dir: &DataDir, folder: PathBuf) -> Result<Self, CheckpointError> {
        let lock = folder.join(IMPORT_LOCK);
        let opened = create_folder(&folder)
            .and_then(|()| File::options().create(true).append(true).open(&lock));
        let file = opened.map_err(|error| unwritten(folder.clone(), error))?;
        match file.try_lock() {
            Ok(()) => {
                let found_checkpoint = folder.join(LAST_CHECKPOINT).exists();
                if found_checkpoint && is_backed_up(data_dir) {
                    let message = "a backup is being made that has the checkpoint of this name that was removed; wait for it, or choose another name";
                    return Err(FieldError::new("name", message).into());
                }
                Ok(Self { folder, found_checkpoint, _lock: file })
            }
            Err(TryLockError::WouldBlock) => {
                let message =
                    "is being imported by another request; wait for it, or choose another name";
                Err(FieldError::new("name", message).into())
            }
            Err(TryLockError::Error(error)) => Err(unwritten(lock, error)),
        }
    }

    /// Removes the folder, unless it had a checkpoint before.
    fn give_up(&self) -> Result<(), CheckpointError> {
        let made =
            if self.found_checkpoint { self.folder.join(IMPORT_LOCK) } else { self.folder.clone() };
        remove(&made).map_err(|error| {
            CheckpointError::Internal(format!("{} stays: {error}", self.folder.display()))
        })
    }

    /// Ends the import: its checkpoint is in the store.
    fn keep(self) {
        // An empty file that stays does no harm.
        let _ = fs::remove_file(self.folder.join(IMPORT_LOCK));
    }
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

/// Runs long work on a thread where that is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CheckpointError> + Send + 'static,
) -> Result<T, CheckpointError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| CheckpointError::Internal(error.to_string()))?
}
