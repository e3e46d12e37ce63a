//! What takes up the disk, and whether it is nearly full.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use shared::{
    StudyId,
    api::{DiskUse, FileBytes, StudyDisk},
};

use crate::{
    app::App,
    data_dir::{DataDir, DiskSpace},
    run_folder::FileKind,
    store::{StoreError, runs::StudyFolder},
    terminal::bytes,
};

/// What to do about a disk that is nearly full.
pub const ADVICE: &str = "Free some space before nothing can be written any more: System shows which studies take the most, maskdoor tidy \
    removes checkpoints that nothing needs any more, and deleting a study removes its files";

/// That a disk is nearly full, in words, when it is.
pub fn low_space(space: DiskSpace) -> Option<String> {
    let DiskSpace { free, size } = space;
    space.is_low().then(|| {
        format!(
            "the disk of the data folder is nearly full: {} of {} are free ({:.1} %)",
            bytes(free),
            bytes(size),
            100.0 * free as f64 / size as f64
        )
    })
}

/// The sizes of what was counted, and the files with several names among it.
#[derive(Default)]
struct Counter {
    counted: HashSet<(u64, u64)>,
}

impl Counter {
    /// Bytes of a file; 0 under its second name.
    fn file(&mut self, found: &Metadata) -> u64 {
        let is_new = found.nlink() < 2 || self.counted.insert((found.dev(), found.ino()));
        if is_new { found.len() } else { 0 }
    }

    /// Bytes of everything below a path; links are not followed. What disappears meanwhile counts as 0.
    fn below(&mut self, path: &Path) -> u64 {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => entries(path).map(|(path, _)| self.below(&path)).sum(),
            Ok(found) => self.file(&found),
            Err(_) => 0,
        }
    }

    /// Bytes of a run's files.
    fn run(&mut self, folder: &Path) -> FileBytes {
        let mut bytes = FileBytes::default();
        for (path, name) in entries(folder) {
            let size = self.below(&path);
            *match FileKind::of(&name) {
                FileKind::Checkpoint => &mut bytes.checkpoints,
                FileKind::Resume => &mut bytes.resume,
                FileKind::Features => &mut bytes.features,
                FileKind::Log => &mut bytes.logs,
                FileKind::Other => &mut bytes.other,
            } += size;
        }
        bytes
    }
}

/// What is in a folder, with names; nothing if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, String)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
}

impl App {
    /// Counts what takes up the disk. Reads every folder of the data folder, which takes a while, on a thread where that is allowed.
    ///
    /// # Errors
    /// When the store fails, or the system does not say how much is free.
    pub async fn disk_use(&self) -> Result<DiskUse, StoreError> {
        let folders = self.store.study_folders().await?;
        let deleted = self.store.deleted_folders().await?;
        let (data_dir, now) = (self.data_dir.clone(), self.clock.now_ms());
        let counted = tokio::task::spawn_blocking(move || {
            let space = data_dir.disk_space()?;
            Ok(with_space(
                DiskUse { counted_at: now, ..count(&data_dir, &folders, &deleted) },
                space,
            ))
        });
        let failed = |source| StoreError::Disk { path: self.data_dir.root().to_owned(), source };
        counted.await.map_err(|error| failed(io::Error::other(error)))?.map_err(failed)
    }
}

/// The same count with the present space on the disk.
pub fn with_space(used: DiskUse, space: DiskSpace) -> DiskUse {
    DiskUse { free_bytes: space.free, disk_bytes: space.size, warning: low_space(space), ..used }
}

