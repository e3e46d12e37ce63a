//! The images that a defence judged, from what its run has kept and the data set as it is.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use engine::{
    EngineError,
    data::{DataError, Index},
    eval::ScoresError,
    files::{DEFENCE, INVERTED},
    run::{
        inverted,
        judged::{Judged, JudgedError},
        strips::Strips,
    },
};
use shared::{
    Rgb8, RunId,
    api::{DefenceStrip, DefenceStrips, JudgedGroup, JudgedImage, Page},
    dataset::DataSource,
    order::RunOrder,
};

use super::{catalog::Unreadable, datasets::found_again, reconstructions::Kept};
use crate::{app::App, run_folder::RunFolder, store::StoreError};

/// What the list of a run's images depends on: its file as it is.
pub(super) type JudgedKey = (PathBuf, Option<SystemTime>);

/// Judged images cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JudgedImagesError {
    /// The run has none, or has no such image.
    #[error("{0}")]
    Missing(String),
    /// The data set is no longer what the run judged.
    #[error("{0}")]
    Conflict(String),
    /// The data set's folder cannot be read.
    #[error(transparent)]
    Images(#[from] Unreadable),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is damaged, or the program failed.
    #[error("{0}")]
    Internal(String),
}

impl From<JudgedError> for JudgedImagesError {
    fn from(error: JudgedError) -> Self {
        match error {
            JudgedError::NoImage { .. } => Self::Missing(error.to_string()),
            JudgedError::Strange { .. } | JudgedError::Plan => Self::Conflict(error.to_string()),
            JudgedError::Engine(EngineError::Data(error)) => error.into(),
            JudgedError::Said(_) | JudgedError::Engine(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<ScoresError> for JudgedImagesError {
    fn from(error: ScoresError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<DataError> for JudgedImagesError {
    fn from(error: DataError) -> Self {
        Self::Conflict(error.to_string())
    }
}

/// Where a run's judged images come from.
#[derive(Clone, Debug)]
pub struct JudgedRun {
    folder: RunFolder,
    /// Where its data set's images are now.
    now: Option<DataSource>,
}

/// A run's judged images.
pub struct JudgedSet {
    judged: Arc<Judged>,
    index: Arc<Index>,
}

impl App {
    /// Where the images are that a run judged.
    ///
    /// # Errors
    /// When there is no such run, or the store fails.
    pub async fn judged_run(&self, run: RunId) -> Result<JudgedRun, StoreError> {
        let folder = RunFolder::new(self.data_dir.folder(&self.store.run_folder(run).await?));
        let settings = self.store.run_settings(run).await?;
        Ok(JudgedRun { folder, now: self.source_of(&settings.dataset.name).await })
    }
}

impl JudgedRun {
    /// When the list of images was written, which identifies what it holds.
    ///
    /// # Errors
    /// When the run has none.
    pub fn written(&self) -> Result<Option<SystemTime>, JudgedImagesError> {
        let metadata = std::fs::metadata(self.folder.path().join(DEFENCE));
        Ok(metadata.map_err(|_| missing())?.modified().ok())
    }

    /// The images. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the run has judged no images, a file of it is damaged, or the data set cannot be read.
    pub fn open(&self, kept: &Kept) -> Result<JudgedSet, JudgedImagesError> {
        let key = (self.folder.path().to_owned(), self.written()?);
        let judged = kept.judged.get_or_make(key, || {
            Judged::open(self.folder.path(), self.order()?)?.ok_or_else(missing)
        })?;
        let index = self.index(kept, judged.order())?;
        Ok(JudgedSet { judged, index })
    }

    /// What the defence made of a few images. Reads files: call it where blocking is allowed.
    ///
    /// # Errors
    /// When the run has kept no strips, a file of it is damaged, or the data set cannot be read.
    pub fn strips(&self, kept: &Kept) -> Result<DefenceStrips, JudgedImagesError> {
        let Strips { columns, strips, .. } = self.kept_strips()?;
        let set = self.open(kept)?;
        let strips = strips.into_iter().map(|strip| {
            Ok(DefenceStrip {
                image: set.image(strip.at)?,
                map: strip.map,
                structure: strip.structure,
                label: strip.label,
                restored: strip.restored,
                before: strip.before,
                after: strip.after,
            })
        });
        let strips = strips.collect::<Result<_, JudgedError>>()?;
        Ok(DefenceStrips { method: set.judged.method(), columns: columns as u32, strips })
    }

    /// The image of a strip as the defence restored or redrew it. Reads files, as above.
    ///
    /// # Errors
    /// When the run has kept no strips, or none of this number, or a file of it is damaged.
    pub fn strip_picture(&self, strip: usize) -> Result<Rgb8, JudgedImagesError> {
        let strips = self.kept_strips()?;
        strips.picture(self.folder.path(), strip)?.ok_or_else(|| {
            let count = strips.strips.len();
            JudgedImagesError::Missing(format!(
                "there is no strip {strip}: the run has kept {count}, counted from 0"
            ))
        })
    }

    /// An image that a trigger was searched for on, and beside it the same with the trigger that was found. Reads files, as above.
    ///
    /// # Errors
    /// When the run has found no trigger, or shows it on fewer images, a file of it is damaged, or the data set cannot be read.
    pub fn under_found_trigger(&self, kept: &Kept, n: usize) -> Result<Rgb8, JudgedImagesError> {
        let none = || {
            JudgedImagesError::Missing(format!(
                "the run has found no trigger, or no image {n} to show it on: there are {} at most",
                inverted::SHOWN
            ))
        };
        if !self.folder.path().join(INVERTED).exists() {
            return Err(none());
        }
        let order = self.order()?;
        let index = self.index(kept, &order)?;
        inverted::on_image(self.folder.path(), &order, &index, n)?.ok_or_else(none)
    }

    fn order(&self) -> Result<RunOrder, JudgedImagesError> {
        self.folder.order().map_err(|error| {
            let path = self.folder.order_file();
            JudgedImagesError::Internal(format!("{}: {error}", path.display()))
        })
    }

    fn index(&self, kept: &Kept, order: &RunOrder) -> Result<Arc<Index>, Unreadable> {
        let source = found_again(order.source.clone(), self.now.clone());
        kept.catalog.open(&source, &order.settings.dataset, "")
    }

    fn kept_strips(&self) -> Result<Strips, JudgedImagesError> {
        Strips::read(self.folder.path())?.ok_or_else(|| {
            let message = "the run has kept no strips: only finished runs of BDMAE and DeDe have, and those of earlier versions have none";
            JudgedImagesError::Missing(message.into())
        })
    }
}

fn missing() -> JudgedImagesError {
    JudgedImagesError::Missing(
        "the run has judged no images: only a finished sample or input filter has".into(),
    )
}

impl JudgedSet {
    /// The images of a group, those with the highest scores first.
    ///
    /// # Errors
    /// When the data set lacks one of them.
    pub fn page(
        &self,
        group: JudgedGroup,
        offset: usize,
        limit: usize,
    ) -> Result<Page<JudgedImage>, JudgedImagesError> {
        let samples = self.judged.samples();
        let mut places: Vec<usize> = (0..samples.len())
            .filter(|&at| JudgedGroup::of(samples[at].flagged, samples[at].poisoned) == Some(group))
            .collect();
        // Images of equal scores stay in the order of the list.
        places.sort_by(|&a, &b| samples[b].score.total_cmp(&samples[a].score));
        let total = places.len() as u64;
        let items = places.into_iter().skip(offset).take(limit).map(|at| self.image(at));
        let items = items.collect::<Result<_, JudgedError>>()?;
        Ok(Page { items, total, offset: offset as u64 })
    }

    /// What is known of the image at a place of the list.
    fn image(&self, at: usize) -> Result<JudgedImage, JudgedError> {
        let entry = self.judged.entry(&self.index, at)?;
        let sample = self.judged.samples()[at];
        Ok(JudgedImage {
            at: at as u32,
            index: sample.image,
            name: entry.name.clone(),
            class: entry.class,
            label: self.judged.has_labels().then_some(sample.label),
            score: sample.score,
            changed: self.judged.is_changed(at)?,
        })
    }

    /// The image at a place of the list, as the method judged it.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub fn picture(&self, at: usize) -> Result<Rgb8, JudgedImagesError> {
        Ok(self.judged.picture(&self.index, at)?)
    }
}
