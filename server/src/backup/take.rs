//! Makes a backup of a data folder that programs may be using.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use engine::{
    files::{is_left_over, part},
    stop::Watch,
};
use serde::Serialize;

use super::{
    BackupError,
    archive::{DATABASE, FORMAT, Header, Writer},
    blocking,
    cut::{self, Contents, Taken},
};
use crate::{
    app::{removals::remove_listed, tidy::entries},
    clock::Clock,
    data_dir::{DataDir, DiskSpace, disk_space},
    store::{Store, snapshot},
};

/// What [`Watch`] hears the progress of.
const COPYING: &str = "copying files";

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of studies.
    pub studies: u64,
    /// Number of runs.
    pub runs: u64,
    /// Number of files.
    pub files: usize,
    /// Bytes of the files.
    pub bytes: u64,
    /// Bytes of the backup.
    pub archive_bytes: u64,
    /// Folders of runs that the database does not have, which are not in the backup.
    pub unknown_folders: Vec<String>,
}

/// Makes a backup of a data folder as `file`; a file of that name is replaced when the new one is whole. Of the data folder nothing is
/// changed, except that files of what is deleted meanwhile are removed at the end only.
///
/// # Errors
/// When the folder is none or cannot be read, there is too little room, or the file cannot be written. No part of the file stays.
pub async fn take(
    data_dir: &DataDir,
    file: &Path,
    with_checkpoints: bool,
    clock: &Clock,
    watch: impl Watch + Send + 'static,
) -> Result<Report, BackupError> {
    let file = std::path::absolute(file).map_err(BackupError::file(file))?;
    let folder = place_of(&file)?;
    tidy_beside(&file, &folder, clock.now_ms());
    let lock = lock(data_dir).await?;

    let scratch = Scratch::create(&file)?;
    let database = scratch.path.join(DATABASE);
    let made_at = clock.now_ms();
    let size = |path: PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    let store_file = data_dir.store_file();
    // The log holds what is not yet in the file.
    let stored = size(store_file.clone()) + size(store_file.with_extension("sqlite-wal"));
    check_room("a copy of the database", &folder, stored)?;
    let snapshot = snapshot::copy(&store_file, &database).await?;

    // The backup has the tables as they are; only a copy is upgraded, to be read.
    let readable = if snapshot.is_current {
        database.clone()
    } else {
        let upgraded = scratch.path.join("upgraded.sqlite");
        check_room("a copy of the database", &folder, 2 * size(database.clone()))?;
        fs::copy(&database, &upgraded).map_err(BackupError::file(&upgraded))?;
        upgraded
    };
    let store = Store::open_copy(&readable).await?;
    let contents = Contents::of(&store).await?;
    store.close().await;

    let (source, target) = (data_dir.clone(), file.clone());
    let (contents, mut report) = blocking(move || {
        let bytes = size(database.clone()) + contents.bytes(&source, with_checkpoints);
        check_room("the backup", &folder, bytes)?;
        let header = Header {
            format: FORMAT,
            program: crate::VERSION.to_owned(),
            tables: snapshot.tables,
            made_at,
            studies: contents.studies,
            runs: contents.runs.len() as u64,
            bytes,
            without_checkpoints: !with_checkpoints,
        };
        let writer = Writer::create(&target, &header)?;
        let mut copy = Copy { data_dir: &source, writer, watch, total: bytes };
        copy.everything(&database, &contents, with_checkpoints)?;
        let report = Report {
            studies: header.studies,
            runs: header.runs,
            files: copy.writer.files(),
            bytes: copy.writer.bytes,
            archive_bytes: 0,
            unknown_folders: Vec::new(),
        };
        copy.writer.finish()?;
        // Until here: it has the copy of the database.
        drop(scratch);
        Ok((contents, report))
    })
    .await?;
    report.archive_bytes = fs::metadata(&file).map_err(BackupError::file(&file))?.len();
    drop(lock);

    if snapshot.is_current {
        let store = Store::open(&store_file).await?;
        let listed = store.removals().await?;
        if let Err(error) = remove_listed(&store, data_dir, listed).await {
            tracing::warn!(%error, "something that was deleted is left over");
        }
        let since = store.stored_runs().await?;
        let deleted = store.deleted_folders().await?;
        report.unknown_folders = contents.unknown_folders(data_dir, &since, &deleted);
        store.close().await;
    }
    Ok(report)
}

