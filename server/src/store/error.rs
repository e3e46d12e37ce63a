//! Errors of the store.

use std::path::{Path, PathBuf};

use shared::RunState;
use sqlx::error::DatabaseError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened.
    #[error("the database {path} cannot be opened: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The error from `SQLite`.
        source: sqlx::Error,
    },
    /// The database was made by a later version of the program.
    #[error("{}", newer(path, (*tables, *known), program.as_deref(), copy.as_deref()))]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its tables.
        tables: i64,
        /// The last version that this program knows.
        known: i64,
        /// The version of the program that wrote it, if known.
        program: Option<String>,
        /// The newest copy beside it that this program can open.
        copy: Option<PathBuf>,
    },
    /// The copy that is kept before an upgrade, or a backup's, cannot be made. The database is unchanged.
    #[error("the database cannot be copied to {path} ({reason}); it is unchanged")]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What `SQLite` or the operating system says.
        reason: String,
    },
    /// The tables cannot be changed to those of this version: the disk is full, or the database is damaged.
    #[error("the tables of the database {path} cannot be upgraded ({source})")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Which migration failed, and why.
        source: sqlx::migrate::MigrateError,
    },
    /// A query failed.
    #[error("database error: {0}")]
    Database(sqlx::Error),
    /// The disk is full, the file system has become read-only, or the disk fails.
    #[error("the database cannot be written ({0}); what was to be written is not kept")]
    Unwritable(sqlx::Error),
    /// The database's file is no longer in its place. Whatever is written to the open file is lost when it is closed.
    #[error("the database {path} {how} after it was opened; nothing more is stored in it")]
    Lost {
        /// Its path.
        path: PathBuf,
        /// What happened to it.
        how: String,
    },
    /// A file of the data folder cannot be written, for the same reasons.
    #[error("the data folder cannot be written ({path}: {source})")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A stored value cannot be read back.
    #[error("the database holds {what} that cannot be read: {reason}")]
    Corrupt {
        /// The kind of value.
        what: &'static str,
        /// Why it cannot be read.
        reason: String,
    },
    /// There is nothing with that name.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// The run's state does not allow the change.
    #[error("a run that is {from} cannot become {to}")]
    IllegalState {
        /// Its current state.
        from: RunState,
        /// The state it cannot change to.
        to: RunState,
    },
    /// The request conflicts with other data; the text says how.
    #[error("{0}")]
    Conflict(String),
}

impl StoreError {
    /// The database cannot be copied to this file.
    pub(super) fn copy(path: &Path) -> impl Fn(sqlx::Error) -> Self {
        move |error| {
            // What sqlx says before an error of the file system is not true of a copy.
            let reason = match error {
                sqlx::Error::Io(error) => error.to_string(),
                other => other.to_string(),
            };
            Self::Copy { path: path.to_owned(), reason }
        }
    }

    pub(crate) fn corrupt(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |reason| Self::Corrupt { what, reason: reason.to_string() }
    }

    /// What to do about an error because of which nothing can be stored; `None` for other errors.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unwritable(_) | Self::Disk { .. } => Some(
                "Free space on the disk of the data folder, or make it writable. Queued runs start by themselves then, and runs that wait \
                 go on.",
            ),
            Self::Lost { .. } => Some(
                "Stop maskdoor, put the file back, and start maskdoor again. If the file is gone, maskdoor doctor takes the runs in again \
                 from their folders.",
            ),
            _ => None,
        }
    }

    pub(crate) fn not_found(what: &'static str, id: &impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}

fn newer(
    path: &Path,
    (tables, known): (i64, i64),
    program: Option<&str>,
    copy: Option<&Path>,
) -> String {
    let who = program.map_or("a later version of maskdoor".into(), |it| format!("maskdoor {it}"));
    let back = match copy {
        Some(copy) => {
            format!("put its copy {} from before the upgrade in its place", copy.display())
        }
        None => "restore a backup that this version made".to_owned(),
    };
    format!(
        "the database {} was written by {who}: its tables are of version {tables}, and this program, maskdoor {}, knows those up to \
         {known}. Use that version or a later one. To go back to this one, {back}: what was done since is not in there",
        path.display(),
        crate::VERSION
    )
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        /// `SQLITE_FULL`, and the extended codes of `SQLITE_IOERR` for writing, syncing and truncating.
        const UNWRITABLE: [i32; 6] = [13, 778, 1034, 1290, 1546, 4874];
        /// `SQLITE_READONLY`; further bits of a code say why.
        const READ_ONLY: i32 = 8;
        let code = error.as_database_error().and_then(DatabaseError::code);
        let code = code.and_then(|code| code.parse::<i32>().ok());
        if code.is_some_and(|code| UNWRITABLE.contains(&code) || code & 0xff == READ_ONLY) {
            Self::Unwritable(error)
        } else {
            Self::Database(error)
        }
    }
}
