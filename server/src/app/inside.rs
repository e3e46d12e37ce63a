//! What is inside an encoder: a map of its features, and what its CLS token attends to, clean and triggered.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use engine::{
    EngineError,
    data::DataError,
    inside::{self, AttendedPair, map_features},
    stop::Watch,
};
use shared::{
    FieldError,
    api::{FeatureMap, FeaturePoint, Projection, Split},
};

use super::{
    catalog::entry,
    reconstructions::{Kept, ReconstructError, Wanted, modified},
};
use crate::app::App;

/// Images of each class on a map, where nothing is asked for, and at most in all.
const PER_CLASS: u32 = 25;
const MOST_IMAGES: u64 = 2_000;
/// Most of them by t-SNE, whose steps grow with the square of their number.
const MOST_BY_TSNE: u64 = 1_000;
/// Images over which attention is averaged, where nothing is asked for, and at most.
const IMAGES: u32 = 32;
const MOST_ATTENDED: u32 = 256;

/// What a map depends on: the checkpoint's file as it is, and the request.
pub(super) type MapKey = (PathBuf, Option<SystemTime>, String);

/// Which map.
#[derive(Clone, Debug)]
pub struct MapQuery {
    /// Whose encoder.
    pub of: Wanted,
    /// Images of each class; defaults to 25.
    pub per_class: Option<u32>,
    /// How features become places.
    pub projection: Projection,
}

/// Attention of one image, and over several.
pub struct Attentive {
    /// Epochs of training in the encoder.
    pub epoch: u32,
    /// Side of a ViT patch in pixels.
    pub patch: u32,
    /// True class of the image.
    pub class: u32,
    /// The image.
    pub pair: AttendedPair,
    /// The means.
    pub mean: inside::Attended,
}

impl App {
    /// The map of an encoder's features. The last few maps are kept.
    ///
    /// # Errors
    /// When there is no such encoder, the images cannot be read, or the watch stops the work.
    pub async fn feature_map(
        &self,
        kept: &Kept,
        query: &MapQuery,
        watch: impl Watch + Send + 'static,
    ) -> Result<Arc<FeatureMap>, ReconstructError> {
        let scene = self.scene(&query.of, false).await?;
        let per_class = query.per_class.unwrap_or(PER_CLASS);
        let projection = query.projection;
        let most_images = match projection {
            Projection::Pca => MOST_IMAGES,
            Projection::Tsne { .. } => MOST_BY_TSNE,
        };
        if per_class == 0 {
            return Err(FieldError::new("per_class", "takes at least 1 image").into());
        }
        let (app, kept) = (self.clone(), kept.clone());
        blocking(move || {
            let mut watch = watch;
            let key = (
                scene.file().to_owned(),
                modified(scene.file())?,
                format!("{:?} {per_class} {projection:?}", scene.settings()),
            );
            let maps = kept.maps.clone();
            maps.get_or_make(key, || {
                let opened = inside::open(scene.file(), &app.machine)?;
                let side = opened.encoder.spec().image_size as usize;
                let attack = scene.settings().attack.clone();
                let (index, trigger) = app.shown(&kept, scene, side)?;
                let goal = attack.goal_among(index.classes.len() as u32);
                let classes = index.classes.len() as u64;
                let images = classes * u64::from(per_class);
                if images > most_images && per_class > 1 {
                    let most = (most_images / classes.max(1)).max(1);
                    let message = format!(
                        "takes at most {most} images of each of {classes} classes, not {per_class}"
                    );
                    return Err(FieldError::new("per_class", message).into());
                }
                let map = map_features(
                    &*opened.encoder,
                    &index,
                    &trigger,
                    &goal,
                    per_class as usize,
                    projection,
                    &mut watch,
                )
                .map_err(of_engine)?;
                let point = |placed: inside::Placed| FeaturePoint {
                    index: placed.image as u32,
                    class: placed.class,
                    triggered: placed.triggered,
                    x: placed.at[0],
                    y: placed.at[1],
                };
                Ok(FeatureMap {
                    epoch: opened.epoch,
                    target_class: goal.target(),
                    classes: index.classes.clone(),
                    projection,
                    points: map.points.into_iter().map(point).collect(),
                    explained: map.explained,
                    before: map.towards.map(|[before, _]| before),
                    after: map.towards.map(|[_, after]| after),
                })
            })
        })
        .await
    }

    /// What an encoder attends to in one validation image, and over several, without and with the trigger.
    ///
    /// # Errors
    /// As for [`feature_map`](Self::feature_map).
    pub async fn attention(
        &self,
        kept: &Kept,
        of: &Wanted,
        image: u32,
        images: Option<u32>,
        watch: impl Watch + Send + 'static,
    ) -> Result<Attentive, ReconstructError> {
        let scene = self.scene(of, false).await?;
        let images = images.unwrap_or(IMAGES);
        if !(1..=MOST_ATTENDED).contains(&images) {
            let message = format!("takes 1 to {MOST_ATTENDED} images, not {images}");
            return Err(FieldError::new("images", message).into());
        }
        let (app, kept) = (self.clone(), kept.clone());
        blocking(move || {
            let mut watch = watch;
            modified(scene.file())?;
            let opened = inside::open(scene.file(), &app.machine)?;
            let encoder = &*opened.encoder;
            let side = encoder.spec().image_size as usize;
            let attack = scene.settings().attack.clone();
            let (index, trigger) = app.shown(&kept, scene, side)?;
            let goal = attack.goal_among(index.classes.len() as u32);
            let class = entry(&index, Split::Test, image)?.class;
            let pair = inside::attended_pair(encoder, &index, &trigger, image as usize)
                .map_err(of_engine)?;
            let mean = inside::attended(
                encoder,
                &index,
                &trigger,
                &goal,
                images as usize,
                app.machine.threads(),
                &mut watch,
            )
            .map_err(of_engine)?;
            let patch = encoder.spec().patch_size;
            Ok(Attentive { epoch: opened.epoch, patch, class, pair, mean })
        })
        .await
    }
}

fn of_engine(error: EngineError) -> ReconstructError {
    match error {
        EngineError::Data(DataError::Stopped) => {
            ReconstructError::Internal("nobody waits for the answer any more".into())
        }
        EngineError::Data(error) => ReconstructError::Conflict(error.to_string()),
        other => other.into(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReconstructError> + Send + 'static,
) -> Result<T, ReconstructError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(ReconstructError::Internal(format!("the work failed: {error}")))
    })
}
