//! What can go wrong in the store.

use std::path::PathBuf;

use shared::RunState;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened.
    #[error("the database {path} cannot be opened: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        source: sqlx::Error,
    },
    /// The database was made by a later version of the program, or is damaged.
    #[error(
        "the database {path} does not fit this version of the program ({source}); open it with the version that made it"
    )]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Which migration failed, and why.
        source: sqlx::migrate::MigrateError,
    },
    /// A query failed.
    #[error("the database answered with an error: {0}")]
    Database(#[from] sqlx::Error),
    /// A stored value cannot be read back.
    #[error("the database holds {what} that cannot be read: {reason}")]
    Corrupt {
        /// What was read.
        what: &'static str,
        /// Why it cannot be.
        reason: String,
    },
    /// There is nothing of that name.
    #[error("there is no {what} {id}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// A run's state does not allow what was wanted.
    #[error("a run that is {from} cannot become {to}")]
    IllegalState {
        /// Its state.
        from: RunState,
        /// The state it cannot take.
        to: RunState,
    },
    /// What was wanted stands against something else, in words.
    #[error("{0}")]
    Conflict(String),
}

impl StoreError {
    pub(crate) fn corrupt(what: &'static str) -> impl Fn(&dyn std::fmt::Display) -> Self {
        move |reason| Self::Corrupt { what, reason: reason.to_string() }
    }

    pub(crate) fn not_found(what: &'static str, id: &impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }
}
