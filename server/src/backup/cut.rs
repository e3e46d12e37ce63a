//! Which files a backup takes, and up to where.
//!
//! Of a run that trains, the events are taken up to the last whole line, and the state that it resumes from is opened before them: it
//! needs the events before it. The events must also be those of the attempt that the database knows, since a run may have been queued
//! again after the database was copied.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, Metadata},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use engine::files::{
    self, EVENTS, LOCK, PAUSE, RESUME, RESUME_BEFORE, earlier_events, events_of_attempt, is_part,
};
use shared::RunState;

use super::BackupError;
use crate::{
    app::{checkpoints::IMPORT_LOCK, tidy::entries},
    audit,
    data_dir::DataDir,
    run_log::CSV_FILE,
    store::{Store, StoreError, check::StoredRun},
};

/// What the database names.
#[derive(Debug)]
pub(super) struct Contents {
    pub runs: Vec<StoredRun>,
    pub studies: u64,
    keys: Vec<String>,
    pictures: Vec<String>,
    datasets: Vec<String>,
    imports: Vec<String>,
}

impl Contents {
    pub async fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            runs: store.stored_runs().await?,
            studies: store.count_studies().await?,
            keys: store.list_keys().await?.into_iter().map(|key| key.sha256).collect(),
            pictures: store.list_pictures().await?.into_iter().map(|picture| picture.id).collect(),
            datasets: store.list_datasets().await?.into_iter().map(|set| set.name).collect(),
            imports: store.list_imports().await?.into_iter().map(|import| import.name).collect(),
        })
    }

    /// Bytes of all files that are taken, as they are now.
    pub fn bytes(&self, data_dir: &DataDir, with_checkpoints: bool) -> u64 {
        let mut linked = HashSet::new();
        let mut count = |path: &Path| match fs::symlink_metadata(path) {
            Ok(file) if file.is_file() && (file.nlink() == 1 || linked.insert(number(&file))) => {
                file.len()
            }
            _ => 0,
        };
        let mut sum: u64 = self.single_files(data_dir).iter().map(|path| count(path)).sum();
        for run in &self.runs {
            let files = entries(&data_dir.folder(&run.folder));
            let taken = files.iter().filter(|path| is_taken(path, with_checkpoints));
            sum += taken.map(|path| count(path)).sum::<u64>();
        }
        let imports = self.imports(data_dir);
        sum + imports.iter().map(|file| count(&file.path)).sum::<u64>()
    }

    /// Files that are taken one by one: the record of changes, key images, own pictures, names of images.
    pub fn single_files(&self, data_dir: &DataDir) -> Vec<PathBuf> {
        let audit = data_dir.root().join(audit::FILE);
        // What is put aside meanwhile has both names.
        let mut paths = vec![audit.clone(), audit.with_extension("log.1")];
        paths.extend(self.keys.iter().map(|key| data_dir.key_file(key)));
        paths.extend(self.pictures.iter().map(|picture| data_dir.picture_file(picture)));
        paths.extend(self.datasets.iter().map(|name| data_dir.dataset_names(name)));
        paths
    }

    /// The files of imported checkpoints. None is replaced while a backup is made (`app/checkpoints.rs`).
    pub fn imports(&self, data_dir: &DataDir) -> Vec<Taken> {
        let folders = self.imports.iter().map(|name| data_dir.checkpoint_folder(name));
        let files = folders.flat_map(|folder| entries(&folder));
        files.filter(|path| is_taken(path, true)).map(Taken::later).collect()
    }

    /// Folders in `runs/` that hold the order of a run which neither this copy of the database nor the list `since` has, and which is not
    /// `deleted`.
    pub fn unknown_folders(
        &self,
        data_dir: &DataDir,
        since: &[StoredRun],
        deleted: &[String],
    ) -> Vec<String> {
        let runs = self.runs.iter().chain(since).map(|run| run.folder.as_str());
        let known: BTreeSet<&str> = runs.chain(deleted.iter().map(String::as_str)).collect();
        let folders = crate::app::tidy::subfolders(&data_dir.runs());
        let orders = folders.iter().filter(|folder| folder.join(files::ORDER).exists());
        let names = orders.map(|folder| data_dir.below(folder));
        names.filter(|name| !known.contains(name.as_str())).collect()
    }
}

/// A file that a backup takes.
#[derive(Debug)]
pub(super) struct Taken {
    /// Where it is now.
    pub path: PathBuf,
    /// Its name in its folder.
    pub name: String,
    /// The open file, where it had to be opened before others.
    open: Option<File>,
}

impl Taken {
    /// A file that is opened when it is copied.
    pub fn later(path: PathBuf) -> Self {
        Self { name: name_of(&path), path, open: None }
    }

    fn open(path: PathBuf, file: File) -> Self {
        Self { name: name_of(&path), path, open: Some(file) }
    }

