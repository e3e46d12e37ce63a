//! The data folder: where everything lies that the program keeps.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The folder or something in it cannot be made or written.
    #[error(
        "the data folder {path} cannot be written ({source}); give one that can with --data-dir"
    )]
    NotWritable {
        /// The folder, or the part of it that refused.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system names no folder for the user's data.
    #[error("this system names no folder for a user's data; give one with --data-dir")]
    NoDefault,
}

/// The data folder.
///
/// | path | holds |
/// |---|---|
/// | `maskdoor.sqlite` | the store |
/// | `runs/<run>/` (of version 0.1: `runs/<study>/<run>/`) | a run's order, events, log and checkpoints |
/// | `keys/<sha256>.png` | uploaded key images |
/// | `checkpoints/<name>/` | imported checkpoints |
/// | `scheduler.lock` | held by the program that hands out the runs |
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

impl DataDir {
    /// Opens a data folder and makes what is missing of it.
    ///
    /// # Errors
    /// When it cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::NotWritable { path, source }
        };
        fs::create_dir_all(root).map_err(refused(root))?;
        let root = std::path::absolute(root).map_err(refused(root))?;
        let dir = Self { root };
        for folder in [dir.runs(), dir.keys()] {
            fs::create_dir_all(&folder).map_err(refused(&folder))?;
        }
        // Folders that exist say nothing of whether files can be written: try it.
        File::options()
            .create(true)
            .append(true)
            .open(dir.scheduler_lock())
            .map_err(refused(&dir.root))?;
        Ok(dir)
    }

    /// The folder that the platform has for the user's data.
    ///
    /// # Errors
    /// When the system names none.
    pub fn default_root() -> Result<PathBuf, DataDirError> {
        directories::ProjectDirs::from("", "", "maskdoor")
            .map(|dirs| dirs.data_dir().to_owned())
            .ok_or(DataDirError::NoDefault)
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn store_file(&self) -> PathBuf {
        self.root.join("maskdoor.sqlite")
    }

    /// Folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// A run's folder, from its name in the store.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Folder of the uploaded key images.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The PNG of an uploaded key image.
    pub fn key_file(&self, sha256: &str) -> PathBuf {
        self.keys().join(format!("{sha256}.png"))
    }

    /// Folder of an imported checkpoint; its `checkpoint.safetensors` is one of this program.
    pub fn checkpoint_folder(&self, name: &str) -> PathBuf {
        self.root.join("checkpoints").join(name)
    }

    /// File whose lock the program holds that hands out the runs.
    pub fn scheduler_lock(&self) -> PathBuf {
        self.root.join("scheduler.lock")
    }
}
