//! The files in a run's folder.
//!
//! | file | holds |
//! |---|---|
//! | `run.json` | the [`RunOrder`]; never changed while the run trains |
//! | `key.png` | the key image, when the trigger needs one |
//! | `resume.safetensors` | where a pre-training resumes after its worker died |
//! | `events.jsonl` | one [`Stamped`] per line, appended by the worker; `events-<attempt>.jsonl` holds earlier attempts |
//! | `worker.lock` | locked by the worker while it is alive; contains its process number |
//! | `pause.lock` | locked by the worker while it waits for the disk; contains the reason |
//! | `worker.log` | what the worker printed |
//! | `meetings` | where the nodes of a run on several machines find each other |

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use engine::{
    checkpoint::resume::{self, Found, ResumePoint},
    files::{self, write},
};
use shared::{RunOrder, Stamped};

/// Bytes of an event file that are read at a time.
const CHUNK: u64 = 1 << 20;

/// What a file in a run's folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A checkpoint, or the head of a probe.
    Checkpoint,
    /// Where an unfinished training goes on.
    Resume,
    /// Features of an encoder that its probes keep; they are computed again where they are missing.
    Features,
    /// Events, numbers and output.
    Log,
    /// Anything else.
    Other,
}

impl FileKind {
    /// The kind of a file, by its name.
    pub fn of(name: &str) -> Self {
        let is_events = name.starts_with("events.") || name.starts_with("events-");
        match name {
            files::LAST_CHECKPOINT | files::HEAD => Self::Checkpoint,
            files::RESUME | files::RESUME_BEFORE => Self::Resume,
            files::OUTPUT | "log.csv" => Self::Log,
            _ if files::epoch_of(name).is_some() => Self::Checkpoint,
            _ if name.starts_with("features-") => Self::Features,
            _ if is_events => Self::Log,
            _ => Self::Other,
        }
    }
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// Complete lines of an event file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventLines {
    /// The events.
    pub events: Vec<Stamped>,
    /// Position in the file after the last complete line.
    pub to_bytes: u64,
}

/// Where an attempt begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beginning {
    /// The point to resume from, and the files that are damaged.
    pub found: Found,
    /// The events before the point.
    events: Option<Vec<u8>>,
}

