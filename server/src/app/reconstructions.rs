//! A checkpoint's reconstruction of an image with hidden patches, without and with the trigger.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use engine::{
    EngineError,
    compute::Machine,
    data::{Index, picture},
    eval::{Reconstructed, Reconstructor},
    files::LAST_CHECKPOINT,
    run::judged::Judged,
};
use shared::{
    FieldError, Rgb8, RunId, Settings, Stage, StudyId, Trigger,
    api::{FeatureMap, ImageChoice, MaskSpec, ReconstructRequest, Split},
    dataset::DataSource,
    patches::random_mask,
    settings::{DatasetSpec, ModelSpec},
};

use super::{
    catalog::{Catalog, NoImage, Unreadable, entry},
    checkpoints::{CheckpointError, check_kept},
    datasets::{DatasetError, found_again},
    inside::MapKey,
    judged::JudgedKey,
    keys::key_file,
    recent::Recent,
};
use crate::{app::App, run_folder::RunFolder, store::StoreError};

/// Maximum number of cached models: two that are being compared, and two used before.
const KEPT: usize = 4;

/// A reconstruction cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReconstructError {
    /// A field of the request is wrong.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The data set has no such image.
    #[error(transparent)]
    NoImage(#[from] NoImage),
    /// The trigger does not fit the images, or an image can no longer be read.
    #[error("{0}")]
    Conflict(String),
    /// The data set's folder cannot be read.
    #[error(transparent)]
    Images(#[from] Unreadable),
    /// The imported checkpoint cannot be found.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The data set cannot be found.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file of the run.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The program failed.
    #[error("{0}")]
    Internal(String),
}

/// The image that is reconstructed.
#[derive(Clone, Debug)]
pub enum Shown {
    /// One of the study's data set.
    OfDataset {
        /// Part of the data set.
        split: Split,
        /// Index within it.
        index: u32,
    },
    /// An image file that is in no data set.
    Picture {
        /// Its name.
        name: String,
        /// The file.
        file: PathBuf,
    },
}

/// Whose checkpoint.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// A pre-training; with an imported checkpoint any run of the study that gives images and trigger.
    pub run: RunId,
    /// An imported checkpoint instead, by name.
    pub imported: Option<String>,
    /// File name of the checkpoint; `None` for the last one.
    pub file: Option<String>,
}

/// What an own picture as a model sees it depends on: its file as it is, and the side in pixels.
type PictureKey = (PathBuf, Option<SystemTime>, usize);

/// The most recently used models and own pictures, by file and modification time, the lists of images, and those of judged images.
/// Cheap to clone.
#[derive(Clone)]
pub struct Kept {
    /// Lists of images.
    pub catalog: Arc<Catalog>,
    models: Arc<Recent<(PathBuf, Option<SystemTime>), Reconstructor>>,
    pictures: Arc<Recent<PictureKey, Rgb8>>,
    pub(super) maps: Arc<Recent<MapKey, FeatureMap>>,
    pub(super) judged: Arc<Recent<JudgedKey, Judged>>,
}

impl Default for Kept {
    /// Nothing yet.
    fn default() -> Self {
        Self {
            catalog: Arc::default(),
            models: Arc::new(Recent::new(KEPT)),
            pictures: Arc::new(Recent::new(KEPT)),
            maps: Arc::new(Recent::new(KEPT)),
            judged: Arc::new(Recent::new(KEPT)),
        }
    }
}

impl Kept {
    fn model(
        &self,
        file: PathBuf,
        machine: &Machine,
    ) -> Result<Arc<Reconstructor>, ReconstructError> {
        let path = file.clone();
        let modified = modified(&file)?;
        self.models.get_or_make((file, modified), || Ok(Reconstructor::open(&path, machine)?))
    }

