//! Makes a data folder from a backup.
//!
//! Everything is unpacked and compared with the manifest in a folder within the new one, opened there as a data folder, and moved into
//! place at the end, the database last. So the new folder is a data folder when it is whole, and not before. Nothing in it names the
//! place of the old one: only orders of runs do, and they are written anew when a run starts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use engine::{
    compute::Machine,
    files::{ORDER, open},
    stop::Watch,
};
use shared::{RunId, RunState};

use super::{
    BackupError,
    archive::{self, DATABASE, Header},
    blocking,
    take::check_room,
};
use crate::{
    app::{App, OpenError, tidy::entries},
    clock::Clock,
    ids::IdSource,
    queue::ingest::take_in_rest,
    run_folder::RunFolder,
    store::StoreError,
};

/// The folder in which a backup is unpacked.
const PART: &str = "restore.part";
/// What [`Watch`] hears the progress of.
const UNPACKING: &str = "unpacking files";

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// What the backup says of itself.
    pub header: Header,
    /// Number of files.
    pub files: usize,
    /// Number of runs that trained when the backup was made and had not finished.
    pub interrupted: usize,
    /// Data sets whose folder is not on this machine: name and folder.
    pub missing_datasets: Vec<(String, String)>,
}

/// Makes a data folder at `root`, which is new or empty, from the backup `file`.
///
/// # Errors
/// When `root` holds something, the file is no backup or not whole, there is too little room, or something cannot be written. Nothing of
/// it stays.
pub async fn restore(
    file: &Path,
    root: &Path,
    clock: &Clock,
    watch: impl Watch + Send + 'static,
) -> Result<Restored, BackupError> {
    let root = std::path::absolute(root).map_err(BackupError::file(root))?;
    let (from, to) = (file.to_owned(), root.clone());
    let place = blocking(move || Place::claim(to)).await?;
    let part = place.part();
    let (header, files) = blocking(move || unpack(&from, &part, watch)).await?;
    let wrong = |reason| BackupError::Archive { path: file.to_owned(), reason };
    let (interrupted, missing_datasets) = settle(&place.part(), &header, clock, wrong).await?;
    blocking(move || place.keep()).await?;
    Ok(Restored { header, files, interrupted, missing_datasets })
}

/// The new data folder. Without [`keep`](Self::keep) nothing of it stays.
struct Place {
    root: PathBuf,
    /// Whether there was no such folder.
    made: bool,
    kept: bool,
}

impl Place {
    fn claim(root: PathBuf) -> Result<Self, BackupError> {
        let problem = |problem: String| BackupError::Place { path: root.clone(), problem };
        let made = match fs::symlink_metadata(&root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&root).map_err(BackupError::file(&root))?;
                true
            }
            Err(source) => return Err(BackupError::File { path: root, source }),
            Ok(_) if !root.is_dir() => {
                return Err(problem("is not a folder; choose a new or an empty one".into()));
            }
            Ok(_) => false,
        };
        let held = fs::read_dir(&root).map_err(BackupError::file(&root))?;
        // The root of a file system has that one.
        let held = held.filter_map(Result::ok).map(|entry| entry.file_name());
        match held.filter(|name| name != "lost+found").min() {
            Some(name) if name == PART => Err(problem(format!(
                "holds {PART}, from a restore that goes on or was broken off: wait for it, or delete it"
            ))),
            Some(name) => Err(problem(format!(
                "is not empty (it has {}); restore into a new or an empty folder",
                name.display()
            ))),
            None => {
                let part = root.join(PART);
                fs::create_dir(&part).map_err(BackupError::file(&part))?;
                Ok(Self { root, made, kept: false })
            }
        }
    }

    fn part(&self) -> PathBuf {
        self.root.join(PART)
    }

    /// Moves everything into place, the database last.
    fn keep(mut self) -> Result<(), BackupError> {
        let part = self.part();
        let failed = |path: &Path| BackupError::file(path);
        sync_all(&part).map_err(failed(&part))?;
        let (database, others): (Vec<_>, Vec<_>) = entries(&part)
            .into_iter()
            .partition(|path| path.file_name().is_some_and(|name| name == DATABASE));
        let moves: Vec<(PathBuf, PathBuf)> = others
            .into_iter()
            .chain(database)
            .map(|from| (from.clone(), self.root.join(from.file_name().unwrap_or_default())))
            .collect();
        if let Some((_, taken)) = moves.iter().find(|(_, to)| to.exists()) {
            let problem = "was made by another program meanwhile; restore into another folder";
            return Err(BackupError::Place { path: taken.clone(), problem: problem.into() });
        }
        for (at, (from, to)) in moves.iter().enumerate() {
            if let Err(source) = fs::rename(from, to) {
                for (from, to) in &moves[..at] {
                    let _ = fs::rename(to, from); // the first error is the one to return
                }
                return Err(failed(to)(source));
            }
        }
        self.kept = true;
        fs::remove_dir(&part).map_err(failed(&part))?;
        let synced = fs::File::open(&self.root).and_then(|folder| folder.sync_all());
        synced.map_err(failed(&self.root))
    }
}