fn count(data_dir: &DataDir, folders: &[StudyFolder], deleted: &[String]) -> DiskUse {
    let mut counter = Counter::default();
    let mut studies: BTreeMap<StudyId, StudyDisk> = BTreeMap::new();
    for StudyFolder { folder, study, name } in folders {
        let bytes = counter.run(&data_dir.folder(folder));
        let of_study = studies.entry(*study).or_insert_with(|| StudyDisk {
            study: *study,
            name: name.clone(),
            runs: 0,
            bytes: FileBytes::default(),
            total_bytes: 0,
        });
        of_study.runs += 1;
        of_study.bytes += bytes;
        of_study.total_bytes += bytes.total();
    }
    let mut studies: Vec<StudyDisk> = studies.into_values().collect();
    studies.sort_by(|a, b| b.total_bytes.cmp(&a.total_bytes).then(b.study.cmp(&a.study)));
    let deleted: Vec<PathBuf> = deleted.iter().map(|folder| data_dir.folder(folder)).collect();
    let mut known: BTreeSet<PathBuf> =
        folders.iter().map(|folder| data_dir.folder(&folder.folder)).collect();
    known.extend(deleted.iter().cloned());
    let mut used = DiskUse {
        studies_total: studies.len() as u64,
        runs_bytes: studies.iter().map(|study| study.total_bytes).sum(),
        deleted_bytes: deleted.iter().map(|folder| counter.below(folder)).sum(),
        lost_bytes: lost(&mut counter, &data_dir.runs(), &known),
        imports_bytes: counter.below(&data_dir.checkpoints()),
        keys_bytes: counter.below(&data_dir.keys()),
        pictures_bytes: counter.below(&data_dir.pictures()),
        datasets_bytes: counter.below(&data_dir.datasets()),
        store_bytes: data_dir.store_files().iter().map(|file| counter.below(file)).sum(),
        studies,
        ..DiskUse::default()
    };
    let mut counted = vec![data_dir.runs(), data_dir.checkpoints(), data_dir.keys()];
    counted.extend([data_dir.pictures(), data_dir.datasets()]);
    counted.extend(data_dir.store_files());
    let others = entries(data_dir.root()).filter(|(path, _)| !counted.contains(path));
    used.other_bytes = others.map(|(path, _)| counter.below(&path)).sum();
    used.total_bytes = used.runs_bytes
        + used.deleted_bytes
        + used.lost_bytes
        + used.imports_bytes
        + used.keys_bytes
        + used.pictures_bytes
        + used.datasets_bytes
        + used.store_bytes
        + used.other_bytes;
    used
}

/// Bytes of what belongs to no run. Version 0.1 had a folder for each study, with those of its runs in it.
fn lost(counter: &mut Counter, runs: &Path, known: &BTreeSet<PathBuf>) -> u64 {
    let mut bytes = 0;
    for (path, _) in entries(runs).filter(|(path, _)| !known.contains(path)) {
        let is_of_study =
            known.range(path.clone()..).next().is_some_and(|run| run.starts_with(&path));
        if is_of_study {
            let inner = entries(&path).filter(|(path, _)| !known.contains(path));
            bytes += inner.map(|(path, _)| counter.below(&path)).sum::<u64>();
        } else {
            bytes += counter.below(&path);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::write(at("checkpoint-0002.safetensors"), [0; 100]).unwrap();
        fs::hard_link(at("checkpoint-0002.safetensors"), at("checkpoint.safetensors")).unwrap();
        fs::write(at("resume.safetensors"), [0; 30]).unwrap();
        fs::write(at("features-1.safetensors"), [0; 20]).unwrap();
        fs::write(at("worker.log"), [0; 5]).unwrap();
        fs::create_dir(at("more")).unwrap();
        fs::write(at("more/a"), [0; 7]).unwrap();
        std::os::unix::fs::symlink("/", at("link")).unwrap();
        let found = Counter::default().run(place.path());
        let other = 7 + fs::symlink_metadata(at("link")).unwrap().len();
        let expected = FileBytes { checkpoints: 100, resume: 30, features: 20, logs: 5, other };
        assert_eq!(found, expected);
        assert_eq!(found.total(), 155 + other);
        assert_eq!(Counter::default().run(&at("none")), FileBytes::default());
    }

    #[test]
    fn a_full_disk_is_told_with_its_numbers() {
        let space = |free| DiskSpace { free, size: 64_000_000_000 };
        assert_eq!(low_space(space(8_000_000_000)), None);
        assert_eq!(
            low_space(space(4_224_000_000)).unwrap(),
            "the disk of the data folder is nearly full: 4.2 GB of 64.0 GB are free (6.6 %)"
        );
    }
}
