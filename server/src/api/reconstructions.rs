//! What a checkpoint makes of an image whose patches are partly hidden, without and with the trigger.

use std::{io::ErrorKind, path::PathBuf, sync::Arc, time::SystemTime};

use axum::{Json, extract::State};
use engine::{
    compute::Machine,
    decode::{Limits, decode},
    eval::Reconstructor,
    files::LAST_CHECKPOINT,
};
use shared::{
    Rgb8, RunEvent, RunId, RunKind, Settings, Stage, StudyId, Trigger,
    api::{MaskSpec, ReconstructRequest, ReconstructedImage, Reconstruction},
    patches::random_mask,
    run::DataSource,
};

use super::{
    Api, blocking,
    error::ApiError,
    extract::Json as Body,
    pixels,
    recent::Recent,
    samples::{check_index, load},
};
use crate::jobs::{keys::key_file, run_folder::RunFolder};

/// Most models that are kept: two that are compared, and as many of before.
const KEPT: usize = 4;

/// Most checkpoints of a run that are looked through.
const MOST_CHECKPOINTS: u32 = 20_000;

/// The models that were used last, by file and the time of its last change.
pub struct Models {
    open: Recent<(PathBuf, Option<SystemTime>), Reconstructor>,
}

impl Models {
    /// None yet.
    pub fn new() -> Self {
        Self { open: Recent::new(KEPT) }
    }

    fn open(&self, file: PathBuf) -> Result<Arc<Reconstructor>, ApiError> {
        let metadata = std::fs::metadata(&file).map_err(|_| {
            ApiError::field("run", "has written no checkpoint yet; wait for the first")
        })?;
        let path = file.clone();
        self.open.get_or_make((file, metadata.modified().ok()), || {
            let machine = Machine::from_environment().map_err(ApiError::internal)?;
            Reconstructor::open(&path, &machine).map_err(ApiError::internal)
        })
    }
}

/// Reconstructs one image without and with the trigger under the same mask.
#[utoipa::path(post, path = "/reconstructions", tag = "results", request_body = ReconstructRequest,
    responses((status = 200, body = Reconstruction)))]
pub async fn create_reconstruction(
    State(api): State<Api>,
    Body(request): Body<ReconstructRequest>,
) -> Result<Json<Reconstruction>, ApiError> {
    let run = api.app.store.get_run(request.run).await?;
    if let Some(name) = request.imported.clone() {
        let settings = shown_settings(&api, run.id, run.study).await?;
        return reconstruct_imported(api, settings, &name, request).await;
    }
    if run.point.kind != RunKind::Pretrain {
        return Err(ApiError::field("run", "is no pre-training; only those have a decoder"));
    }
    let folder = api.app.store.run_folder(run.id).await?;
    let folder = RunFolder::new(api.app.data_dir.folder(&folder));
    let file = match &request.file {
        Some(file) => {
            // The name becomes part of a path: only one that the run itself has told is taken.
            if !told(&api, run.id, file).await? {
                return Err(ApiError::field(
                    "file",
                    format!("this run has no checkpoint {file:?}"),
                ));
            }
            folder.path().join(file)
        }
        None => folder.path().join(LAST_CHECKPOINT),
    };
    let settings = shown_settings(&api, run.id, run.study).await?;
    let answer = blocking(move || {
        let model = api.models.open(file)?;
        let order = folder.order().map_err(ApiError::internal)?;
        let key = match (read_key(&folder)?, settings.attack.trigger.key()) {
            (None, Some(id)) => Some(study_key(&api, id)?),
            (key, _) => key,
        };
        let images = Images { source: &order.source, settings: &settings, key: key.as_ref() };
        reconstruct(&api, &images, &model, &request)
    })
    .await?;
    Ok(Json(answer))
}

/// As the checkpoint of a run does it; images and trigger are those of the run.
async fn reconstruct_imported(
    api: Api,
    settings: Settings,
    name: &str,
    request: ReconstructRequest,
) -> Result<Json<Reconstruction>, ApiError> {
    let info = api.app.store.get_import(name).await?;
    if !info.has_decoder {
        let message = format!(
            "{name} is an encoder alone, and only a decoder reconstructs; linear probes can start from it"
        );
        return Err(ApiError::field("imported", message));
    }
    let file = api.app.import_file(name).await?;
    let source = api.app.get_dataset(&settings.dataset.name).await?.source();
    let answer = blocking(move || {
        let model = api.models.open(file)?;
        let key = settings.attack.trigger.key().map(|id| study_key(&api, id)).transpose()?;
        let images = Images { source: &source, settings: &settings, key: key.as_ref() };
        reconstruct(&api, &images, &model, &request)
    })
    .await?;
    Ok(Json(answer))
}

