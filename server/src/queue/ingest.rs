//! A run folder's event lines -> store, each exactly once.
//!
//! The place up to which the file was taken in is stored in the transaction that stores the events. Killed before the
//! commit, nothing was taken and the next look reads the same lines again; killed behind it, the next look begins behind
//! them.

use shared::RunState;

use crate::{
    run_folder::{EventFileError, RunFolder},
    store::{Store, StoreError, queue::RunningRun},
};

/// A run's events cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The event file.
    #[error(transparent)]
    File(#[from] EventFileError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes in all whole lines that are new, part by part, and brings `run` up to date. Returns the run's state after them;
/// `None` when the run is no longer this attempt's to follow.
///
/// # Errors
/// When the file cannot be read or is damaged, or the store answers with an error. What was taken in before stays.
pub async fn take_in(
    store: &Store,
    folder: &RunFolder,
    run: &mut RunningRun,
    now_ms: u64,
) -> Result<Option<RunState>, IngestError> {
    loop {
        let (reader, from, seq) = (folder.clone(), run.taken_bytes, run.progress.seq);
        let lines = tokio::task::spawn_blocking(move || reader.read_events(from, seq))
            .await
            .map_err(|error| EventFileError::Read {
                path: folder.events_file(),
                source: std::io::Error::other(error),
            })??;
        if lines.events.is_empty() {
            return Ok(Some(RunState::Running));
        }
        match store.take_in(run, &lines.events, lines.to_bytes, now_ms).await? {
            Some(RunState::Running) => {
                for stamped in &lines.events {
                    run.progress.apply(stamped);
                }
                run.taken_bytes = lines.to_bytes;
            }
            other => return Ok(other),
        }
    }
}
