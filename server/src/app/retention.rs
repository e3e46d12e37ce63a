//! Removes checkpoints of finished runs that nothing needs any more, and resume points that finished runs have left.
//!
//! A run's results, events and poisons stay. Its checkpoints go when it, and every run that needs it, finished longer ago than the
//! policy says. What another run still has to read is never removed: a run that needs it and is queued, running, or may be run
//! again. Imported checkpoints are no run's and stay.

use std::{collections::HashSet, fs, io, os::unix::fs::MetadataExt, path::Path, time::Duration};

use engine::files::{self, LAST_CHECKPOINT, RESUME, RESUME_BEFORE};
use shared::{RunId, StudyId, api::Retention};

use super::removals::LeftOver;
use crate::{
    app::App,
    audit::{Audit, Change},
    run_folder::FileKind,
    store::tidied::{OldRun, Unneeded},
};

const DAY: u64 = 24 * 3600 * 1000;
/// Time between two rounds of a server.
const PERIOD: Duration = Duration::from_hours(6);

/// What is removed of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removable {
    /// The run.
    pub run: OldRun,
    /// Names of the files in its folder.
    pub files: Vec<String>,
    /// Bytes that this frees.
    pub bytes: u64,
    /// Which checkpoints are among it; only resume points without.
    pub unneeded: Option<Unneeded>,
}

/// What is removed of a study's runs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OfStudy {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub name: String,
    /// The runs.
    pub runs: Vec<RunId>,
    /// Number of files.
    pub files: usize,
    /// Bytes that this frees.
    pub bytes: u64,
}

/// The same by study, largest first.
pub fn by_study(removable: &[Removable]) -> Vec<OfStudy> {
    let mut studies: Vec<OfStudy> = Vec::new();
    for one in removable {
        let at = studies.iter().position(|of| of.study == one.run.study).unwrap_or_else(|| {
            let name = one.run.study_name.clone();
            studies.push(OfStudy {
                study: one.run.study,
                name,
                runs: Vec::new(),
                files: 0,
                bytes: 0,
            });
            studies.len() - 1
        });
        studies[at].runs.push(one.run.run);
        studies[at].files += one.files.len();
        studies[at].bytes += one.bytes;
    }
    studies.sort_by_key(|of| std::cmp::Reverse(of.bytes));
    studies
}

impl App {
    /// What can be removed: resume points of finished runs, and with a policy also checkpoints. Nothing is removed.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn removable(&self, policy: Option<Retention>) -> Result<Vec<Removable>, LeftOver> {
        let unneeded = policy.map(|policy| Unneeded {
            before: self.clock.now_ms().saturating_sub(u64::from(policy.days) * DAY),
            keep_last: policy.keep_last,
        });
        let old = match unneeded {
            Some(_) => self.store.finished_runs(unneeded).await?,
            None => Vec::new(),
        };
        let finished = self.store.finished_runs(None).await?;
        let data_dir = self.data_dir.clone();
        let found = tokio::task::spawn_blocking(move || {
            let known: HashSet<i64> = old.iter().map(|run| run.key).collect();
            let others = finished.into_iter().filter(|run| !known.contains(&run.key));
            let all =
                old.into_iter().map(|run| (run, unneeded)).chain(others.map(|run| (run, None)));
            let removable = all.filter_map(|(run, unneeded)| {
                let folder = data_dir.folder(&run.folder);
                let (files, bytes) = in_folder(&folder, unneeded);
                (!files.is_empty()).then_some(Removable { run, files, bytes, unneeded })
            });
            removable.collect()
        });
        found.await.map_err(|error| LeftOver::File {
            path: String::new(),
            source: io::Error::other(error),
        })
    }

    /// Removes these files, unless something needs them by now, with a line of the record for each run. `who` asks for it. Returns what
    /// was removed.
    ///
    /// # Errors
    /// When the store fails, or the first thing that cannot be removed; the others are removed nevertheless.
    pub async fn remove_unneeded(
        &self,
        removable: Vec<Removable>,
        audit: &Audit,
        who: &str,
    ) -> Result<Vec<Removable>, LeftOver> {
        let (mut removed, mut first) = (Vec::new(), None);
        for one in removable {
            let files: Vec<String> =
                one.files.iter().map(|file| format!("{}/{file}", one.run.folder)).collect();
            let now = self.clock.now_ms();
            let noted = match one.unneeded {
                Some(unneeded) => self.store.tidy_run(&one.run, unneeded, &files, now).await?,
                None => self.store.note_removals(&files).await.map(|()| true)?,
            };
            if !noted {
                continue;
            }
            audit.write(Change::Removal {
                who,
                removed: if one.unneeded.is_some() { "checkpoints" } else { "resume points" },
                run: one.run.run,
                study: one.run.study,
                files: &one.files,
                bytes: one.bytes,
            });
            if let Err(error) = self.remove_files(files).await {
                first.get_or_insert(error);
            }
            removed.push(one);
        }
        first.map_or(Ok(removed), Err)
    }

    /// Removes what a policy says, now and a few times a day, until the program ends.
    pub async fn keep_tidy(self, policy: Retention, audit: Audit) {
        loop {
            let removed = match self.removable(Some(policy)).await {
                Ok(removable) => self.remove_unneeded(removable, &audit, "retention").await,
                Err(error) => Err(error),
            };
            match removed {
                Ok(removed) => {
                    for one in removed {
                        let (files, bytes) = (one.files.len(), one.bytes);
                        tracing::info!(run = %one.run.run, files, bytes, "removed by retention");
                    }
                }
                Err(error) => tracing::warn!(%error, "retention could not remove everything"),
            }
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = self.ending.begun() => return,
            }
        }
    }
}

/// The files in a finished run's folder that can go, and the bytes that they take.
fn in_folder(folder: &Path, unneeded: Option<Unneeded>) -> (Vec<String>, u64) {
    if unneeded.is_none() {
        // Nearly every run has none of these.
        let left = [RESUME, RESUME_BEFORE].map(str::to_owned);
        return sized(folder, left.into_iter().filter(|name| folder.join(name).exists()).collect());
    }
    let keep_last = unneeded.is_some_and(|unneeded| unneeded.keep_last);
    // The last checkpoint has two names.
    let last = files::kept_checkpoints(folder).unwrap_or_default().pop();
    let is_last = |name: &str| name == LAST_CHECKPOINT || Some(name) == last.as_deref();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| match FileKind::of(name) {
            FileKind::Checkpoint => name != files::HEAD && !(keep_last && is_last(name)),
            FileKind::Resume | FileKind::Features => true,
            FileKind::Log | FileKind::Other => false,
        })
        .collect();
    names.sort();
    sized(folder, names)
}

/// The bytes of files, of which one with two names counts once.
fn sized(folder: &Path, names: Vec<String>) -> (Vec<String>, u64) {
    let mut counted = HashSet::new();
    let sizes = names.iter().filter_map(|name| {
        let found = fs::symlink_metadata(folder.join(name)).ok()?;
        counted.insert((found.dev(), found.ino())).then_some(found.len())
    });
    let bytes = sizes.sum();
    (names, bytes)
}
