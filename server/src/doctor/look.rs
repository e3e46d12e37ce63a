//! What is compared: the database with itself, what it says with what is in the data folder, and the files with their checksums.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use engine::{
    checkpoint::{self, Recorded},
    data::Index,
    files::{KEY, LAST_CHECKPOINT, RESUME, RESUME_BEFORE},
};
use shared::{
    RunId, RunState,
    api::{AddDataset, DatasetInfo, ImportedCheckpoint, KeyInfo, PictureInfo},
    dataset::FolderSource,
    run::DataSource,
};

use super::{Action, Finding, FolderRun, Subject};
use crate::{
    app::{
        App,
        keys::sha256,
        plan::is_whole,
        removals::is_being_imported,
        tidy::{entries, left_overs, subfolders},
    },
    data_dir::DataDir,
    queue::executor::{local, slurm},
    run_folder::RunFolder,
    store::{StoreError, check::StoredRun},
};

/// What the database has.
struct Known {
    data_dir: DataDir,
    opened_at: u64,
    runs: Vec<StoredRun>,
    removals: Vec<String>,
    /// Folders of deleted runs that can still be restored.
    deleted: Vec<String>,
    keys: Vec<KeyInfo>,
    pictures: Vec<PictureInfo>,
    datasets: Vec<(DatasetInfo, DataSource)>,
    imports: Vec<ImportedCheckpoint>,
}

pub(super) async fn examine(app: &App) -> Result<Vec<Finding>, StoreError> {
    let store = &app.store;
    let findings = database(app).await?;
    // A damaged file may fail any query, and is not to be written to.
    if findings.iter().any(|finding| finding.subject == Subject::Database) {
        return Ok(findings);
    }
    let mut findings = findings;
    let mut datasets = Vec::new();
    for info in store.list_datasets().await? {
        let source = app.source(&store.get_dataset(&info.name).await?);
        datasets.push((info, source));
    }
    let known = Known {
        data_dir: app.data_dir.clone(),
        opened_at: app.opened_at,
        runs: store.stored_runs().await?,
        removals: store.removals().await?,
        deleted: store.deleted_folders().await?,
        keys: store.list_keys().await?,
        pictures: store.list_pictures().await?,
        imports: store.list_imports().await?,
        datasets,
    };
    let files = tokio::task::spawn_blocking(move || known.compare());
    findings.extend(files.await.map_err(|error| StoreError::corrupt("a data folder")(&error))?);
    Ok(findings)
}

async fn database(app: &App) -> Result<Vec<Finding>, StoreError> {
    let what = app.data_dir.below(&app.data_dir.store_file());
    let finding = |text| Finding::new(Subject::Database, what.clone(), text);
    let damaged = app.store.integrity().await?.into_iter().map(|line| {
        format!(
            "SQLite's check says: {line}. Restore the file from a backup; or move it aside together with its -wal and -shm files, and \
             let maskdoor doctor take the runs in again from their folders"
        )
    });
    let broken = app.store.broken_references().await?;
    Ok(damaged.chain(broken).map(finding).collect())
}

impl Known {
    fn compare(&self) -> Vec<Finding> {
        let mut findings = self.left_behind();
        let found = self.folders_without_run();
        findings.extend(self.lost_datasets(&found));
        findings.extend(found.into_iter().map(|(_, finding)| finding));
        findings.extend(self.runs_without_folder());
        findings.extend(self.damaged_files());
        findings.extend(self.keys());
        findings.extend(self.pictures());
        findings.extend(self.datasets());
        findings.extend(self.imports());
        findings
    }

    fn left_behind(&self) -> Vec<Finding> {
        let removals = self.removals.iter().map(|path| {
            let text = "what it belonged to was deleted, and it is still there";
            Finding::new(Subject::LeftOver, path, text).mend_by("removes it", Action::Tidy)
        });
        let left = left_overs(&self.data_dir, self.opened_at).into_iter().map(|path| {
            let text = "it was being written when a program was killed";
            Finding::new(Subject::LeftOver, self.data_dir.below(&path), text)
                .mend_by("removes it", Action::Tidy)
        });
        removals.chain(left).collect()
    }