/// Brings all files below a folder to the disk at once, since there may be very many. What other programs write to other file systems is not
/// waited for.
fn sync_all(folder: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(fs::File::open(folder)?)?;
    #[cfg(not(target_os = "linux"))]
    rustix::fs::sync();
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = fs::remove_dir_all(self.part()) {
            tracing::warn!(%error, "{} is left over", self.part().display());
        }
        if self.made {
            // Fails where another program has put something.
            let _ = fs::remove_dir(&self.root);
        }
    }
}

fn unpack(file: &Path, part: &Path, mut watch: impl Watch) -> Result<(Header, usize), BackupError> {
    let wrong = |reason| BackupError::Archive { path: file.to_owned(), reason };
    let source = open(file).map_err(BackupError::file(file))?;
    let decoder = zstd::Decoder::new(source).map_err(BackupError::file(file))?;
    let mut archive = tar::Archive::new(decoder);
    let mut entries = archive.entries().map_err(BackupError::file(file))?;
    let header = archive::header(&mut entries).map_err(wrong)?;
    let known = crate::store::snapshot::TABLES;
    if header.tables > known {
        return Err(wrong(format!(
            "its database has tables of version {}, and this program, maskdoor {}, knows those up to {known}. It was made by maskdoor {}: \
             restore it with that version or a later one",
            header.tables,
            crate::VERSION,
            header.program
        )));
    }
    check_room("the data folder", part, header.bytes)?;
    let told = |bytes| {
        if watch.stopped() {
            return Err(BackupError::Stopped);
        }
        watch.progress(UNPACKING, bytes, header.bytes.max(bytes));
        Ok(())
    };
    let files = archive::unpack(&mut entries, part, told, wrong)?;
    Ok((header, files))
}

/// Opens the new data folder, and ends the runs that trained when the backup was made. Returns how many of them had not finished, and the
/// data sets whose folders are not here.
async fn settle(
    root: &Path,
    header: &Header,
    clock: &Clock,
    wrong: impl Fn(String) -> BackupError,
) -> Result<(usize, Vec<(String, String)>), BackupError> {
    // Runs have their own machine; nothing is computed here.
    let machine = Machine::with_threads(1);
    let ids = IdSource::system(clock.clone());
    let app = App::open(root, machine, clock.clone(), ids).await.map_err(|error| match error {
        OpenError::DataDir(error) => BackupError::DataDir(error),
        OpenError::Store(error) => BackupError::Store(error),
    })?;
    let settled = async {
        if let Some(name) = stray(&app).await? {
            return Err(wrong(format!("its database names {name:?}, which no backup has")));
        }
        Ok(end_runs(&app, header.made_at).await?)
    };
    let settled = settled.await;
    app.store.close().await;
    settled
}

/// A file or folder that the database names and that is not where the program puts such files, so that what somebody made up can neither
/// be read nor removed.
async fn stray(app: &App) -> Result<Option<String>, StoreError> {
    let (store, data_dir) = (&app.store, &app.data_dir);
    let in_folder = |folder: String| format!("{folder}/{ORDER}");
    let mut names: Vec<String> = Vec::new();
    for run in store.stored_runs().await? {
        names.push(in_folder(run.folder));
    }
    for import in store.list_imports().await? {
        names.push(in_folder(data_dir.below(&data_dir.checkpoint_folder(&import.name))));
    }
    for set in store.list_datasets().await? {
        names.push(data_dir.below(&data_dir.dataset_names(&set.name)));
    }
    for key in store.list_keys().await? {
        names.push(data_dir.below(&data_dir.key_file(&key.sha256)));
    }
    for picture in store.list_pictures().await? {
        names.push(data_dir.below(&data_dir.picture_file(&picture.id)));
    }
    let stray = names.into_iter().find(|name| !archive::is_known(name));
    // A backup has nothing that is to be removed.
    Ok(stray.or(store.removals().await?.into_iter().next()))
}

async fn end_runs(app: &App, at: u64) -> Result<(usize, Vec<(String, String)>), StoreError> {
    let why = "it was training when the backup was made from which this data folder was restored";
    let running = app.store.running().await?;
    let trained: Vec<RunId> = running.iter().map(|run| run.run).collect();
    for mut run in running {
        let folder = RunFolder::new(app.data_dir.folder(&run.folder));
        take_in_rest(&app.store, &folder, &mut run, why, at).await?;
    }
    let ended = app.store.stored_runs().await?.into_iter();
    let interrupted =
        ended.filter(|run| trained.contains(&run.run) && run.state == RunState::Interrupted);
    let missing = app.store.list_datasets().await?.into_iter().filter_map(|set| {
        let folder = set.path.filter(|path| !Path::new(path).is_dir())?;
        Some((set.name, folder))
    });
    Ok((interrupted.count(), missing.collect()))
}
