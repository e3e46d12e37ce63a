//! Images of a data set: a random draw for the attack editor, and single images as PNG.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use engine::data::Index;
use serde::Deserialize;
use shared::{
    api::{DatasetInfo, SampleImage, Samples, Split},
    poison::reference_order,
    stream::{Purpose, below, shuffle, stream},
    study::DatasetSpec,
};
use utoipa::IntoParams;

use super::{
    Api, blocking,
    error::ApiError,
    extract::{Path, Query, list},
    pixels,
};
use crate::app::catalog::entry;

/// Which images, and their size.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SamplesQuery {
    /// Part of the data set; defaults to `train`.
    split: Option<Split>,
    /// Side in pixels; defaults to 32.
    #[param(minimum = 4, maximum = 512)]
    side: Option<u32>,
    /// Number of images to draw; defaults to 16.
    count: Option<usize>,
    /// Seed of the draw; defaults to 1.
    seed: Option<u64>,
    /// These images instead of a draw: comma-separated indices.
    indices: Option<String>,
    /// Images of this class alone instead of a draw over all: the reference and support images of composed poisons (`attack.compose`) with
    /// this target, in the order in which a study with the seed takes them.
    references_of: Option<u32>,
    /// Only the first training images of each class.
    train_per_class: Option<u32>,
    /// Only the first validation images of each class.
    test_per_class: Option<u32>,
}

/// The image's size, and how much of the data set to use.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ImageQuery {
    /// Side in pixels; defaults to 32.
    #[param(minimum = 4, maximum = 512)]
    side: Option<u32>,
    /// Only the first training images of each class.
    train_per_class: Option<u32>,
    /// Only the first validation images of each class.
    test_per_class: Option<u32>,
}

/// Some images of a data set: drawn by a seed, over all classes in turn, or given by their indices; at most 256, and fewer above 256 pixels
/// (64 of 512).
#[utoipa::path(get, path = "/datasets/{name}/samples", tag = "data",
    params(("name" = String, Path, description = "Data set"), SamplesQuery),
    responses((status = 200, body = Samples)))]
pub async fn list_samples(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<SamplesQuery>,
) -> Result<Json<Samples>, ApiError> {
    let info = api.app.get_dataset(&name).await?;
    let limits = limits(&info, query.train_per_class, query.test_per_class);
    let side = pixels::checked_side(query.side.unwrap_or(32))?;
    let split = query.split.unwrap_or(Split::Train);
    let source = api.app.source(&info);
    let samples = blocking(move || {
        let index = api.kept.catalog.open(&source, &limits, &info.fingerprint)?;
        let (count, seed) = (query.count.unwrap_or(16), query.seed.unwrap_or(1));
        let chosen = match (&query.indices, query.references_of) {
            (Some(_), Some(_)) => {
                let message = "cannot be combined with indices";
                return Err(ApiError::field("references_of", message));
            }
            (Some(text), None) => list("indices", text)?,
            (None, Some(class)) => references(&index.labels(split), class, count, seed),
            (None, None) => draw(&index.labels(split), count, seed),
        };
        let most = Samples::most(side as u32);
        if chosen.len() > most {
            let message = format!("takes at most {most} images of {side} pixels");
            return Err(ApiError::field("count", message));
        }
        let items = chosen
            .into_iter()
            .map(|at| sample(&index, split, at, side))
            .collect::<Result<_, _>>()?;
        Ok(Samples { side: side as u32, items })
    })
    .await?;
    Ok(Json(samples))
}

/// One image as PNG, resized to a square without cropping.
#[utoipa::path(get, path = "/datasets/{name}/images/{split}/{file}", tag = "data",
    params(
        ("name" = String, Path, description = "Data set"),
        ("split" = Split, Path, description = "Part of it"),
        ("file" = String, Path, description = "The image's index followed by `.png`, such as `12.png`"),
        ImageQuery
    ),
    responses((status = 200, content_type = "image/png", body = Vec<u8>)))]
pub async fn get_image(
    State(api): State<Api>,
    Path((name, split, file)): Path<(String, Split, String)>,
    Query(query): Query<ImageQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let at: u32 = file.strip_suffix(".png").and_then(|at| at.parse().ok()).ok_or_else(|| {
        ApiError::NotFound(format!("an image is called like 12.png, not {file:?}"))
    })?;
    let info = api.app.get_dataset(&name).await?;
    let limits = limits(&info, query.train_per_class, query.test_per_class);
    let side = pixels::checked_side(query.side.unwrap_or(32))?;
    let tag = pixels::entity_tag(&[
        &info.fingerprint,
        &format_args!("{split:?}"),
        &format_args!("{:?}-{:?}", limits.train_per_class, limits.test_per_class),
        &at,
        &side,
    ]);
    if let Some(response) = pixels::not_modified(&headers, &tag) {
        return Ok(response);
    }
    let source = api.app.source(&info);
    let file = blocking(move || {
        let index = api.kept.catalog.open(&source, &limits, &info.fingerprint)?;
        entry(&index, split, at)?;
        let image = load(&index, split, at, side)?;
        pixels::png(&image)
    })
    .await?;
    Ok(pixels::png_response(file, &tag))
}

