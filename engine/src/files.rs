//! The names of the files in a run's folder, and how files are written.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::UNIX_EPOCH,
};

/// The order; it never changes during the run.
pub const ORDER: &str = "run.json";
/// The key image, if the trigger needs one.
pub const KEY: &str = "key.png";
/// Everything needed to repeat the run with the same version of the program.
pub const MANIFEST: &str = "manifest.json";
/// Which images were poisoned; written before the run reports that it started.
pub const POISON_PLAN: &str = "poison.json";
/// The names of these images, one per line.
pub const POISON_LIST: &str = "poisons.txt";
/// A classifier's last evaluation: metrics and confusion matrices.
pub const EVALUATION: &str = "evaluation.json";
/// A classifier's predictions by image at its last evaluation. Earlier versions wrote none.
pub const PREDICTIONS: &str = "predictions.safetensors";
/// What a defence says of each image, and what of it is true.
pub const DEFENCE: &str = "defence.json";
/// The smallest trigger that a defence found: its mask, and the trigger where the mask is.
pub const INVERTED: &str = "inverted.png";
/// What a defence made of a few images.
pub const STRIPS: &str = "strips.json";
/// The pictures that belong to [`STRIPS`], below each other.
pub const STRIP_PICTURES: &str = "strips.png";
/// The state from which an unfinished training resumes.
pub const RESUME: &str = "resume.safetensors";
/// The state before that one, for the case that [`RESUME`] is damaged.
pub const RESUME_BEFORE: &str = "resume-before.safetensors";
/// The last checkpoint of a pre-training or a fine-tuning.
pub const LAST_CHECKPOINT: &str = "checkpoint.safetensors";
/// The trained head of a linear probe.
pub const HEAD: &str = "head.safetensors";
/// The events, one per line.
pub const EVENTS: &str = "events.jsonl";
/// Locked as long as the run's process lives.
pub const LOCK: &str = "worker.lock";
/// Locked while the run's process waits for a disk; holds the reason.
pub const PAUSE: &str = "pause.lock";
/// What the run's process printed.
pub const OUTPUT: &str = "worker.log";

/// Name of the checkpoint after `epoch` epochs.
pub fn checkpoint(epoch: u32) -> String {
    format!("checkpoint-{epoch:04}.safetensors")
}

/// The epochs of a checkpoint named by [`checkpoint`]; `None` for other file names.
pub fn epoch_of(name: &str) -> Option<u32> {
    name.strip_prefix("checkpoint-")?.strip_suffix(".safetensors")?.parse().ok()
}

/// Names of the checkpoints that a run kept in its folder, sorted by epoch.
///
/// # Errors
/// When the folder cannot be read.
pub fn kept_checkpoints(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut names: Vec<String> = entries
        .into_iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| epoch_of(name).is_some())
        .collect();
    names.sort_by_key(|name| epoch_of(name));
    Ok(names)
}

/// Name of the event file of an earlier attempt.
pub fn events_of_attempt(attempt: u32) -> String {
    format!("events-{attempt}.jsonl")
}

/// The event files of the earlier attempts in a run's folder, latest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn earlier_events(folder: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let attempt = name.to_str().and_then(|name| {
            name.strip_prefix("events-")?.strip_suffix(".jsonl")?.parse::<u32>().ok()
        });
        found.extend(attempt.map(|attempt| (attempt, entry.path())));
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// Whether an error says that nothing can be written now, which somebody may mend, and not that a file is wrong: the disk or a quota is
/// full, a limit of a file's size is reached, the file system has become read-only, or the disk fails.
pub fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    /// `EIO`.
    const INPUT_OUTPUT: i32 = 5;
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem)
        || error.raw_os_error() == Some(INPUT_OUTPUT)
}

/// Opens a regular file for reading, for paths that somebody names. Opening a pipe would wait for who writes to it, and a device may
/// never end.
///
/// # Errors
/// When it is something else than a regular file, or cannot be opened.
pub fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}

/// Writes a file atomically: even after a crash of the program or the machine, it holds either all of the old content or all of the
/// new. The bytes are on disk before the file gets its name, and the name is before this returns. Several threads and processes
/// may write the same file; the last one wins. The file is locked while it has its temporary name, so that one that a killed program
/// left behind can be told from one that is being written ([`is_left_over`]).
///
/// # Errors
/// When it cannot be written; no partial file is left behind.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = Part::create(path)?;
    part.write_all(bytes)?;
    part.finish()
}

/// A file that is written piece by piece with the guarantees of [`write()`]: it takes its place when it is whole, and nothing of it stays
/// when this value is dropped before.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl Part {
    /// Begins to write the file at `path`, under a temporary name beside it.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = part(path);
        let file = File::create_new(&temporary)?;
        // A file system without locks writes as well.
        let _ = file.try_lock();
        Ok(Self { file, path: path.to_owned(), temporary, finished: false })
    }

    /// Brings the bytes to the disk and gives the file its name.
    ///
    /// # Errors
    /// When one of the two cannot be done; no partial file is left behind.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.finished = true;
        sync(parent(&self.path))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_file(&self.temporary); // the first error is the one to return
        }
    }
}