    /// Folders of runs that the database does not have, with the run where one can be read.
    fn folders_without_run(&self) -> Vec<(Option<FolderRun>, Finding)> {
        let known: BTreeSet<PathBuf> =
            self.runs.iter().map(|run| self.data_dir.folder(&run.folder)).collect();
        let removed: BTreeSet<PathBuf> = self
            .removals
            .iter()
            .chain(&self.deleted)
            .map(|path| self.data_dir.folder(path))
            .collect();
        let mut unknown = Vec::new();
        for folder in subfolders(&self.data_dir.runs()) {
            let inner = subfolders(&folder);
            // Version 0.1 had a folder for each study.
            let of_study = !RunFolder::new(&folder).order_file().exists() && !inner.is_empty();
            for folder in if of_study { inner } else { vec![folder] } {
                if !known.contains(&folder) && !removed.contains(&folder) {
                    unknown.push(folder);
                }
            }
        }
        // Of copies, the one that has the run's name is taken.
        let is_named = |folder: &PathBuf| {
            folder.file_name().and_then(|name| name.to_str()?.parse::<RunId>().ok()).is_some()
        };
        unknown.sort_by_key(|folder| !is_named(folder));
        let mut runs: BTreeSet<RunId> = self.runs.iter().map(|run| run.run).collect();
        unknown.into_iter().map(|folder| self.folder_without_run(folder, &mut runs)).collect()
    }

    /// What is wrong with a folder. `runs` are those that are known from elsewhere.
    fn folder_without_run(
        &self,
        folder: PathBuf,
        runs: &mut BTreeSet<RunId>,
    ) -> (Option<FolderRun>, Finding) {
        let what = self.data_dir.below(&folder);
        let finding = |text: String| Finding::new(Subject::FolderWithoutRun, what.clone(), text);
        match FolderRun::read(&folder) {
            Ok(run) if !runs.insert(run.order.run) => {
                let text = "its run is in another folder, too: this one is a copy. Move it out of the data folder";
                (None, finding(text.into()))
            }
            Ok(run) => {
                let text = format!(
                    "{} ({}); its order and events suffice to take it in again. Which study it belonged to is not known",
                    run.order.point().label(),
                    run.ending()
                );
                let action = Action::TakeInRun(Box::new(run.clone()));
                (Some(run), finding(text).mend_by("takes it into the study recovered", action))
            }
            Err(_) if is_empty(&folder) => {
                let text = "it is empty".to_owned();
                (None, finding(text).mend_by("removes it", Action::RemoveEmpty(folder)))
            }
            Err(error) => {
                let text = format!(
                    "no run can be taken in from it, because it has no valid order ({error}). Move it out of the data folder, or delete it"
                );
                (None, finding(text))
            }
        }
    }

    fn runs_without_folder(&self) -> Vec<Finding> {
        let done = self.runs.iter().filter(|run| run.state == RunState::Done);
        let missing = done.filter_map(|run| {
            let folder = self.data_dir.folder(&run.folder);
            let text = if !folder.is_dir() {
                "its folder is missing: its results stay, but its checkpoints, poison list and log are lost. A study that starts from it \
                 trains it again"
            } else if !run.is_tidied && !is_whole(&self.data_dir, run.kind, &run.folder) {
                "its manifest or its last checkpoint is missing: nothing can start from it. A study that needs it trains it again"
            } else {
                return None;
            };
            Some(Finding::new(Subject::RunWithoutFolder, &run.folder, text))
        });
        missing.collect()
    }

    /// Files whose checksum differs. Those of a run that trains are left out, because they change.
    fn damaged_files(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for run in &self.runs {
            let folder = RunFolder::new(self.data_dir.folder(&run.folder));
            let is_alive = || {
                local::is_alive(&folder).unwrap_or(true)
                    || slurm::has(&self.data_dir.slurm(), folder.path())
            };
            if run.state == RunState::Running && is_alive() {
                continue;
            }
            for path in entries(folder.path()) {
                findings.extend(self.damaged(&path));
            }
        }
        for import in &self.imports {
            let path = self.data_dir.checkpoint_folder(&import.name).join(LAST_CHECKPOINT);
            findings.extend(self.damaged(&path));
        }
        findings
    }

