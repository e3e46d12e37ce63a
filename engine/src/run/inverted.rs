//! The trigger that DECREE found, on some of the images that it was searched for on.

use std::path::Path;

use shared::{
    Rgb8, Settings,
    api::Split,
    dataset::Transparency,
    order::RunOrder,
    stream::{Purpose, shuffle, stream},
};

use super::judged::JudgedError;
use crate::{
    EngineError,
    data::{Index, augment::eval_transform},
    decode::{Limits, decode},
    eval::ScoresError,
    files,
};

/// Images on which the trigger is shown.
pub const SHOWN: usize = 4;

/// The validation images on which a trigger is searched for, whatever their class. There are `images` of them.
pub(super) fn searched_on(settings: &Settings, images: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..images).collect();
    shuffle(&mut stream(settings.seed, Purpose::Inversion, 2, 0), &mut chosen);
    chosen.truncate(settings.defence.shadow_images as usize);
    chosen
}

/// Image `n` of a search, and beside it the same with the trigger that was found: what the mask hides of the image, the trigger replaces. `index`
/// has the run's data set with the run's limits. `None` where the run has found no trigger, or shows it on fewer images.
///
/// # Errors
/// When the picture of the trigger is damaged, or the image cannot be read.
pub fn on_image(
    folder: &Path,
    order: &RunOrder,
    index: &Index,
    n: usize,
) -> Result<Option<Rgb8>, JudgedError> {
    let path = folder.join(files::INVERTED);
    let file = match std::fs::read(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ScoresError::Read { path, source }.into()),
    };
    let chosen = searched_on(&order.settings, index.entries(Split::Test).len());
    let Some(&image) = chosen.get(n).filter(|_| n < SHOWN) else { return Ok(None) };
    let damaged = |reason: String| ScoresError::Damaged { path: path.clone(), reason };
    let trigger = decode(&file, Limits::default(), Transparency::default())
        .map_err(|error| damaged(error.to_string()))?;
    let side = order.settings.model.image_size as usize;
    if (trigger.width(), trigger.height()) != (2 * side, side) {
        return Err(damaged(format!("it is not {} x {side} pixels large", 2 * side)).into());
    }
    let plain = index.load(Split::Test, image, side).map_err(EngineError::Data)?;
    let plain = eval_transform(&plain, side);
    Ok(Some(Rgb8::from_fn(2 * side, side, |x, y| {
        let clean = plain.pixel(x % side, y);
        if x < side {
            return clean;
        }
        let (mask, over) = (trigger.pixel(x - side, y)[0], trigger.pixel(x, y));
        [0, 1, 2].map(|channel| {
            let seen = (f64::from(clean[channel]) * f64::from(255 - mask) / 255.0).round();
            (seen + f64::from(over[channel])).min(255.0) as u8
        })
    })))
}