    /// An image file as a model sees it. A photograph of many pixels takes longer to decode than to reconstruct, and a brush asks for it
    /// many times.
    fn picture(&self, file: &Path, side: usize) -> Result<Rgb8, ReconstructError> {
        let modified = std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok();
        let made = self.pictures.get_or_make((file.into(), modified, side), || {
            picture(file, side).map_err(|error| ReconstructError::Conflict(error.to_string()))
        });
        made.map(|image| (*image).clone())
    }
}

/// When a checkpoint was written, where the file system tells.
///
/// # Errors
/// When there is none.
pub(super) fn modified(file: &Path) -> Result<Option<SystemTime>, FieldError> {
    let metadata = std::fs::metadata(file)
        .map_err(|_| FieldError::new("run", "has written no checkpoint yet; wait for the first"))?;
    Ok(metadata.modified().ok())
}

/// An image without and with the trigger, and the model's reconstructions of both under one mask.
pub struct Pair {
    /// The model's sizes.
    pub model: ModelSpec,
    /// Hidden patches, row by row.
    pub hidden: Vec<bool>,
    /// True class of the image; an own picture has none.
    pub class: Option<u32>,
    /// Its name.
    pub name: String,
    /// Without the trigger.
    pub clean: (Rgb8, Reconstructed),
    /// With the trigger.
    pub triggered: (Rgb8, Reconstructed),
}

/// Where images and trigger come from, and the model that sees them.
pub(super) struct Scene {
    file: PathBuf,
    settings: Settings,
    origin: Origin,
}

impl Scene {
    /// The checkpoint.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The settings that give images and trigger.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What a scene shows.
struct Prepared {
    source: DataSource,
    images: DatasetSpec,
    trigger: Trigger,
}

/// What made the checkpoint.
enum Origin {
    /// A run, whose order names its images, and whose key image is in its folder; where its data set's images are now.
    Run(RunFolder, Option<DataSource>),
    /// Another program; the images are those of a study.
    Import(DataSource),
}

impl App {
    /// Reconstructs the image of a request as [`reconstruct_shown`](Self::reconstruct_shown) does.
    ///
    /// # Errors
    /// As there, and when the request does not name one image, or there is no such own picture.
    pub async fn reconstruct(
        &self,
        kept: &Kept,
        request: &ReconstructRequest,
    ) -> Result<Pair, ReconstructError> {
        let shown = match request.image()? {
            ImageChoice::OfDataset { split, index } => Shown::OfDataset { split, index },
            ImageChoice::Picture(id) => {
                // Only a name that the store has becomes part of a path.
                let picture = self.store.get_picture(&id).await?;
                let file = self.data_dir.picture_file(&picture.id);
                Shown::Picture { name: picture.name, file }
            }
        };
        let ReconstructRequest { run, imported, file, mask, .. } = request.clone();
        self.reconstruct_shown(kept, &Wanted { run, imported, file }, shown, mask).await
    }