    fn damaged(&self, path: &Path) -> Option<Finding> {
        let name = path.file_name()?.to_str()?;
        if !name.ends_with(".safetensors") || !path.exists() {
            return None;
        }
        let reason = checkpoint::check(path).err()?;
        let finding = |text: &str| {
            let text = format!("{reason}. {text}");
            Finding::new(Subject::DamagedFile, self.data_dir.below(path), text)
        };
        let remove =
            |finding: Finding| finding.mend_by("removes it", Action::RemoveFile(path.into()));
        Some(match name {
            RESUME | RESUME_BEFORE => remove(finding(
                "A training cannot go on from it; without it, Run again goes on from the one before or begins anew",
            )),
            name if name.starts_with("features-") => remove(finding(
                "It keeps features of an encoder, which are computed again when they are needed",
            )),
            _ => finding(
                "Nothing can start from it. Restore it from a backup; or train the run again (--fresh), or import the file again",
            ),
        })
    }

    fn keys(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let known: BTreeSet<&str> = self.keys.iter().map(|key| key.sha256.as_str()).collect();
        for key in &self.keys {
            let path = self.data_dir.key_file(&key.sha256);
            let Some(state) = damage(&path, &key.sha256) else { continue };
            let what = format!("{} ({})", key.name, self.data_dir.below(&path));
            let finding = |text: String| Finding::new(Subject::Key, what.clone(), text);
            findings.push(match self.copy_of_key(&key.sha256) {
                Some(from) => finding(format!("{state}; {} has a copy", self.data_dir.below(&from)))
                    .mend_by("copies it from there", Action::RestoreKey { from, to: path }),
                None => finding(format!(
                    "{state}, so runs with it fail. Upload the same image again: it gets the same name"
                )),
            });
        }
        findings.extend(self.unknown_images(
            Subject::Key,
            &self.data_dir.keys(),
            &known,
            Action::TakeInKey,
        ));
        findings
    }

    fn pictures(&self) -> Vec<Finding> {
        let known: BTreeSet<&str> = self.pictures.iter().map(|it| it.id.as_str()).collect();
        let damaged = self.pictures.iter().filter_map(|picture| {
            let path = self.data_dir.picture_file(&picture.id);
            let text = format!(
                "{}, so Reconstruct cannot show it. Upload the same image again: it gets the same name",
                damage(&path, &picture.id)?
            );
            let what = format!("{} ({})", picture.name, self.data_dir.below(&path));
            Some(Finding::new(Subject::Picture, what, text))
        });
        let mut findings: Vec<_> = damaged.collect();
        let folder = self.data_dir.pictures();
        let take_in = Action::TakeInPicture;
        findings.extend(self.unknown_images(Subject::Picture, &folder, &known, take_in));
        findings
    }

