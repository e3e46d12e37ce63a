//! How much of the attention of an encoder's CLS token lies on a trigger.

use shared::{Rgb8, Trigger, api::Split, metric::Goal};

use super::feature_map::first_of_each;
use crate::{
    EngineError,
    compute::Encode,
    data::{DataError, Index, augment::eval_transform},
    parallel::in_parallel,
    stop::Watch,
};

/// An image without and with the trigger, and the roll-out of each.
#[derive(Clone, Debug, PartialEq)]
pub struct AttendedPair {
    /// What the encoder sees, without the trigger and with it.
    pub images: [Rgb8; 2],
    /// Each patch's share of what reaches the CLS token from all patches, row by row; they add up to 1.
    pub maps: [Vec<f64>; 2],
    /// The shares on the pixels that the trigger changes.
    pub on_trigger: [f64; 2],
    /// The share of the pixels that it changes.
    pub area: f64,
}

/// Means over several images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attended {
    /// Number of images.
    pub images: usize,
    /// Mean shares on the trigger's pixels, without the trigger and with it.
    pub on_trigger: [f64; 2],
    /// Mean share of the pixels that the trigger changes.
    pub area: f64,
}

/// The roll-outs of a validation image.
///
/// # Errors
/// When there is no such image, it cannot be read, or the device cannot tell its attention.
pub fn attended_pair(
    encoder: &dyn Encode,
    index: &Index,
    trigger: &Trigger,
    image: usize,
) -> Result<AttendedPair, EngineError> {
    let spec = encoder.spec();
    let (side, patch) = (spec.image_size as usize, spec.patch_size as usize);
    let clean = index.load(Split::Test, image, side)?;
    let triggered = trigger.applied(&clean);
    let images = [clean, triggered].map(|image| eval_transform(&image, side));
    let touched = touched(&images[0], &images[1], patch);
    let maps = [shares(&encoder.roll_out(&images[0])?), shares(&encoder.roll_out(&images[1])?)];
    let on = |map: &[f64]| map.iter().zip(&touched).map(|(mass, part)| mass * part).sum::<f64>();
    let on_trigger = [on(&maps[0]), on(&maps[1])];
    let area = touched.iter().sum::<f64>() / touched.len() as f64;
    Ok(AttendedPair { images, maps, on_trigger, area })
}

/// The means over about `count` validation images, as many of each class but the target; of every class with all-to-all.
///
/// # Errors
/// As for [`attended_pair`]; [`DataError::Stopped`] when the watch stops the work.
pub fn attended(
    encoder: &dyn Encode,
    index: &Index,
    trigger: &Trigger,
    goal: &Goal,
    count: usize,
    threads: usize,
    watch: &mut dyn Watch,
) -> Result<Attended, EngineError> {
    let labels = index.labels(Split::Test);
    let classes = index.classes.len();
    let moved = (0..classes as u32).filter(|&class| goal.moves(class)).count();
    let each = count.div_ceil(moved.max(1));
    let mut images = first_of_each(&labels, classes, each);
    images.retain(|&image| goal.moves(labels[image]));
    let mut sums = ([0.0; 2], 0.0);
    for (done, part) in images.chunks(threads.max(1)).enumerate() {
        watch.progress("attention", (done * threads.max(1)) as u64, images.len() as u64);
        if watch.stopped() {
            return Err(DataError::Stopped.into());
        }
        let pairs =
            in_parallel(part.len(), threads, |i| attended_pair(encoder, index, trigger, part[i]))?;
        for pair in pairs {
            sums.0[0] += pair.on_trigger[0];
            sums.0[1] += pair.on_trigger[1];
            sums.1 += pair.area;
        }
    }
    let n = images.len().max(1) as f64;
    Ok(Attended { images: images.len(), on_trigger: sums.0.map(|sum| sum / n), area: sums.1 / n })
}

/// The same, adding up to 1; all equal where nothing reaches the CLS token.
fn shares(map: &[f64]) -> Vec<f64> {
    let total: f64 = map.iter().sum();
    let even = 1.0 / map.len().max(1) as f64;
    map.iter().map(|mass| if total > 0.0 { mass / total } else { even }).collect()
}

/// The share of each patch's pixels that differ between two images, row by row.
fn touched(clean: &Rgb8, triggered: &Rgb8, patch: usize) -> Vec<f64> {
    let columns = clean.width() / patch;
    let mut shares = vec![0.0; columns * (clean.height() / patch)];
    for y in 0..clean.height() {
        for x in 0..clean.width() {
            if clean.pixel(x, y) != triggered.pixel(x, y) {
                shares[y / patch * columns + x / patch] += 1.0 / (patch * patch) as f64;
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use shared::{
        Stage, TriggerSpec,
        run::DataSource,
        settings::{DatasetSpec, ModelSpec, Precision, TransformerSpec},
        trigger::{Fill, Layout},
    };

    use super::*;
    use crate::{
        compute::{Device as _, Machine, Params},
        model::mae,
    };

    #[test]
    fn the_trigger_s_pixels_are_counted_by_patch() {
        let clean = Rgb8::filled(4, 4, [0; 3]);
        let triggered = Rgb8::from_fn(4, 4, |x, y| if x >= 1 && y < 2 { [9; 3] } else { [0; 3] });
        assert_eq!(touched(&clean, &triggered, 2), [0.5, 1.0, 0.0, 0.0]);
        assert_eq!(shares(&[1.0, 3.0]), [0.25, 0.75]);
        assert_eq!(shares(&[0.0, 0.0]), [0.5, 0.5]);
    }

    #[test]
    fn a_drawn_encoder_attends_about_evenly() {
        let few =
            DatasetSpec { name: String::new(), train_per_class: Some(2), test_per_class: Some(2) };
        let index = Index::open(&DataSource::Builtin).unwrap().limited(&few);
        let transformer = TransformerSpec { dim: 16, depth: 2, heads: 2 };
        let spec =
            ModelSpec { image_size: 16, patch_size: 4, encoder: transformer, decoder: transformer };
        let machine = Machine::with_threads(2);
        let encoder =
            machine.cpu(Precision::F32).encoder(&spec, Params::draw(mae(&spec), 3)).unwrap();
        let trigger = TriggerSpec::Patched(Layout::Aligned.place(16, 4, 4, Fill::default()));
        let trigger = Trigger::prepare(&trigger, None, 16, Stage::Test).unwrap();
        let pair = attended_pair(&*encoder, &index, &trigger, 3).unwrap();
        assert_ne!(pair.images[0], pair.images[1]);
        for map in &pair.maps {
            assert!(map.len() == 16 && (map.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{map:?}");
        }
        assert!(pair.area > 0.0 && pair.area < 0.5, "{}", pair.area);
        let of = |threads| {
            attended(&*encoder, &index, &trigger, &0.into(), 18, threads, &mut ()).unwrap()
        };
        let all = Goal::AllToAll { classes: 10 };
        let all = attended(&*encoder, &index, &trigger, &all, 18, 2, &mut ()).unwrap();
        assert_eq!(all.images, 20, "two of each of ten classes");
        let mean = of(1);
        assert_eq!((mean.images, mean), (18, of(2)), "the same bits on any number of threads");
        let near = |share: f64| share > 0.5 * mean.area && share < 2.0 * mean.area;
        assert!(mean.on_trigger.into_iter().all(near), "{mean:?}");
    }
}