    /// The file and how many of its bytes are taken; `None` when it is gone or no regular file.
    pub fn cut(&mut self) -> Result<Option<(File, u64)>, BackupError> {
        let failed = |source| BackupError::File { path: self.path.clone(), source };
        let file = match self.open.take() {
            Some(file) => file,
            // Somebody may have put a link or a pipe there.
            None => match fs::symlink_metadata(&self.path) {
                Ok(found) if found.is_file() => match present(File::open(&self.path)) {
                    Ok(Some(file)) => file,
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(failed(error)),
                },
                Ok(_) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
            },
        };
        let length = file.metadata().map_err(failed)?.len();
        let length = if has_lines(&self.name) {
            whole_lines(&file, length).map_err(failed)?
        } else {
            length
        };
        Ok(Some((file, length)))
    }
}

/// The files of a run's folder, as far as the database's copy knows the run. Empty when there is no folder.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn of_run(
    folder: &Path,
    run: &StoredRun,
    with_checkpoints: bool,
) -> io::Result<Vec<Taken>> {
    let mut taken = Vec::new();
    if with_checkpoints {
        for name in [RESUME, RESUME_BEFORE] {
            let path = folder.join(name);
            if let Some(file) = present(File::open(&path))? {
                taken.push(Taken::open(path, file));
            }
        }
    }
    let live = present(File::open(folder.join(EVENTS)))?;
    let Some(earlier) = present(earlier_events(folder))? else { return Ok(taken) };
    taken.extend(events(folder, run, live, earlier)?);

    // After the events, so that the files that they name are there.
    let opened: BTreeSet<PathBuf> = taken.iter().map(|file| file.path.clone()).collect();
    let rest = entries(folder).into_iter().filter(|path| {
        !opened.contains(path) && !is_events(&name_of(path)) && is_taken(path, with_checkpoints)
    });
    taken.extend(rest.map(Taken::later));
    // One that was open may have been replaced, or left out since.
    let mut names = BTreeSet::new();
    taken.retain(|file| names.insert(file.name.clone()));
    Ok(taken)
}

/// The event files, each under the name that it has for the database's copy. `live` was opened before `earlier` was listed.
fn events(
    folder: &Path,
    run: &StoredRun,
    live: Option<File>,
    earlier: Vec<(u32, PathBuf)>,
) -> io::Result<Vec<Taken>> {
    let mut files: Vec<(u32, Taken)> = Vec::new();
    let mut live = live;
    for (attempt, path) in earlier {
        let Some(file) = present(File::open(&path))? else { continue };
        // It was put aside after it was opened.
        if let Some(same) = &live
            && number(&same.metadata()?) == number(&file.metadata()?)
        {
            live = None;
        }
        files.push((attempt, Taken::open(path, file)));
    }
    let (known, started) = (run.attempt, run.state != RunState::Queued);
    // The database takes events in from here; those of a queued run are put aside when it starts.
    let current = if started { known } else { known.saturating_sub(1) };
    let latest = files.iter().map(|(attempt, _)| *attempt).max().unwrap_or(0);
    if let Some(file) = live {
        let attempt = current.max(latest + 1);
        files.push((attempt, Taken::open(folder.join(EVENTS), file)));
    }
    Ok(files
        .into_iter()
        .map(|(attempt, file)| {
            // Events of later attempts are kept as those of earlier ones are: a training may go on from them.
            let name =
                if attempt == current { EVENTS.to_owned() } else { events_of_attempt(attempt) };
            Taken { name, ..file }
        })
        .collect())
}

