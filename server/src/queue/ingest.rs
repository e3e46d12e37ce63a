//! Takes the event lines of a run folder into the store, each exactly once.
//!
//! The position up to which the file was read is stored in the same transaction as the events. If the program is killed before
//! the commit, nothing is stored and the next pass reads the same lines again; if it is killed after it, the next pass starts
//! after them.
//!
//! A worker's lines are not on the disk when it has written them. They are before the store says that a run is over, so that
//! after a power cut no finished run lacks events.

use engine::files::sync;
use shared::{RunEvent, RunState};

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

/// Takes in all complete new lines, part by part, and updates `run`. Returns the run's state after them; `None` if the run
/// has ended or is in another attempt.
///
/// # Errors
/// When the file cannot be read or is damaged, or the store fails. Events taken in before the error are kept.
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
        let is_end =
            |event: &RunEvent| matches!(event, RunEvent::Finished { .. } | RunEvent::Failed { .. });
        if lines.events.iter().any(|stamped| is_end(&stamped.event)) {
            keep(folder).await?;
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

/// Takes in the rest of what a run wrote that no worker trains any more. Where its events do not say how it ended, it is interrupted for
/// this reason, or cancelled if that was asked for.
///
/// # Errors
/// When the store fails.
pub async fn take_in_rest(
    store: &Store,
    folder: &RunFolder,
    run: &mut RunningRun,
    why: &str,
    at: u64,
) -> Result<(), StoreError> {
    let why = match take_in(store, folder, run, at).await {
        Ok(Some(RunState::Running)) => why.to_owned(),
        Ok(_) => return Ok(()),
        Err(IngestError::File(error)) => error.to_string(),
        Err(IngestError::Store(error)) => return Err(error),
    };
    let (state, why) = if run.cancel {
        (RunState::Cancelled, None)
    } else {
        (RunState::Interrupted, Some(why.as_str()))
    };
    store.end_run(run.key, state, why, at).await?;
    Ok(())
}

/// Brings a worker's events, and the name of their file, to the disk. Its other files are there already.
async fn keep(folder: &RunFolder) -> Result<(), StoreError> {
    let root = folder.path().to_owned();
    let files = [folder.events_file(), root.clone()];
    let kept = tokio::task::spawn_blocking(move || {
        for path in files {
            sync(&path).map_err(|source| StoreError::Disk { path, source })?;
        }
        Ok(())
    });
    let failed = |error| StoreError::Disk { path: root, source: std::io::Error::other(error) };
    kept.await.map_err(failed)?
}