fn limits(info: &DatasetInfo, train: Option<u32>, test: Option<u32>) -> DatasetSpec {
    DatasetSpec { name: info.name.clone(), train_per_class: train, test_per_class: test }
}

fn sample(index: &Index, split: Split, at: u32, side: usize) -> Result<SampleImage, ApiError> {
    let entry = entry(index, split, at)?;
    let image = load(index, split, at, side)?;
    let rgb = pixels::base64(&image);
    Ok(SampleImage { index: at, class: entry.class, name: entry.name.clone(), rgb })
}

/// The image, resized to a square.
///
/// # Errors
/// When its file was removed or changed since the data set was added.
fn load(index: &Index, split: Split, at: u32, side: usize) -> Result<shared::Rgb8, ApiError> {
    index.load(split, at as usize, side).map_err(|error| ApiError::Conflict(error.to_string()))
}

/// Up to `count` images of a class in the order in which composed poisons take them; none of a class that has no images.
fn references(labels: &[u32], class: u32, count: usize, seed: u64) -> Vec<u32> {
    let of_class = (0..).zip(labels).filter(|(_, label)| **label == class);
    let mut ordered = reference_order(of_class.map(|(index, _)| index).collect(), class, seed);
    ordered.truncate(count);
    ordered
}

/// Draws up to `count` different images, class by class in turn. `labels[i]` is the class of image `i`.
fn draw(labels: &[u32], count: usize, seed: u64) -> Vec<u32> {
    let classes = labels.iter().max().map_or(0, |&last| last as usize + 1);
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); classes];
    for (index, &class) in labels.iter().enumerate() {
        members[class as usize].push(index as u32);
    }
    members.retain(|images| !images.is_empty());
    let mut rng = stream(seed, Purpose::Show, 0, 0);
    shuffle(&mut rng, &mut members);
    let mut drawn = Vec::new();
    while drawn.len() < count && !members.is_empty() {
        for images in &mut members {
            if drawn.len() < count {
                let at = below(&mut rng, images.len() as u32) as usize;
                drawn.push(images.swap_remove(at));
            }
        }
        members.retain(|images| !images.is_empty());
    }
    drawn
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::{
        PoisonPlan, RunKind,
        composition::Composition,
        settings::{AttackSpec, ComposeMethod, ComposeSpec},
        trigger::{RandomPatchSpec, TriggerSpec},
    };

    use super::*;

    #[test]
    fn references_are_those_of_a_plan() {
        let labels: Vec<u32> = (0..50).map(|i| i % 5).collect();
        let compose =
            ComposeSpec { method: ComposeMethod::CorruptEncoder, ..ComposeSpec::default() };
        let trigger = TriggerSpec::RandomPatch(RandomPatchSpec::for_side(32));
        let attack = AttackSpec { target_class: 2, compose, trigger, ..AttackSpec::default() };
        let plan = PoisonPlan::draw(RunKind::Pretrain, &labels, 5, &attack, 10, 7).unwrap();
        let plan = plan.composed(&attack, &labels, 32).unwrap();
        let shown: HashSet<u32> = plan.compositions.iter().flat_map(Composition::parts).collect();
        assert_eq!(references(&labels, 2, 3, 7).into_iter().collect::<HashSet<_>>(), shown);
        assert_eq!(references(&labels, 2, 99, 7).len(), 10);
        assert!(references(&labels, 5, 3, 7).is_empty());
    }

    #[test]
    fn a_draw_goes_over_all_classes_and_takes_no_image_twice() {
        let labels: Vec<u32> = (0..50).map(|i| i / 10).collect();
        let first: HashSet<u32> = draw(&labels, 5, 3).iter().map(|&i| labels[i as usize]).collect();
        assert_eq!(first.len(), 5, "one image of each class");
        let all = draw(&labels, 80, 3);
        assert_eq!(all.len(), 50);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 50);
        assert_eq!(draw(&labels, 16, 3), draw(&labels, 16, 3));
        assert_ne!(draw(&labels, 16, 3), draw(&labels, 16, 4));
        assert!(draw(&[], 16, 3).is_empty());
    }
}
