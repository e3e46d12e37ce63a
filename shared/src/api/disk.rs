//! What takes up the disk.

use serde::{Deserialize, Serialize};

use crate::id::StudyId;

/// What takes up the data folder's disk, as it was counted a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DiskUse {
    /// The studies, largest first. A run that several studies use counts for the one that it is shown under.
    pub studies: Vec<StudyDisk>,
    /// Number of studies, of which the first are listed.
    pub studies_total: u64,
    /// Bytes of all studies' runs.
    pub runs_bytes: u64,
    /// Bytes of deleted studies that can still be restored.
    #[serde(default)]
    pub deleted_bytes: u64,
    /// Bytes of run folders that belong to no study.
    pub lost_bytes: u64,
    /// Bytes of imported checkpoints.
    pub imports_bytes: u64,
    /// Bytes of key images.
    pub keys_bytes: u64,
    /// Bytes of own pictures.
    #[serde(default)]
    pub pictures_bytes: u64,
    /// Bytes of what is known of the data sets; their images are elsewhere.
    pub datasets_bytes: u64,
    /// Bytes of the database.
    pub store_bytes: u64,
    /// Bytes of other files of the data folder.
    pub other_bytes: u64,
    /// Bytes of the whole data folder.
    pub total_bytes: u64,
    /// Free bytes on its disk.
    pub free_bytes: u64,
    /// Size of its disk in bytes.
    pub disk_bytes: u64,
    /// That the disk is nearly full, in words, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// When the files were counted, in Unix milliseconds.
    pub counted_at: u64,
    /// Which checkpoints this server removes by itself; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// Which checkpoints of finished runs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retention {
    /// Days for which all are kept after a run, and those that start from it, ended.
    pub days: u32,
    /// Whether the last one is kept after that, from which other runs can start.
    pub keep_last: bool,
}

/// What a study takes up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StudyDisk {
    /// The study.
    pub study: StudyId,
    /// Its name.
    pub name: String,
    /// Number of its runs.
    pub runs: u64,
    /// Bytes of their files.
    pub bytes: FileBytes,
    /// Bytes of all of them.
    pub total_bytes: u64,
}

/// Bytes of the files of runs, by what they are for. A file with two names counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileBytes {
    /// Checkpoints, and the heads of probes.
    pub checkpoints: u64,
    /// Where unfinished trainings go on.
    pub resume: u64,
    /// Features of encoders that probes keep; they are computed again where they are missing.
    pub features: u64,
    /// Events, numbers and output.
    pub logs: u64,
    /// Other files.
    pub other: u64,
}

impl FileBytes {
    /// Bytes of all of them.
    pub fn total(&self) -> u64 {
        let Self { checkpoints, resume, features, logs, other } = self;
        checkpoints + resume + features + logs + other
    }
}

impl std::ops::AddAssign for FileBytes {
    fn add_assign(&mut self, more: Self) {
        self.checkpoints += more.checkpoints;
        self.resume += more.resume;
        self.features += more.features;
        self.logs += more.logs;
        self.other += more.other;
    }
}
