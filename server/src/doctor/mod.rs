//! Compares the database with the data folder, and mends what can be mended.
//!
//! | module | holds |
//! |---|---|
//! | `look` | what is compared |
//! | `runs` | takes in runs whose folders exist but which the database does not have |
//!
//! Nothing that may be somebody's result is removed: what is removed are files that were being written when a program was killed, files
//! of what was deleted, and copies that are made again.

mod look;
mod runs;

use std::{fs, io, path::PathBuf};

use engine::keys;
use serde::Serialize;
use shared::{
    Rgb8,
    api::{AddDataset, KeyInfo, PictureInfo},
};

use crate::{
    app::{
        App, checkpoints::CheckpointError, datasets::DatasetError, keys::sha256, removals::LeftOver,
    },
    store::StoreError,
};

pub use self::runs::FolderRun;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The database's file and the references between its rows.
    Database,
    /// Files that killed programs left behind.
    LeftOver,
    /// Folders of runs that the database does not have.
    FolderWithoutRun,
    /// Runs whose folder is missing.
    RunWithoutFolder,
    /// Checkpoints, resume files and kept features whose content is not what was written.
    DamagedFile,
    /// Uploaded key images.
    Key,
    /// Own pictures.
    Picture,
    /// Added data sets.
    Dataset,
    /// Imported checkpoints.
    Checkpoint,
}

impl Subject {
    /// A title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Database => "Database",
            Self::LeftOver => "Left behind by a program that was killed",
            Self::FolderWithoutRun => "Folders whose run the database does not have",
            Self::RunWithoutFolder => "Runs without their folder",
            Self::DamagedFile => "Damaged files",
            Self::Key => "Key images",
            Self::Picture => "Own pictures",
            Self::Dataset => "Data sets",
            Self::Checkpoint => "Imported checkpoints",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was compared.
    pub subject: Subject,
    /// The file, folder or name.
    pub what: String,
    /// What is wrong with it, and what follows from that.
    pub explanation: String,
    /// What mending does; absent when the program cannot mend it.
    pub mend: Option<&'static str>,
    /// Whether it was mended.
    pub mended: bool,
    #[serde(skip)]
    action: Action,
}

/// How something is mended.
#[derive(Clone, Debug)]
enum Action {
    Nothing,
    /// Removes a file.
    RemoveFile(PathBuf),
    /// Removes an empty folder.
    RemoveEmpty(PathBuf),
    /// Removes what killed programs left behind and what was deleted.
    Tidy,
    /// Takes a run in again.
    TakeInRun(Box<FolderRun>),
    /// Adds a key image of which there is a file.
    TakeInKey(PathBuf),
    /// Adds an own picture of which there is a file.
    TakeInPicture(PathBuf),
    /// Copies a key image from the folder of a run.
    RestoreKey {
        from: PathBuf,
        to: PathBuf,
    },
    /// Adds the folder of a data set again.
    AddDataset(AddDataset),
    /// Adds an imported checkpoint of which there is a file.
    TakeInCheckpoint(String),
}

impl Finding {
    fn new(subject: Subject, what: impl Into<String>, explanation: impl Into<String>) -> Self {
        let (what, explanation) = (what.into(), explanation.into());
        Self { subject, what, explanation, mend: None, mended: false, action: Action::Nothing }
    }

    fn mend_by(self, mend: &'static str, action: Action) -> Self {
        Self { mend: Some(mend), action, ..self }
    }
}

/// Something cannot be mended.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A deleted thing's file.
    #[error(transparent)]
    LeftOver(#[from] LeftOver),
    /// A data set.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// An imported checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Something else; the text says what.
    #[error("{0}")]
    Other(String),
}

/// Looks for everything that is wrong, in the order of [`Subject`]. Changes nothing.
///
/// # Errors
/// When the store fails.
pub async fn examine(app: &App) -> Result<Vec<Finding>, StoreError> {
    let mut findings = look::examine(app).await?;
    findings.sort_by_key(|finding| finding.subject);
    Ok(findings)
}

/// Mends findings of one subject; each that succeeds is marked as mended.
///
/// # Errors
/// The first error. The findings before it are mended.
pub async fn mend(app: &App, findings: &mut [&mut Finding]) -> Result<(), MendError> {
    let runs = findings.iter().filter_map(|finding| match &finding.action {
        Action::TakeInRun(run) => Some((**run).clone()),
        _ => None,
    });
    let runs: Vec<FolderRun> = runs.collect();
    if !runs.is_empty() {
        runs::take_in(app, runs).await?;
    }
    for finding in findings {
        match finding.action.clone() {
            Action::Nothing => continue,
            // Done above, together.
            Action::TakeInRun(_) => {}
            Action::RemoveFile(path) => {
                fs::remove_file(&path).map_err(|source| MendError::File { path, source })?;
            }
            Action::RemoveEmpty(path) => {
                fs::remove_dir(&path).map_err(|source| MendError::File { path, source })?;
            }
            // Looks again, because somebody may have begun to import meanwhile.
            Action::Tidy => drop(app.tidy().await?),
            Action::TakeInKey(path) => take_in_key(app, path).await?,
            Action::TakeInPicture(path) => take_in_picture(app, path).await?,
            Action::RestoreKey { from, to } => {
                let bytes = fs::read(&from)
                    .map_err(|source| MendError::File { path: from.clone(), source })?;
                engine::files::write(&to, &bytes)
                    .map_err(|source| MendError::File { path: to, source })?;
            }
            Action::AddDataset(request) => {
                app.add_dataset(request, ()).await?;
            }
            Action::TakeInCheckpoint(name) => {
                app.take_in_checkpoint(&name).await?;
            }
        }
        finding.mended = true;
    }
    Ok(())
}

/// The name of an upload whose name is lost.
const RECOVERED: &str = "Recovered image";

async fn take_in_key(app: &App, path: PathBuf) -> Result<(), MendError> {
    let (sha256, image) = uploaded(path)?;
    let key = KeyInfo {
        id: sha256.clone(),
        name: RECOVERED.into(),
        sha256,
        width: image.width() as u32,
        height: image.height() as u32,
        builtin: false,
    };
    Ok(app.store.insert_key(&key, app.clock.now_ms()).await?)
}

async fn take_in_picture(app: &App, path: PathBuf) -> Result<(), MendError> {
    let below = app.data_dir.below(&path);
    let (id, image) = uploaded(path)?;
    let picture = PictureInfo {
        id,
        name: RECOVERED.into(),
        width: image.width() as u32,
        height: image.height() as u32,
        added_at: app.clock.now_ms(),
    };
    app.store.insert_picture(&picture, &below).await?;
    Ok(())
}

/// The SHA-256 and the pixels of an uploaded image's file.
fn uploaded(path: PathBuf) -> Result<(String, Rgb8), MendError> {
    let file = fs::read(&path).map_err(|source| MendError::File { path, source })?;
    let image = keys::image(&file).map_err(|error| MendError::Other(error.to_string()))?;
    Ok((sha256(&file), image))
}