    /// Reconstructs one image without and with the trigger under the same mask.
    ///
    /// # Errors
    /// When there is no such checkpoint, it has no decoder, the data set has no such image, a picture cannot be read, or the mask hides no
    /// patch or all patches.
    pub async fn reconstruct_shown(
        &self,
        kept: &Kept,
        of: &Wanted,
        shown: Shown,
        mask: MaskSpec,
    ) -> Result<Pair, ReconstructError> {
        let scene = self.scene(of, true).await?;
        let (app, kept) = (self.clone(), kept.clone());
        let work = move || app.reconstructed(&kept, scene, shown, &mask);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            Err(ReconstructError::Internal(format!("the reconstruction failed: {error}")))
        })
    }

    /// Where a checkpoint, its images and its trigger are; `decoder` tells whether it needs one.
    pub(super) async fn scene(
        &self,
        request: &Wanted,
        decoder: bool,
    ) -> Result<Scene, ReconstructError> {
        let run = self.store.get_run(request.run).await?;
        let settings = self.shown_settings(run.id, run.study).await?;
        if let Some(name) = &request.imported {
            if !self.store.get_import(name).await?.has_decoder && decoder {
                let message = format!(
                    "{name} has an encoder but no decoder, so it cannot reconstruct; linear probes can start from it"
                );
                return Err(FieldError::new("imported", message).into());
            }
            let file = self.import_file(name).await?;
            let source = self.source(&self.get_dataset(&settings.dataset.name).await?);
            return Ok(Scene { file, settings, origin: Origin::Import(source) });
        }
        if !run.point.kind.makes_encoder() {
            let what = if decoder { "a decoder" } else { "an encoder of their own" };
            let message = format!("is not a pre-training; only pre-trainings have {what}");
            return Err(FieldError::new("run", message).into());
        }
        let folder =
            RunFolder::new(self.data_dir.folder(&self.store.run_folder(request.run).await?));
        if let Some(file) = &request.file {
            // The name becomes part of a path: only one that the run itself has reported is taken.
            let told = self.told_checkpoints(run.id).await?;
            if told.iter().all(|(_, name)| name != file) {
                let message = format!("this run has no checkpoint {file:?}");
                return Err(FieldError::new("file", message).into());
            }
        }
        let file = folder.path().join(request.file.as_deref().unwrap_or(LAST_CHECKPOINT));
        check_kept(&run, &file)?;
        let now = self.source_of(&settings.dataset.name).await;
        Ok(Scene { file, settings, origin: Origin::Run(folder, now) })
    }

    /// The settings of a run, completed by those of its study where they do not affect the run but are needed here: the validation
    /// images, and the attack for an encoder that was trained on clean images.
    async fn shown_settings(
        &self,
        run: RunId,
        study: StudyId,
    ) -> Result<Settings, ReconstructError> {
        let mut settings = self.store.run_settings(run).await?;
        let study = self.store.get_study(study).await?.spec.settings;
        settings.dataset.test_per_class = study.dataset.test_per_class;
        if settings.pretrain.poisons == 0 {
            settings.attack = study.attack;
        }
        Ok(settings)
    }

    fn reconstructed(
        &self,
        kept: &Kept,
        scene: Scene,
        shown: Shown,
        mask: &MaskSpec,
    ) -> Result<Pair, ReconstructError> {
        let model = kept.model(scene.file.clone(), &self.machine)?;
        let spec = model.model();
        let side = spec.image_size as usize;
        let hidden = hidden(mask, spec.patches() as usize)?;
        let (name, class, clean, trigger) = match shown {
            Shown::OfDataset { split, index: at } => {
                let (index, trigger) = self.shown(kept, scene, side)?;
                let entry = entry(&index, split, at)?;
                let clean = index
                    .load(split, at as usize, side)
                    .map_err(|error| ReconstructError::Conflict(error.to_string()))?;
                (entry.name.clone(), Some(entry.class), clean, trigger)
            }
            Shown::Picture { name, file } => {
                let clean = kept.picture(&file, side)?;
                (name, None, clean, self.prepared(scene, side)?.trigger)
            }
        };
        let triggered = trigger.applied(&clean);
        let [of_clean, of_triggered] =
            [&clean, &triggered].map(|image| model.reconstruct(image, &hidden));
        Ok(Pair {
            model: *spec,
            class,
            name,
            clean: (clean, of_clean?),
            triggered: (triggered, of_triggered?),
            hidden,
        })
    }

    /// The images of a scene, and its trigger, ready for images of a side.
    pub(super) fn shown(
        &self,
        kept: &Kept,
        scene: Scene,
        side: usize,
    ) -> Result<(Arc<Index>, Trigger), ReconstructError> {
        let Prepared { source, images, trigger } = self.prepared(scene, side)?;
        Ok((kept.catalog.open(&source, &images, "")?, trigger))
    }

    /// Where the images of a scene are, and its trigger, ready for images of a side. Opens no data set.
    fn prepared(&self, scene: Scene, side: usize) -> Result<Prepared, ReconstructError> {
        let (source, own) = match scene.origin {
            Origin::Import(source) => (source, None),
            Origin::Run(folder, now) => {
                let order = folder.order().map_err(|error| ReconstructError::File {
                    path: folder.order_file(),
                    reason: error.to_string(),
                })?;
                (found_again(order.source, now), key_of_run(&folder)?)
            }
        };
        let Settings { dataset: images, attack, .. } = scene.settings;
        let key = match (own, attack.trigger.key()) {
            (None, Some(id)) => Some(self.key_of_study(id)?),
            (own, _) => own,
        };
        // A trigger fits the study's images, but perhaps not those of an imported model.
        let trigger = Trigger::prepare(&attack.trigger, key.as_ref(), side, Stage::Test).map_err(
            |error| ReconstructError::Conflict(format!("on images of {side} px: {error}")),
        )?;
        Ok(Prepared { source, images, trigger })
    }

    /// The key image that a study names, in its original size.
    fn key_of_study(&self, id: &str) -> Result<Rgb8, ReconstructError> {
        let wrong = |reason: String| ReconstructError::File { path: id.into(), reason };
        let file = key_file(&self.data_dir, id).map_err(|error| wrong(error.to_string()))?;
        engine::keys::image(&file).map_err(|error| wrong(error.to_string()))
    }
}

