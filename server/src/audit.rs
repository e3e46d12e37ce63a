//! The record of everything that somebody changed: `audit.log` in the data folder, a JSON object a line.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::json;

use crate::clock::Clock;

/// Name of the file below the data folder.
pub const FILE: &str = "audit.log";
/// Length at which the file is put aside as `audit.log.1`, in bytes.
const LONGEST: u64 = 16 << 20;

/// Writes the record.
#[derive(Clone, Debug)]
pub struct Audit {
    path: Arc<Path>,
    clock: Clock,
    /// Opened at the first line.
    file: Arc<Mutex<Option<File>>>,
}

impl Audit {
    /// The record of this data folder.
    pub fn of(root: &Path, clock: Clock) -> Self {
        Self { path: root.join(FILE).into(), clock, file: Arc::default() }
    }

    /// Adds a line: who sent a request from where, and what came of it. A full disk does not stop the request.
    pub fn write(&self, who: &str, from: Option<IpAddr>, method: &str, path: &str, status: u16) {
        let line = json!({
            "at": self.clock.now_ms(), "who": who, "from": from, "method": method, "path": path, "status": status,
        });
        if let Err(error) = self.add(&format!("{line}\n")) {
            tracing::warn!(%error, %line, "{} cannot be written", self.path.display());
        }
    }

    fn add(&self, line: &str) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.as_ref().map_or(Ok(0), |file| file.metadata().map(|it| it.len()))? > LONGEST {
            *file = None;
            fs::rename(&self.path, self.aside())?;
        }
        if file.is_none() {
            *file = Some(OpenOptions::new().create(true).append(true).open(&self.path)?);
        }
        file.as_mut().map_or(Ok(()), |file| file.write_all(line.as_bytes()))
    }

    fn aside(&self) -> PathBuf {
        self.path.with_extension("log.1")
    }
}