/// The folder of the backup.
fn place_of(file: &Path) -> Result<PathBuf, BackupError> {
    let wrong = |path: &Path, problem: &str| BackupError::Place {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    if file.is_dir() {
        return Err(wrong(file, "is a folder; name a file in it, such as maskdoor.tar.zst"));
    }
    match file.parent() {
        Some(folder) if folder.is_dir() => Ok(folder.to_owned()),
        Some(folder) => Err(wrong(folder, "is not a folder; make it, or choose another place")),
        None => Err(wrong(file, "is not a file's name")),
    }
}

/// Removes what a backup under this name left that was killed.
fn tidy_beside(file: &Path, folder: &Path, now: u64) {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for path in entries(folder) {
        let other = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // The middle of a temporary name has no further dot.
        let is_its = other
            .strip_prefix(&name)
            .and_then(|end| end.strip_prefix('.')?.strip_suffix(".part"))
            .is_some_and(|middle| !middle.contains('.'));
        if is_its
            && is_left_over(&path, now).unwrap_or(false)
            && let Err(error) = crate::app::removals::remove(&path)
        {
            tracing::warn!(%error, "{} is left over", path.display());
        }
    }
}

/// Waits until nobody removes files of the data folder, and keeps others from it as long as the lock is open.
async fn lock(data_dir: &DataDir) -> Result<Option<File>, BackupError> {
    let data_dir = data_dir.clone();
    blocking(move || {
        let file = data_dir.backup_lock().map_err(BackupError::file(data_dir.root()))?;
        match file.lock_shared() {
            Ok(()) => Ok(Some(file)),
            // Nobody can hold a lock there.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(source) => Err(BackupError::File { path: data_dir.root().to_owned(), source }),
        }
    })
    .await
}

pub(super) fn check_room(
    what: &'static str,
    folder: &Path,
    needed: u64,
) -> Result<(), BackupError> {
    match disk_space(folder) {
        Ok(DiskSpace { free, .. }) if free < needed => {
            Err(BackupError::Space { what, path: folder.to_owned(), needed, free })
        }
        // Where the system does not say it, the disk will.
        _ => Ok(()),
    }
}

/// A folder beside the backup for the copy of the database, removed with this value.
struct Scratch {
    path: PathBuf,
    _lock: Option<File>,
}

impl Scratch {
    fn create(file: &Path) -> Result<Self, BackupError> {
        let path = part(file);
        fs::create_dir(&path).map_err(BackupError::file(&path))?;
        // Tells others that it is in use.
        let lock = File::open(&path).ok().filter(|folder| folder.try_lock().is_ok());
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "{} is left over", self.path.display());
        }
    }
}

/// Copies files into the backup.
struct Copy<'a, W> {
    data_dir: &'a DataDir,
    writer: Writer,
    watch: W,
    total: u64,
}

impl<W: Watch> Copy<'_, W> {
    fn everything(
        &mut self,
        database: &Path,
        contents: &Contents,
        with_checkpoints: bool,
    ) -> Result<(), BackupError> {
        self.file(DATABASE, Taken::later(database.to_owned()))?;
        for run in &contents.runs {
            let folder = self.data_dir.folder(&run.folder);
            let files = cut::of_run(&folder, run, with_checkpoints);
            for file in files.map_err(BackupError::file(&folder))? {
                self.file(&format!("{}/{}", run.folder, file.name), file)?;
            }
        }
        for file in contents.imports(self.data_dir) {
            self.file(&self.data_dir.below(&file.path), file)?;
        }
        // The names of a data set are written after its entry in the database: last, so that they are there.
        for path in contents.single_files(self.data_dir) {
            self.file(&self.data_dir.below(&path), Taken::later(path))?;
        }
        Ok(())
    }

    fn file(&mut self, name: &str, mut file: Taken) -> Result<(), BackupError> {
        if self.watch.stopped() {
            return Err(BackupError::Stopped);
        }
        if let Some((open, length)) = file.cut()? {
            self.writer.add(name, &file.path, open, length)?;
            self.watch.progress(COPYING, self.writer.bytes, self.total.max(self.writer.bytes));
        }
        Ok(())
    }
}
