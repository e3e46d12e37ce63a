//! A run's numbers in files that other programs read: `log.csv` and an event file of `TensorBoard`.
//!
//! Both are a fold over the run's events. A run that resumes after its worker died rewrites them from the events that it
//! keeps, which gives the same bytes, then appends to them.

mod csv;
mod proto;
mod record;
mod tensorboard;

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use engine::files::write;
use shared::{RunKind, Stamped};

use self::{csv::Csv, tensorboard::TensorBoard};

pub use self::{csv::FILE as CSV_FILE, tensorboard::FILE as TENSORBOARD_FILE};

/// The two files of a run.
#[derive(Debug)]
pub struct RunLog {
    csv: Csv,
    csv_file: Growing,
    tensorboard: TensorBoard,
    tensorboard_file: Growing,
}

impl RunLog {
    /// Creates both files in the run's folder from `events`: none for a new run, the kept ones for a run that
    /// resumes.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn begin(folder: &Path, kind: RunKind, events: &[Stamped]) -> io::Result<Self> {
        let mut csv = Csv::new(kind);
        let mut tensorboard = TensorBoard::default();
        let mut rows = csv.head();
        let mut records = Vec::new();
        for stamped in events {
            rows.push_str(&csv.take(&stamped.event));
            records.extend(tensorboard.take(stamped));
        }
        Ok(Self {
            csv,
            csv_file: begun(folder.join(csv::FILE), rows.as_bytes())?,
            tensorboard,
            tensorboard_file: begun(folder.join(tensorboard::FILE), &records)?,
        })
    }

    /// Takes the data of an event, in complete lines and records. [`write`](Self::write) writes them.
    pub fn take(&mut self, stamped: &Stamped) {
        self.csv_file.add(self.csv.take(&stamped.event).as_bytes());
        self.tensorboard_file.add(&self.tensorboard.take(stamped));
    }

    /// Appends what was taken to the files.
    ///
    /// # Errors
    /// When a file cannot be written. It can be tried again: nothing is lost and nothing is there twice.
    pub fn write(&mut self) -> io::Result<()> {
        self.csv_file.write()?;
        self.tensorboard_file.write()
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        self.csv_file.file.sync_data()?;
        self.tensorboard_file.file.sync_data()
    }
}

/// A file that only grows, by whole pieces.
#[derive(Debug)]
pub struct Growing {
    file: File,
    /// Length of the whole pieces in the file.
    length: u64,
    /// What is still to be written.
    pending: Vec<u8>,
    /// Whether a part of a piece may lie behind the whole ones.
    is_torn: bool,
}

impl Growing {
    /// A file that is open at its end.
    ///
    /// # Errors
    /// When its length cannot be read.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file, length, pending: Vec::new(), is_torn: false })
    }

    /// Adds a piece to what is to be written.
    pub fn add(&mut self, piece: &[u8]) {
        self.pending.extend_from_slice(piece);
    }

    /// Drops what is still to be written.
    pub fn forget(&mut self) {
        self.pending.clear();
    }

    /// Writes what was added, with a single call if the system takes it, so that a reader sees none or all of it.
    ///
    /// # Errors
    /// When it cannot be written. It can be tried again.
    pub fn write(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // A full disk may have taken a part of it at the attempt before.
        if self.is_torn {
            self.file.set_len(self.length)?;
        }
        self.is_torn = true;
        self.file.write_all(&self.pending)?;
        self.is_torn = false;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Writes a file with this content as a whole, and opens it at its end.
fn begun(path: PathBuf, bytes: &[u8]) -> io::Result<Growing> {
    write(&path, bytes)?;
    Growing::new(File::options().append(true).open(path)?)
}