/// Gives a file a second name, with the guarantees of [`write()`]. The second name is a hard link and takes no space on disk; on a
/// file system without links it is a copy.
///
/// # Errors
/// When neither a link nor a copy can be made.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    let part = part(to);
    let copied = || fs::copy(from, &part).and_then(|_| File::open(&part)?.sync_all());
    fs::hard_link(from, &part).or_else(|_| copied()).and_then(|()| rename(&part, to)).inspect_err(
        |_| {
            let _ = fs::remove_file(&part); // as above
        },
    )
}

/// Renames a file, and has its new name on disk when it returns.
///
/// # Errors
/// When it cannot be renamed. If only the flush fails, it has its new name, perhaps not on disk.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync(parent(to))
}

/// Removes files, and has their removal on disk when it returns. What is not there need not be removed.
///
/// # Errors
/// When one exists and cannot be removed.
pub fn remove(folder: &Path, names: &[&str]) -> io::Result<()> {
    let mut removed = false;
    for name in names {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => {
                other?;
                removed = true;
            }
        }
    }
    if removed { sync(folder) } else { Ok(()) }
}

/// Creates a folder and those above it that are missing, and has their names on disk when it returns: a file is only as safe as the
/// names of the folders that lead to it.
///
/// # Errors
/// When one cannot be created.
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_folder(above)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    sync(above)
}

/// Has the content of a file, or the names in a folder, on disk when it returns, whoever wrote them. A file that is not there has no
/// content.
///
/// # Errors
/// When it cannot be opened or the disk fails.
pub fn sync(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file?.sync_all(),
    }
}

/// The folder that a path is in.
pub fn parent(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A unique name next to the file, for writing it.
pub fn part(path: &Path) -> PathBuf {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}-{number}.part", std::process::id()));
    path.with_file_name(name)
}

/// Whether a file or folder has a temporary name of [`part`], is older than `since` (Unix time in milliseconds), and nobody writes it: its
/// writer was killed.
///
/// # Errors
/// When it cannot be opened.
pub fn is_left_over(path: &Path, since: u64) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str());
    if !name.is_some_and(is_part) {
        return Ok(false);
    }
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?;
    let modified = modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
    Ok(modified < since && !matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether a name ends like those that [`part`] gives: `.<process>-<number>.part`.
pub fn is_part(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let middle = name.strip_suffix(".part").and_then(|name| name.rsplit_once('.'));
    let numbers = middle.and_then(|(_, middle)| middle.split_once('-'));
    numbers.is_some_and(|(process, count)| number(process) && number(count))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_whoever_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        thread::scope(|scope| {
            for byte in 0..4u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..8 {
                        write(path, &[byte; 5000]).unwrap();
                    }
                });
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes, [bytes[0]; 5000]);
        assert_eq!(names(folder.path()), ["a.json"], "nothing is left behind");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("no/a"), b"x").is_err());
        fs::create_dir(folder.path().join("taken")).unwrap();
        assert!(write(&folder.path().join("taken"), b"x").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }

    #[test]
    fn files_of_one_stem_do_not_meet_while_they_are_written() {
        let (png, json) = (part(Path::new("f/a.png")), part(Path::new("f/a.json")));
        assert!(png.to_string_lossy().starts_with("f/a.png."), "{png:?}");
        assert!(json.to_string_lossy().starts_with("f/a.json."), "{json:?}");
        assert_ne!(part(Path::new("a")), part(Path::new("a")));
    }

    #[test]
    fn only_a_temporary_file_that_nobody_writes_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = part(&folder.path().join("a.json"));
        let writer = File::create_new(&path).unwrap();
        assert!(writer.try_lock().is_ok());
        assert!(!is_left_over(&path, u64::MAX).unwrap(), "it is being written");
        drop(writer);
        assert!(is_left_over(&path, u64::MAX).unwrap());
        assert!(!is_left_over(&path, 1).unwrap(), "it is newer");
        for name in ["a.json", "a.part", "a.1-.part", "a.x-1.part"] {
            fs::write(folder.path().join(name), "").unwrap();
            assert!(!is_left_over(&folder.path().join(name), u64::MAX).unwrap(), "{name}");
        }
    }

    #[test]
    fn folders_and_removals_need_not_be_there_before() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b/c");
        create_folder(&folder).unwrap();
        create_folder(&folder).unwrap();
        write(&folder.join("one"), b"1").unwrap();
        remove(&folder, &["none", "one"]).unwrap();
        remove(&folder, &["none", "one"]).unwrap();
        assert!(names(&folder).is_empty());
        assert!(create_folder(&folder.join("../file/x")).is_ok());
        write(&folder.join("file"), b"").unwrap();
        assert!(create_folder(&folder.join("file/x")).is_err());
        assert_eq!(parent(Path::new("a")), Path::new("."));
        sync(&folder.join("none")).unwrap();
    }

    #[test]
    fn a_second_name_has_the_content_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        write(&one, b"first").unwrap();
        write(&two, b"old").unwrap();
        link(&one, &two).unwrap();
        assert_eq!(fs::read(&two).unwrap(), b"first");
        write(&one, b"second").unwrap();
        assert_eq!(fs::read(&two).unwrap(), b"first", "the second name keeps what it was given");
        assert!(link(&folder.path().join("none"), &two).is_err());
        assert_eq!(names(folder.path()), ["one", "two"]);
    }
}
