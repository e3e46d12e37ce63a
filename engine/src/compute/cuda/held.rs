//! Sets of images that lie on GPUs as bytes, and crops of them.

#[cfg(test)]
mod tests;

use ::cuda::{Device, HeldImages, Mixing, Windows};
use rayon::prelude::*;
use shared::{
    Rgb8,
    resize::{Filter, windows},
};

use crate::{
    EngineError,
    compute::ImageSet,
    data::{DataError, augment::Crop, mix::Mix},
    stop::Watch,
};

/// Images that are read and copied at once.
const AT_ONCE: usize = 256;

/// The weights by which crops of images of side `from` become images of side `to`.
pub(super) fn table(from: usize, to: usize, filter: Filter) -> Windows {
    let all: Vec<_> = (1..=from).map(|length| windows(length, to, filter)).collect();
    let taps = all.iter().flatten().map(|window| window.weights.len()).max().unwrap_or(0);
    let (mut firsts, mut weights) = (Vec::new(), Vec::new());
    for window in all.into_iter().flatten() {
        firsts.push(window.first as u32);
        weights.extend_from_slice(&window.weights);
        weights.resize(firsts.len() * taps, 0);
    }
    Windows { from, to, taps, firsts, weights }
}

/// Copies a set to each of these GPUs, if all of them have room for it beside a batch of `batch` images.
pub(super) fn hold(
    devices: &[Device],
    set: &ImageSet<'_>,
    batch: usize,
    watch: &mut dyn Watch,
) -> Result<Option<Vec<HeldImages>>, EngineError> {
    let windows = table(set.side, set.side, Filter::Bicubic);
    let mut held = Vec::new();
    for device in devices {
        let Some(room) = device.hold(&windows, (set.count, batch))? else { return Ok(None) };
        held.push(room);
    }
    for first in (0..set.count).step_by(AT_ONCE) {
        let some = (first..(first + AT_ONCE).min(set.count)).into_par_iter().map(set.image);
        let some = some.collect::<Result<Vec<_>, _>>()?;
        let bytes: Vec<&[u8]> = some.iter().map(Rgb8::data).collect();
        held.iter().try_for_each(|held| held.write(first, &bytes))?;
        watch.progress("images to the GPU", (first + bytes.len()) as u64, set.count as u64);
        if watch.stopped() {
            return Err(DataError::Stopped.into());
        }
    }
    Ok(Some(held))
}

/// Crops as the GPU takes them.
pub(super) fn crops(crops: &[Crop]) -> Vec<::cuda::Crop> {
    let crop = |&Crop { image, part, flip }: &Crop| ::cuda::Crop {
        image,
        x: part.x as u32,
        y: part.y as u32,
        width: part.width as u32,
        height: part.height as u32,
        flip,
    };
    crops.iter().map(crop).collect()
}

/// How a batch is mixed, as the GPU takes it; nothing where it stays as it is.
pub(super) fn mixing(mix: &Mix) -> Option<Mixing> {
    let shares = (mix.lambda as f32, (1.0 - mix.lambda) as f32);
    let ends = |first: usize, length: usize| [first as u32, (first + length) as u32];
    let cut = mix.cut.map(|cut| {
        let ([left, right], [top, bottom]) = (ends(cut.x, cut.width), ends(cut.y, cut.height));
        [left, right, top, bottom]
    });
    (mix.cut.is_some() || mix.lambda < 1.0).then_some(Mixing { shares, cut })
}
