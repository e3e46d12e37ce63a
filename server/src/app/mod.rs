//! The use cases behind pages, requests and commands, and the state that every part of the program shares.
//!
//! | module | holds |
//! |---|---|
//! | [`studies`] | create a study from its specification; cancel, retry |
//! | [`deletions`] | delete a study, which can be undone for a while |
//! | `plan` | what a study would run, and which of it already exists |
//! | `space`, `gpu_space` | whether the machine and its GPUs have the memory and the disk for it |
//! | [`devices`], [`placement`] | the devices with what runs on them; which of them a run gets |
//! | [`datasets`], [`keys`], [`checkpoints`] | data sets, key images and imported checkpoints that a study can name |
//! | [`disk`] | what takes up the disk, and whether it is nearly full |
//! | [`evaluations`] | further evaluations of a classifier under a trigger |
//! | [`retention`] | removes checkpoints that nothing needs any more |
//! | [`removals`], [`tidy`] | removes the files of what was deleted, and what killed programs left behind |
//! | [`reconstructions`], `pictures` | reconstructions of hidden patches by a checkpoint, and own pictures for them |
//! | [`inside`] | feature maps and attention of an encoder |
//! | [`judged`] | the images that a defence judged |
//! | [`catalog`], `recent` | lists of images, and models, cached in memory |
//! | [`predictions`] | what classifiers say of single images, and pairs of classifiers on the same images |
//! | [`results`], [`tables`] | runs filtered, sorted and grouped by any setting and metric; the same as files |
//! | `curves`, `scores` | accuracies by epoch, curves of trainings, curves and histograms of defences, for figures |
//! | [`handle`] | the interface to the scheduler: wake it, ask whether it runs here and on which devices |

pub mod catalog;
pub mod checkpoints;
mod curves;
pub mod datasets;
pub mod deletions;
pub mod devices;
pub mod disk;
pub mod evaluations;
mod gpu_space;
pub mod handle;
pub mod inside;
pub mod judged;
pub mod keys;
mod pace;
mod pictures;
pub mod placement;
pub(crate) mod plan;
pub mod predictions;
mod recent;
pub mod reconstructions;
pub mod removals;
pub mod results;
pub mod retention;
mod scores;
mod space;
pub mod studies;
pub mod tables;
pub mod tidy;
mod time_left;

use std::path::Path;

use engine::compute::Machine;
use shared::api::DeviceInfo;

use crate::{
    clock::Clock,
    data_dir::{DataDir, DataDirError},
    ending::Ending,
    ids::IdSource,
    store::{Store, StoreError},
};

/// Bytes that a health check writes: more than a file system keeps in an entry of a folder.
const PROBE: usize = 64 << 10;

/// Store, folder, clock, identifiers, queue and machine of one data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The data folder.
    pub data_dir: DataDir,
    /// The clock.
    pub clock: Clock,
    /// The source of new identifiers.
    pub ids: IdSource,
    /// The interface to the scheduler.
    pub queue: handle::Handle,
    /// When this program opened the data folder, in Unix milliseconds.
    pub opened_at: u64,
    /// The end of this program.
    pub ending: Ending,
    /// The machine on which this process computes. Runs have their own, in their workers.
    pub machine: Machine,
    /// The load of its GPUs.
    pub gauges: devices::Gauges,
}

/// A data folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The database in it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl App {
    /// Number of threads used for training.
    pub fn threads(&self) -> u32 {
        self.machine.threads() as u32
    }

    /// The devices that runs are assigned to: those of the queue, or of the machine before a scheduler was started.
    pub fn offered_devices(&self) -> Vec<DeviceInfo> {
        let devices = self.queue.devices();
        if devices.is_empty() { self.machine.devices() } else { devices }
    }

    /// Checks that the database and the data folder can be written, by writing to both.
    ///
    /// # Errors
    /// When one of them cannot: the disk is full, or the file system has become read-only.
    pub async fn check_writing(&self) -> Result<(), StoreError> {
        self.store.check_writing(self.clock.now_ms()).await?;
        let path = self.data_dir.probe();
        let written = tokio::task::spawn_blocking(move || {
            let probe = engine::files::write(&path, &vec![0; PROBE])
                .and_then(|()| std::fs::remove_file(&path));
            probe.map_err(|source| StoreError::Disk { path, source })
        });
        written.await.unwrap_or(Ok(()))
    }

    /// Opens a data folder. Nothing is scheduled until [`Scheduler::start`](crate::queue::Scheduler::start).
    ///
    /// # Errors
    /// When the folder cannot be written, or its database cannot be opened.
    pub async fn open(
        root: &Path,
        machine: Machine,
        clock: Clock,
        ids: IdSource,
    ) -> Result<Self, OpenError> {
        let data_dir = DataDir::open(root)?;
        let store = Store::open(&data_dir.store_file()).await?;
        let (queue, ending) = (handle::Handle::default(), Ending::default());
        let opened_at = clock.now_ms();
        let gauges = devices::Gauges::default();
        Ok(Self { store, data_dir, clock, ids, queue, opened_at, ending, machine, gauges })
    }
}
