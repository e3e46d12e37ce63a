//! A run's numbers in files that other programs read: `log.csv` and an event file of `TensorBoard`.
//!
//! Both are a fold of the run's events and nothing else. A run that goes on after its worker died begins them anew from the
//! events that it keeps, and so to the same bytes, then appends to them.

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
    csv_file: File,
    tensorboard: TensorBoard,
    tensorboard_file: File,
}

impl RunLog {
    /// Begins both files in the run's folder with what `events` tell: none for a new run, those that are kept for one that
    /// goes on.
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

    /// Appends what an event tells, whole lines and whole records.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn take(&mut self, stamped: &Stamped) -> io::Result<()> {
        let rows = self.csv.take(&stamped.event);
        if !rows.is_empty() {
            self.csv_file.write_all(rows.as_bytes())?;
        }
        let records = self.tensorboard.take(stamped);
        if !records.is_empty() {
            self.tensorboard_file.write_all(&records)?;
        }
        Ok(())
    }
}

/// A file with this content, written whole; then open at its end.
fn begun(path: PathBuf, bytes: &[u8]) -> io::Result<File> {
    write(&path, bytes)?;
    File::options().append(true).open(path)
}