    /// Uploaded images in a folder that are not `known`, and that nobody is to remove.
    fn unknown_images(
        &self,
        subject: Subject,
        folder: &Path,
        known: &BTreeSet<&str>,
        take_in: fn(PathBuf) -> Action,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        for path in entries(folder) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let below = self.data_dir.below(&path);
            if path.extension().is_none_or(|ext| ext != "png")
                || known.contains(name)
                || self.removals.contains(&below)
            {
                continue;
            }
            let finding = |text: &str| Finding::new(subject, &below, text);
            findings.push(if damage(&path, name).is_none() {
                finding("the database does not have this image, so no page offers it")
                    .mend_by("adds it as \"Recovered image\"", take_in(path.clone()))
            } else {
                finding("its content does not match the hash in its name. Move it out of the data folder, or delete it")
            });
        }
        findings
    }

    /// The folder of a run with this key image has a copy of it.
    fn copy_of_key(&self, key: &str) -> Option<PathBuf> {
        let runs = self.runs.iter().filter(|run| run.key.as_deref() == Some(key));
        let mut copies = runs.map(|run| self.data_dir.folder(&run.folder).join(KEY));
        copies.find(|path| fs::read(path).is_ok_and(|file| sha256(&file) == key))
    }

    fn datasets(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (info, source) in &self.datasets {
            if let Err(error) = Index::open(source) {
                let text = format!(
                    "{error}. Studies on it are refused until its folder is as it was; results stay"
                );
                findings.push(Finding::new(Subject::Dataset, &info.name, text));
            }
            let names = self.data_dir.dataset_names(&info.name);
            if !names.exists() {
                let text = "the list of its images' names is missing: if its folder changes, classes and counts are named, but no images";
                findings.push(Finding::new(Subject::Dataset, self.data_dir.below(&names), text));
            }
        }
        let known: BTreeSet<PathBuf> =
            self.datasets.iter().map(|(info, _)| self.data_dir.dataset_names(&info.name)).collect();
        for path in entries(&self.data_dir.datasets()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.ends_with(".names.gz") && !known.contains(&path) {
                let text = "it lists the images of a data set that the database does not have. It does no harm";
                findings.push(Finding::new(Subject::Dataset, self.data_dir.below(&path), text));
            }
        }
        findings
    }

    /// Data sets that the database does not have, from the orders of runs that it does not have either.
    fn lost_datasets(&self, found: &[(Option<FolderRun>, Finding)]) -> Vec<Finding> {
        let mut lost: BTreeMap<&str, &FolderSource> = BTreeMap::new();
        for run in found.iter().filter_map(|(run, _)| run.as_ref()) {
            let name = run.order.settings.dataset.name.as_str();
            let known = self.datasets.iter().any(|(info, _)| info.name == name);
            if let (DataSource::Folder(folder), false) = (&run.order.source, known) {
                lost.insert(name, folder);
            }
        }
        lost.into_iter()
            .map(|(name, folder)| {
                let path = &folder.path;
                let text = format!(
                    "the database does not have this data set of {path}, on which runs were trained"
                );
                let finding = Finding::new(Subject::Dataset, name, text);
                let request = AddDataset {
                    name: name.into(),
                    path: path.clone(),
                    transparency: folder.transparency,
                    hold_out: folder.hold_out,
                };
                // A version has a name that only the program gives.
                if Path::new(path).is_dir() && !name.contains('@') {
                    finding.mend_by("adds the folder again", Action::AddDataset(request))
                } else {
                    finding
                }
            })
            .collect()
    }

    fn imports(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for import in &self.imports {
            let path = self.data_dir.checkpoint_folder(&import.name).join(LAST_CHECKPOINT);
            if !path.exists() {
                let text = format!(
                    "its file {} is missing: no study can start from it. Remove it and import {} again",
                    self.data_dir.below(&path),
                    import.source
                );
                findings.push(Finding::new(Subject::Checkpoint, &import.name, text));
            }
        }
        let known: BTreeSet<PathBuf> = self
            .imports
            .iter()
            .map(|import| self.data_dir.checkpoint_folder(&import.name))
            .chain(self.removals.iter().map(|path| self.data_dir.folder(path)))
            .chain(left_overs(&self.data_dir, self.opened_at))
            .collect();
        for folder in subfolders(&self.data_dir.checkpoints()) {
            if known.contains(&folder) || is_being_imported(&folder) {
                continue;
            }
            let (what, file) = (self.data_dir.below(&folder), folder.join(LAST_CHECKPOINT));
            let finding = |text: String| Finding::new(Subject::Checkpoint, what.clone(), text);
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_import = || {
                Recorded::read(&file).is_ok_and(|file| {
                    ["source", "sha256", "format"].iter().all(|key| file.texts.contains_key(*key))
                })
            };
            findings.push(match checkpoint::check(&file) {
                Ok(()) if !is_import() => finding(
                    "its checkpoint was not imported by this program. Move it out of the data folder, and import it".into(),
                ),
                Ok(()) => finding("the database does not have this imported checkpoint".into())
                    .mend_by("adds it again", Action::TakeInCheckpoint(name)),
                Err(_) if is_empty(&folder) => {
                    finding("it is empty".into()).mend_by("removes it", Action::RemoveEmpty(folder))
                }
                Err(reason) => finding(format!(
                    "the database does not have it, and its checkpoint cannot be read ({reason}). Delete it, and import the file again"
                )),
            });
        }
        findings
    }
}

/// What is wrong with the file of an uploaded image, which is named by its hash; `None` if nothing is.
fn damage(path: &Path, hash: &str) -> Option<String> {
    match fs::read(path) {
        Ok(file) if sha256(&file) == hash => None,
        Ok(_) => Some("its file is damaged".into()),
        Err(error) => Some(format!("its file cannot be read ({error})")),
    }
}

/// Whether a folder can be read and has nothing in it.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}