/// The key image that a run trained with, in its original size.
fn key_of_run(folder: &RunFolder) -> Result<Option<Rgb8>, ReconstructError> {
    let path = folder.key_file();
    let wrong = |reason: String| ReconstructError::File { path: path.clone(), reason };
    match std::fs::read(&path) {
        Ok(file) => engine::keys::image(&file).map(Some).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// The hidden patches, checked: the model needs at least one visible and one hidden patch.
fn hidden(spec: &MaskSpec, patches: usize) -> Result<Vec<bool>, FieldError> {
    match spec {
        MaskSpec::Random { ratio, seed } => {
            if *ratio > 0.0 && *ratio < 1.0 {
                Ok(random_mask(patches, *ratio, *seed))
            } else {
                let message = format!(
                    "takes a number above 0 and below 1 (with 1 nothing would be visible), not {ratio}"
                );
                Err(FieldError::new("mask.ratio", message))
            }
        }
        MaskSpec::Painted { hidden } if hidden.len() != patches => Err(FieldError::new(
            "mask.hidden",
            format!("takes one entry for each of the {patches} patches, not {}", hidden.len()),
        )),
        MaskSpec::Painted { hidden } if hidden.iter().all(|&hidden| hidden) => {
            Err(FieldError::new("mask.hidden", "hides every patch; leave at least one visible"))
        }
        MaskSpec::Painted { hidden } => Ok(hidden.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(spec: &MaskSpec) -> String {
        hidden(spec, 4).expect_err("a mask that cannot be").to_string()
    }

    #[test]
    fn a_mask_leaves_something_to_see() {
        assert_eq!(hidden(&MaskSpec::Random { ratio: 0.75, seed: 1 }, 4).unwrap().len(), 4);
        let painted = vec![true, false, true, true];
        assert_eq!(hidden(&MaskSpec::Painted { hidden: painted.clone() }, 4).unwrap(), painted);
        for ratio in [0.0, 1.0, f64::NAN] {
            assert!(
                error(&MaskSpec::Random { ratio, seed: 1 })
                    .starts_with("mask.ratio: takes a number above 0")
            );
        }
        assert_eq!(
            error(&MaskSpec::Painted { hidden: vec![true; 4] }),
            "mask.hidden: hides every patch; leave at least one visible"
        );
        assert_eq!(
            error(&MaskSpec::Painted { hidden: vec![true; 3] }),
            "mask.hidden: takes one entry for each of the 4 patches, not 3"
        );
    }
}
