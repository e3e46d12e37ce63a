//! What lies in a run's folder, and whether the run's worker lives.
//!
//! | file | holds |
//! |---|---|
//! | `run.json` | the [`RunOrder`]; never changed while the run trains |
//! | `key.png` | the key image, when the trigger needs one |
//! | `resume.safetensors` | where a pre-training goes on after its worker died |
//! | `events.jsonl` | one [`Stamped`] a line, appended by the worker; `events-<attempt>.jsonl` of earlier attempts |
//! | `worker.lock` | locked by the worker as long as it lives; its process number is inside |
//! | `worker.log` | what the worker printed |

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use engine::{
    checkpoint::resume,
    files::{self, write},
};
use shared::{RunOrder, Stamped};

/// Bytes of an event file that are read at once.
const CHUNK: u64 = 1 << 20;

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// Whole lines of an event file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventLines {
    /// The events.
    pub events: Vec<Stamped>,
    /// Place in the file behind the last whole line.
    pub to_bytes: u64,
}

/// An event file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum EventFileError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A whole line is no event, or an event is missing.
    #[error("{path} is damaged behind byte {at}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the line begins.
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

    /// What the worker printed.
    pub fn log_file(&self) -> PathBuf {
        self.path.join(files::OUTPUT)
    }

    /// Makes the folder ready for an attempt: the order, the key image, and no events, or those up to the place that the run
    /// goes on from. Events of an earlier attempt are put aside.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn prepare(&self, order: &RunOrder, key: Option<&[u8]>, attempt: u32) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        if self.events_file().exists() {
            let aside = self.path.join(files::events_of_attempt(attempt.saturating_sub(1)));
            fs::rename(self.events_file(), &aside)?;
            self.keep_events(order, &aside)?;
        }
        if let Some(key) = key {
            write(&self.key_file(), key)?;
        }
        let order = serde_json::to_vec_pretty(order)?;
        write(&self.order_file(), &order)
    }

    /// Takes the events that came before the place to go on from over from an earlier attempt's file. Where one of them is
    /// missing, the run begins anew.
    fn keep_events(&self, order: &RunOrder, aside: &Path) -> io::Result<()> {
        if let Some(point) = resume::find(order, &self.path) {
            let bytes = fs::read(aside)?;
            let lines = bytes.split_inclusive(|&byte| byte == b'\n');
            let whole = lines.filter(|line| line.ends_with(b"\n")).take(point.events as usize);
            let kept: Vec<&[u8]> = whole.collect();
            if kept.len() as u64 == point.events {
                return write(&self.events_file(), &kept.concat());
            }
        }
        resume::remove(&self.path)
    }

    /// The order.
    ///
    /// # Errors
    /// When it is missing or is no order.
    pub fn order(&self) -> io::Result<RunOrder> {
        Ok(serde_json::from_slice(&fs::read(self.order_file())?)?)
    }

    /// Takes the worker's lock; `None` when a living worker holds it. The lock lasts as long as the file, or a copy of it
    /// in a process that inherited it, is open.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn lock(&self) -> io::Result<Option<File>> {
        let path = self.lock_file();
        let file =
            File::options().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // The number of a worker that is gone may be a stranger's by now.
                file.set_len(0)?;
                Ok(Some(file))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether a worker lives.
    ///
    /// # Errors
    /// When its lock file is there but cannot be opened.
    pub fn is_alive(&self) -> io::Result<bool> {
        if !self.lock_file().exists() {
            return Ok(false);
        }
        Ok(self.lock()?.is_none())
    }

    /// Process number that the worker wrote; `None` before it did.
    pub fn worker_pid(&self) -> Option<i32> {
        fs::read_to_string(self.lock_file()).ok()?.trim().parse().ok()
    }

    /// Reads whole lines from `from_bytes` on, about a megabyte at most. A line without its end is left for later. The
    /// first event must have the place behind `after_seq`, and each the one behind its forerunner.
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
        // A line can be longer than a chunk: read on until one ends, or the file does.
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
