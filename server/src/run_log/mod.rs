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
    csv_file: File,
    tensorboard: TensorBoard,
    tensorboard_file: File,
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

    /// Appends the data of an event, in complete lines and records.
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

/// Writes a file with this content as a whole, and opens it at its end.
fn begun(path: PathBuf, bytes: &[u8]) -> io::Result<File> {
    write(&path, bytes)?;
    File::options().append(true).open(path)
}