/// The settings of a run, and those of its study for what does not matter to the run and is looked at all the same: the images that
/// evaluate, and the attack of an encoder that no poisoned image reached.
async fn shown_settings(api: &Api, run: RunId, study: StudyId) -> Result<Settings, ApiError> {
    let mut settings = api.app.store.run_settings(run).await?;
    let study = api.app.store.get_study(study).await?.spec.settings;
    settings.dataset.test_per_class = study.dataset.test_per_class;
    if settings.pretrain.poisons == 0 {
        settings.attack = study.attack;
    }
    Ok(settings)
}

/// Where images and trigger come from.
struct Images<'a> {
    source: &'a DataSource,
    settings: &'a Settings,
    key: Option<&'a Rgb8>,
}

/// The key image that a study names, in its own size.
fn study_key(api: &Api, id: &str) -> Result<Rgb8, ApiError> {
    let file = key_file(&api.app.data_dir, id).map_err(ApiError::internal)?;
    decode(&file, Limits::default()).map_err(ApiError::internal)
}

/// Whether the run has told of a checkpoint of this name.
async fn told(api: &Api, run: RunId, name: &str) -> Result<bool, ApiError> {
    let kinds = ["checkpoint".to_owned()];
    let events = api.app.store.run_events(run, 0, MOST_CHECKPOINTS, &kinds).await?;
    Ok(events.iter().any(|stamped| match &stamped.event {
        RunEvent::Checkpoint { file, .. } => file == name,
        _ => false,
    }))
}

fn reconstruct(
    api: &Api,
    images: &Images<'_>,
    model: &Reconstructor,
    request: &ReconstructRequest,
) -> Result<Reconstruction, ApiError> {
    let spec = model.model();
    let side = spec.image_size as usize;
    let hidden = mask(&request.mask, spec.patches() as usize)?;
    let index = api.catalog.open(images.source, &images.settings.dataset, "")?;
    check_index(&index, request.split, request.index)?;
    let clean = load(&index, request.split, request.index, side)?;
    // A trigger fits the study's images, and perhaps not those of an imported model.
    let trigger = Trigger::prepare(&images.settings.attack.trigger, images.key, side, Stage::Test)
        .map_err(|error| ApiError::Conflict(format!("on images of {side} px: {error}")))?;
    let triggered = trigger.applied(&clean);
    Ok(Reconstruction {
        side: spec.image_size,
        patch: spec.patch_size,
        class: index.entries(request.split)[request.index as usize].class,
        clean: one(model, &clean, &hidden)?,
        triggered: one(model, &triggered, &hidden)?,
        hidden,
    })
}

/// The key image that the run trained with, in its own size.
fn read_key(folder: &RunFolder) -> Result<Option<Rgb8>, ApiError> {
    match std::fs::read(folder.key_file()) {
        Ok(file) => decode(&file, Limits::default()).map(Some).map_err(ApiError::internal),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ApiError::internal(error)),
    }
}

/// The hidden patches, checked: a model needs something to see and something to guess.
fn mask(spec: &MaskSpec, patches: usize) -> Result<Vec<bool>, ApiError> {
    match spec {
        MaskSpec::Random { ratio, seed } => {
            if *ratio > 0.0 && *ratio < 1.0 {
                Ok(random_mask(patches, *ratio, *seed))
            } else {
                let message = format!(
                    "is above 0 and below 1 (with 1 nothing would be visible), not {ratio}"
                );
                Err(ApiError::field("mask.ratio", message))
            }
        }
        MaskSpec::Painted { hidden } if hidden.len() != patches => Err(ApiError::field(
            "mask.hidden",
            format!("takes one entry for each of the {patches} patches, not {}", hidden.len()),
        )),
        MaskSpec::Painted { hidden } if hidden.iter().all(|&hidden| hidden) => {
            Err(ApiError::field("mask.hidden", "hides every patch; leave at least one visible"))
        }
        MaskSpec::Painted { hidden } => Ok(hidden.clone()),
    }
}

fn one(
    model: &Reconstructor,
    image: &Rgb8,
    hidden: &[bool],
) -> Result<ReconstructedImage, ApiError> {
    let made = model.reconstruct(image, hidden).map_err(ApiError::internal)?;
    Ok(ReconstructedImage {
        original: pixels::base64(image),
        prediction: pixels::base64(&made.prediction),
        pasted: pixels::base64(&made.pasted),
        patch_error: made.patch_error,
        hidden_error: made.hidden_error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(spec: &MaskSpec) -> String {
        mask(spec, 4).expect_err("a mask that cannot be").to_string()
    }

    #[test]
    fn a_mask_leaves_something_to_see() {
        assert_eq!(mask(&MaskSpec::Random { ratio: 0.75, seed: 1 }, 4).unwrap().len(), 4);
        let painted = vec![true, false, true, true];
        assert_eq!(mask(&MaskSpec::Painted { hidden: painted.clone() }, 4).unwrap(), painted);
        for ratio in [0.0, 1.0, f64::NAN] {
            assert!(
                error(&MaskSpec::Random { ratio, seed: 1 }).starts_with("mask.ratio: is above 0")
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