/// Bytes up to the end of the last whole line.
fn whole_lines(file: &File, length: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let (mut file, mut end) = (file, length);
    let mut bytes = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        bytes.clear();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(&mut file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|&byte| byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    file.rewind()?;
    Ok(end)
}

/// Whether a file grows line by line.
fn has_lines(name: &str) -> bool {
    is_events(name) || name == CSV_FILE || name.starts_with(audit::FILE)
}

/// Whether a file of a run or an imported checkpoint is taken. Not taken are locks, what is being written, and features, which are computed
/// again when they are needed.
fn is_taken(path: &Path, with_checkpoints: bool) -> bool {
    let name = name_of(path);
    let of_process = [LOCK, PAUSE, IMPORT_LOCK].contains(&name.as_str());
    let is_weights = name.ends_with(".safetensors");
    !of_process
        && !is_part(&name)
        && !(is_weights && (name.starts_with("features-") || !with_checkpoints))
}

fn is_events(name: &str) -> bool {
    let middle = name.strip_prefix("events-").and_then(|name| name.strip_suffix(".jsonl"));
    name == EVENTS || middle.is_some_and(|attempt| attempt.parse::<u32>().is_ok())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Device and inode.
pub(super) fn number(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// `None` for what does not exist.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use shared::{RunId, RunKind};

    use super::*;

    fn run(attempt: u32, state: RunState) -> StoredRun {
        let run = RunId::from_parts(0, [7; 10]);
        StoredRun {
            run,
            folder: "runs/a".into(),
            kind: RunKind::Pretrain,
            state,
            attempt,
            key: None,
            is_tidied: false,
        }
    }

    /// The names and contents of what is taken of a folder with these files.
    fn taken(
        files: &[(&str, &str)],
        run: &StoredRun,
        with_checkpoints: bool,
    ) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let files = of_run(folder.path(), run, with_checkpoints).unwrap();
        let mut found: Vec<_> = files
            .into_iter()
            .map(|mut taken| {
                let (file, length) = taken.cut().unwrap().unwrap();
                let mut content = String::new();
                file.take(length).read_to_string(&mut content).unwrap();
                (taken.name, content)
            })
            .collect();
        found.sort();
        found
    }

    /// The same for event files alone: name and content.
    fn events_of(files: &[(&str, &str)], attempt: u32, state: RunState) -> Vec<(String, String)> {
        taken(files, &run(attempt, state), true)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, content)| ((*name).into(), (*content).into())).collect()
    }

    #[test]
    fn events_end_with_a_line_and_are_those_of_the_attempt_that_the_database_knows() {
        use RunState::{Interrupted, Queued, Running};
        let (one, two, three) = ("events-1.jsonl", "events-2.jsonl", "events-3.jsonl");
        for (attempt, state, files, expected) in [
            (1, Running, &[(EVENTS, "a\nb\nhal")][..], &[(EVENTS, "a\nb\n")][..]),
            (1, Running, &[(EVENTS, "hal")], &[(EVENTS, "")]),
            (2, Running, &[(one, "a\n"), (EVENTS, "b\n")], &[(EVENTS, "b\n"), (one, "a\n")]),
            // Queued again: the events of the last attempt are put aside when it starts.
            (2, Queued, &[(EVENTS, "a\n")], &[(EVENTS, "a\n")]),
            // It started since, once and twice.
            (2, Queued, &[(one, "a\n"), (EVENTS, "b\n")], &[(two, "b\n"), (EVENTS, "a\n")]),
            (1, Queued, &[(EVENTS, "a\n")], &[(one, "a\n")]),
            (1, Interrupted, &[(one, "a\n"), (EVENTS, "b\n")], &[(two, "b\n"), (EVENTS, "a\n")]),
            (
                1,
                Running,
                &[(one, "a\n"), (two, "b\n"), (EVENTS, "c\n")],
                &[(two, "b\n"), (three, "c\n"), (EVENTS, "a\n")],
            ),
            (1, Running, &[(one, "a\n")], &[(EVENTS, "a\n")]),
        ] {
            let mut expected = pairs(expected);
            expected.sort();
            assert_eq!(events_of(files, attempt, state), expected, "{attempt} {state} {files:?}");
        }
    }

    #[test]
    fn events_that_are_put_aside_meanwhile_are_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let (live, aside) = (folder.path().join(EVENTS), folder.path().join("events-1.jsonl"));
        fs::write(&live, "a\n").unwrap();
        let opened = File::open(&live).unwrap();
        fs::rename(&live, &aside).unwrap();
        let listed = earlier_events(folder.path()).unwrap();
        let found =
            events(folder.path(), &run(1, RunState::Running), Some(opened), listed).unwrap();
        let names: Vec<&str> = found.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [EVENTS]);
    }

    #[test]
    fn locks_features_and_what_is_being_written_are_left_out() {
        let files = [
            (LOCK, "12"),
            (PAUSE, ""),
            ("features-ab.safetensors", "x"),
            ("run.json.12-1.part", "x"),
            ("run.json", "{}"),
            ("log.csv", "a,b\n1,"),
            ("checkpoint.safetensors", "weights"),
            (RESUME, "place"),
        ];
        let rest = [("log.csv", "a,b\n"), (RESUME, "place"), ("run.json", "{}")];
        let all = [&[("checkpoint.safetensors", "weights")][..], &rest].concat();
        assert_eq!(taken(&files, &run(1, RunState::Running), true), pairs(&all));
        let small = [rest[0], rest[2]];
        assert_eq!(taken(&files, &run(1, RunState::Running), false), pairs(&small));
        assert_eq!(of_run(Path::new("/none"), &run(1, RunState::Queued), true).unwrap().len(), 0);
    }

    #[test]
    fn lines_longer_than_a_step_are_found() {
        let long = "x".repeat(200_000);
        for (text, whole) in
            [(format!("a\n{long}"), 2), (format!("{long}\n{long}"), 200_001), (long.clone(), 0)]
        {
            let mut file = tempfile::tempfile().unwrap();
            io::Write::write_all(&mut file, text.as_bytes()).unwrap();
            assert_eq!(whole_lines(&file, text.len() as u64).unwrap(), whole);
        }
    }
}