/// An event file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum EventFileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A complete line is not an event, or an event is missing.
    #[error("{path} is damaged after byte {at}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the line starts.
        at: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl RunFolder {
    /// The run folder at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The order.
    pub fn order_file(&self) -> PathBuf {
        self.path.join(files::ORDER)
    }

    /// The key image.
    pub fn key_file(&self) -> PathBuf {
        self.path.join(files::KEY)
    }

    /// The events.
    pub fn events_file(&self) -> PathBuf {
        self.path.join(files::EVENTS)
    }

    /// The worker's lock.
    pub fn lock_file(&self) -> PathBuf {
        self.path.join(files::LOCK)
    }

    /// Where the nodes of a run meet, in a folder for each attempt.
    pub fn meetings(&self) -> PathBuf {
        self.path.join("meetings")
    }

    /// Locked by the worker while it waits for the disk.
    pub fn pause_file(&self) -> PathBuf {
        self.path.join(files::PAUSE)
    }

    /// What the worker printed.
    pub fn log_file(&self) -> PathBuf {
        self.path.join(files::OUTPUT)
    }

    /// Prepares the folder for an attempt: writes the order and the key image, and moves the events of an earlier attempt aside.
    /// If it is interrupted at any point, it can be repeated.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn prepare(&self, order: &RunOrder, key: Option<&[u8]>, attempt: u32) -> io::Result<()> {
        files::create_folder(&self.path)?;
        if self.events_file().exists() {
            let aside = self.path.join(files::events_of_attempt(attempt.saturating_sub(1)));
            fs::rename(self.events_file(), aside)?;
        }
        if let Some(key) = key {
            write(&self.key_file(), key)?;
        }
        let order = serde_json::to_vec_pretty(order)?;
        write(&self.order_file(), &order)?;
        // The files that whoever starts the worker opens: if the disk is full, this shows while the run can still wait.
        for path in [self.lock_file(), self.pause_file(), self.log_file()] {
            File::options().create(true).append(true).open(path)?;
        }
        Ok(())
    }

    /// Where the worker that holds the lock is to begin: the point that an earlier attempt saved, with the events before it in the event
    /// file; no point if the run starts from the beginning, because there is none, its `bits`
    /// ([`Device::bits`](engine::compute::Device::bits)) differ, its files are damaged, or its events are missing. Only the worker knows its bits, so it decides.
    ///
    /// # Errors
    /// `AlreadyExists` when this attempt was started before; other errors when a file cannot be read.
    pub fn find(&self, order: &RunOrder, bits: &str) -> io::Result<Beginning> {
        if self.events_file().exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let found = resume::find(order, bits, &self.path)?;
        if let Some(point) = &found.point
            && let Some(events) = self.events_before(point)?
        {
            return Ok(Beginning { found, events: Some(events) });
        }
        Ok(Beginning { found: Found { point: None, ..found }, events: None })
    }

    /// Writes the events that the run keeps, or removes the point that nothing resumes from.
    ///
    /// # Errors
    /// When a file cannot be written or removed. It can be tried again.
    pub fn begin(&self, beginning: &Beginning) -> io::Result<()> {
        match &beginning.events {
            Some(events) => write(&self.events_file(), events),
            None => resume::remove(&self.path),
        }
    }

    /// The events before a point, from the last attempt that has all of them: it saved the point, or resumed from it.
    fn events_before(&self, point: &ResumePoint) -> io::Result<Option<Vec<u8>>> {
        for (_, path) in files::earlier_events(&self.path)? {
            let bytes = fs::read(path)?;
            let lines = bytes.split_inclusive(|&byte| byte == b'\n');
            let whole = lines.filter(|line| line.ends_with(b"\n")).take(point.events as usize);
            let kept: Vec<&[u8]> = whole.collect();
            if kept.len() as u64 == point.events {
                return Ok(Some(kept.concat()));
            }
        }
        Ok(None)
    }

    /// The order.
    ///
    /// # Errors
    /// When it is missing or not a valid order.
    pub fn order(&self) -> io::Result<RunOrder> {
        Ok(serde_json::from_slice(&fs::read(self.order_file())?)?)
    }

    /// Reads complete lines from `from_bytes` on, about a megabyte at most. An incomplete line is left for later. The
    /// first event must have the number after `after_seq`, and each further one the number after its predecessor.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn read_events(
        &self,
        from_bytes: u64,
        after_seq: u64,
    ) -> Result<EventLines, EventFileError> {
        let path = self.events_file();
        let failed = |source| EventFileError::Read { path: path.clone(), source };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && from_bytes == 0 => {
                return Ok(EventLines::default());
            }
            Err(error) => return Err(failed(error)),
        };
        file.seek(SeekFrom::Start(from_bytes)).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut limit = CHUNK;
        // A line can be longer than a chunk: continue until the end of a line or of the file.
        loop {
            let read =
                Read::by_ref(&mut file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
            if read == 0 || bytes.contains(&b'\n') {
                break;
            }
            limit *= 2;
        }
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = EventLines { events: Vec::new(), to_bytes: from_bytes };
        let mut seq = after_seq;
        for line in bytes[..whole].split_inclusive(|&byte| byte == b'\n') {
            let damaged =
                |reason| EventFileError::Damaged { path: path.clone(), at: lines.to_bytes, reason };
            let stamped: Stamped =
                serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            if stamped.seq != seq + 1 {
                return Err(damaged(format!("event {} follows event {seq}", stamped.seq)));
            }
            seq = stamped.seq;
            lines.to_bytes += line.len() as u64;
            lines.events.push(stamped);
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Digest, RunId, RunKind, Settings,
        dataset::{DataSource, FolderSource},
    };

    use super::*;

    fn order(seed: u64) -> RunOrder {
        RunOrder {
            run: RunId::from_parts(0, [7; 10]),
            kind: RunKind::Pretrain,
            digest: Digest::stored("0"),
            settings: Settings { seed, ..Settings::default() },
            source: DataSource::Builtin,
            encoder: None,
            restorer: None,
            program: "test".into(),
        }
    }

    #[test]
    fn a_file_is_known_by_its_name() {
        let kinds = [
            ("checkpoint.safetensors", FileKind::Checkpoint),
            ("checkpoint-0010.safetensors", FileKind::Checkpoint),
            ("head.safetensors", FileKind::Checkpoint),
            ("resume-before.safetensors", FileKind::Resume),
            ("features-ab12.safetensors", FileKind::Features),
            ("events.jsonl", FileKind::Log),
            ("events-3.jsonl", FileKind::Log),
            ("events.out.tfevents.maskdoor", FileKind::Log),
            ("worker.log", FileKind::Log),
            ("run.json", FileKind::Other),
        ];
        for (name, kind) in kinds {
            assert_eq!(FileKind::of(name), kind, "{name}");
        }
    }

    /// An attempt that writes these events and then dies.
    fn attempt(folder: &RunFolder, number: u32, events: &[&str]) {
        folder.prepare(&order(1), None, number).unwrap();
        fs::write(folder.events_file(), events.concat()).unwrap();
    }

    /// Begins as a worker does.
    fn begin(folder: &RunFolder, seed: u64, bits: &str) -> io::Result<Found> {
        let beginning = folder.find(&order(seed), bits)?;
        folder.begin(&beginning)?;
        Ok(beginning.found)
    }

    #[test]
    fn a_run_goes_on_from_the_events_of_the_attempt_that_kept_the_place() {
        let place = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(place.path());
        attempt(&folder, 1, &["a\n", "b\n", "c\n"]);
        let point = ResumePoint::new(&order(1), "bits", "data", 1, 2, 0.5);
        resume::save(folder.path(), &[], &point).unwrap();
        // Two attempts without progress: one failed at once, the other died before its first event.
        attempt(&folder, 2, &["failed\n"]);
        folder.prepare(&order(1), None, 3).unwrap();

        folder.prepare(&order(1), None, 4).unwrap();
        assert!(!folder.events_file().exists());
        assert_eq!(begin(&folder, 1, "bits").unwrap().point, Some(point.clone()));
        assert_eq!(fs::read_to_string(folder.events_file()).unwrap(), "a\nb\n");
        let twice = begin(&folder, 1, "bits").unwrap_err();
        assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);

        // Repeating an interrupted preparation loses nothing.
        folder.prepare(&order(1), None, 5).unwrap();
        folder.prepare(&order(1), None, 5).unwrap();
        assert_eq!(begin(&folder, 1, "bits").unwrap().point, Some(point));
    }

    #[test]
    fn a_run_goes_on_where_its_data_folder_and_its_images_have_moved() {
        let at = |root: &str| RunOrder {
            source: DataSource::Folder(FolderSource {
                path: format!("{root}/images"),
                ..FolderSource::default()
            }),
            encoder: Some(format!("{root}/data/runs/a")),
            restorer: Some(format!("{root}/data/runs/b")),
            ..order(1)
        };
        let place = tempfile::tempdir().unwrap();
        let folder = RunFolder::new(place.path());
        folder.prepare(&at("/old"), None, 1).unwrap();
        fs::write(folder.events_file(), "a\n").unwrap();
        let point = ResumePoint::new(&at("/old"), "bits", "data", 1, 1, 0.5);
        resume::save(folder.path(), &[], &point).unwrap();
        folder.prepare(&at("/new"), None, 2).unwrap();
        assert_eq!(folder.find(&at("/new"), "bits").unwrap().found.point, Some(point));
    }

    #[test]
    fn other_bits_another_order_and_lost_events_begin_anew() {
        for (bits, seed, events) in [("other", 1, 2), ("bits", 2, 2), ("bits", 1, 4)] {
            let place = tempfile::tempdir().unwrap();
            let folder = RunFolder::new(place.path());
            attempt(&folder, 1, &["a\n", "b\n", "c\n", "half a line"]);
            let point = ResumePoint::new(&order(1), "bits", "data", 1, events, 0.5);
            resume::save(folder.path(), &[], &point).unwrap();
            folder.prepare(&order(seed), None, 2).unwrap();
            assert_eq!(begin(&folder, seed, bits).unwrap(), Found::default());
            assert!(!folder.path().join(files::RESUME).exists());
            assert!(!folder.events_file().exists());
        }
    }
}
