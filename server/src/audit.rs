//! The record of everything that somebody changed: `audit.log` in the data folder, a JSON object a line.

use std::{
    io::Write,
    net::IpAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use shared::{RunId, StudyId};

use crate::{clock::Clock, rolling::Rolling};

/// Name of the file below the data folder.
pub const FILE: &str = "audit.log";
/// Length at which the file is put aside as `audit.log.1`, in bytes.
const LONGEST: u64 = 16 << 20;

/// A line of the record.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Change<'a> {
    /// A request that may have changed something, and what came of it.
    Request {
        /// Who sent it.
        who: &'a str,
        /// From where.
        from: Option<IpAddr>,
        /// The request's identifier.
        request: Option<&'a str>,
        /// Its method.
        method: &'a str,
        /// Its path, without the query.
        path: &'a str,
        /// The answer's status.
        status: u16,
    },
    /// Files of a run that nothing needed any more were removed.
    Removal {
        /// Who asked for it: `retention` of a server, or `maskdoor tidy`.
        who: &'a str,
        /// What was removed.
        removed: &'a str,
        /// The run.
        run: RunId,
        /// The study that it is shown under.
        study: StudyId,
        /// Names of the files in its folder.
        files: &'a [String],
        /// Bytes that this freed.
        bytes: u64,
    },
}

/// Writes the record.
#[derive(Clone, Debug)]
pub struct Audit {
    file: Arc<Mutex<Rolling>>,
    clock: Clock,
}

/// A change with its time.
#[derive(Serialize)]
struct Line<'a> {
    at: u64,
    #[serde(flatten)]
    change: Change<'a>,
}

impl Audit {
    /// The record of this data folder.
    pub fn of(root: &Path, clock: Clock) -> Self {
        let file = Rolling::new(root.join(FILE), LONGEST, 1);
        Self { file: Arc::new(Mutex::new(file)), clock }
    }

    /// Adds a line. A full disk does not stop what it records.
    pub fn write(&self, change: Change<'_>) {
        let line = Line { at: self.clock.now_ms(), change };
        let line = serde_json::to_string(&line).expect("a change has text keys only");
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            tracing::warn!(%error, %line, "{} cannot be written", file.path().display());
        }
    }
}
