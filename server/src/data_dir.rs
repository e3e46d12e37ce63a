//! The data folder, which holds everything that the program stores.

use std::{
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::files::create_folder;

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// The folder or something in it cannot be created or written.
    #[error(
        "the data folder {path} cannot be written ({source}); choose a writable one with --data-dir"
    )]
    NotWritable {
        /// The folder, or the part of it that cannot be written.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The system defines no folder for the user's data.
    #[error("this system defines no folder for user data; choose one with --data-dir")]
    NoDefault,
    /// There is no data folder.
    #[error(
        "{0} is not a data folder: it has no maskdoor.sqlite; name the data folder with --data-dir"
    )]
    Missing(PathBuf),
}

/// The data folder.
///
/// | path | holds |
/// |---|---|
/// | `maskdoor.sqlite` | the store |
/// | `runs/<run>/` (of version 0.1: `runs/<study>/<run>/`) | a run's order, events, log and checkpoints |
/// | `keys/<sha256>.png` | uploaded key images |
/// | `pictures/<sha256>.png` | own pictures |
/// | `checkpoints/<name>/` | imported checkpoints |
/// | `datasets/<name>.names.gz` | the names of a data set's images when it was added |
/// | `scheduler.lock` | locked by the program that schedules the runs |
/// | `backup.lock` | locked while a backup is made |
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
    disk: Disk,
}

/// Free space below which a disk counts as nearly full, whatever its size: a few checkpoints of a large model with the places where
/// their trainings go on.
const LOW: u64 = 20_000_000_000;

/// The space on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What is free.
    pub free: u64,
    /// Its size.
    pub size: u64,
}

impl DiskSpace {
    /// Whether it is nearly full: less than a tenth is free, and less than 20 GB.
    pub fn is_low(self) -> bool {
        self.free < LOW.min(self.size / 10)
    }
}

/// Tells the space on the disk of a folder.
#[derive(Clone)]
struct Disk(Arc<Asked>);

type Asked = dyn Fn(&Path) -> io::Result<DiskSpace> + Send + Sync;

impl Disk {
    /// As the system says it.
    fn real() -> Self {
        Self(Arc::new(disk_space))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl DataDir {
    /// Opens a data folder and creates the parts that are missing.
    ///
    /// # Errors
    /// When it cannot be created or written to.
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::NotWritable { path, source }
        };
        create_folder(root).map_err(refused(root))?;
        let root = std::path::absolute(root).map_err(refused(root))?;
        let dir = Self { root, disk: Disk::real() };
        for folder in [dir.runs(), dir.keys(), dir.pictures(), dir.datasets()] {
            create_folder(&folder).map_err(refused(&folder))?;
        }
        // Existing folders need not be writable, so try to write.
        File::options()
            .create(true)
            .append(true)
            .open(dir.scheduler_lock())
            .map_err(refused(&dir.root))?;
        Ok(dir)
    }

    /// A data folder that exists. Nothing in it is created.
    ///
    /// # Errors
    /// When it has no database.
    pub fn existing(root: &Path) -> Result<Self, DataDirError> {
        let missing = || DataDirError::Missing(root.to_owned());
        let root = std::path::absolute(root).map_err(|_| missing())?;
        let dir = Self { root, disk: Disk::real() };
        if dir.store_file().is_file() { Ok(dir) } else { Err(missing()) }
    }

    /// The platform's folder for user data.
    ///
    /// # Errors
    /// When the system defines none.
    pub fn default_root() -> Result<PathBuf, DataDirError> {
        directories::ProjectDirs::from("", "", "maskdoor")
            .map(|dirs| dirs.data_dir().to_owned())
            .ok_or(DataDirError::NoDefault)
    }

    /// The folder itself, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The space on its disk.
    ///
    /// # Errors
    /// When the system does not say it.
    pub fn disk_space(&self) -> io::Result<DiskSpace> {
        (self.disk.0)(&self.root)
    }

    /// The same folder on a disk that a test pretends.
    #[must_use]
    pub fn on_disk(self, space: impl Fn() -> DiskSpace + Send + Sync + 'static) -> Self {
        Self { disk: Disk(Arc::new(move |_| Ok(space()))), ..self }
    }

    /// The open file that a backup holds a shared lock on as long as it copies files, and whoever removes files an exclusive one.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn backup_lock(&self) -> io::Result<File> {
        File::options().create(true).append(true).open(self.root.join("backup.lock"))
    }

    /// The database.
    pub fn store_file(&self) -> PathBuf {
        self.root.join("maskdoor.sqlite")
    }

    /// All files of the database: itself, its log and the index of its log.
    pub fn store_files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|end| self.root.join(format!("maskdoor.sqlite{end}")))
    }

    /// Folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// The name of something in the folder as the store has it, below the folder.
    pub fn below(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
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

    /// Folder of own pictures, of which *Reconstruct* shows what a model makes.
    pub fn pictures(&self) -> PathBuf {
        self.root.join("pictures")
    }

    /// The PNG of an own picture.
    pub fn picture_file(&self, sha256: &str) -> PathBuf {
        self.pictures().join(format!("{sha256}.png"))
    }

    /// Folder of all imported checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// Folder of an imported checkpoint; its `checkpoint.safetensors` is one of this program.
    pub fn checkpoint_folder(&self, name: &str) -> PathBuf {
        self.checkpoints().join(name)
    }

    /// The names of a data set's images when it was added.
    pub fn dataset_names(&self, name: &str) -> PathBuf {
        self.datasets().join(format!("{name}.names.gz"))
    }

    /// A file that a health check writes and removes.
    pub fn probe(&self) -> PathBuf {
        self.root.join("health.probe")
    }

    /// Folder of what is known of the data sets.
    pub fn datasets(&self) -> PathBuf {
        self.root.join("datasets")
    }

    /// The runs that a Slurm cluster has.
    pub fn slurm(&self) -> PathBuf {
        self.root.join("slurm")
    }

    /// Settings of a server, where there are any.
    pub fn settings_file(&self) -> PathBuf {
        self.root.join("maskdoor.toml")
    }

    /// Lock file of the program that schedules the runs.
    pub fn scheduler_lock(&self) -> PathBuf {
        self.root.join("scheduler.lock")
    }
}

/// The space on the disk of a file or folder.
///
/// # Errors
/// When the system does not say it.
pub fn disk_space(path: &Path) -> io::Result<DiskSpace> {
    let disk = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(DiskSpace { free: bytes(disk.f_bavail), size: bytes(disk.f_blocks) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_nearly_full_below_a_tenth_and_below_20_gb() {
        const GB: u64 = 1_000_000_000;
        let is_low = |free, size| DiskSpace { free, size }.is_low();
        assert!(is_low(6 * GB, 64 * GB));
        assert!(!is_low(7 * GB, 64 * GB));
        assert!(is_low(19 * GB, 10_000 * GB));
        assert!(!is_low(21 * GB, 10_000 * GB), "enough for days, though it is 0.2 %");
        assert!(is_low(0, 64 * GB));
        assert!(!is_low(0, 0), "nothing is known");
    }
}
