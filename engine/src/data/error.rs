//! What can be wrong with a data set.

/// What is wrong with a data set, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The work was stopped by its watcher.
    #[error("stopped")]
    Stopped,
}
