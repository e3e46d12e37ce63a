//! The MAE against transformers' `ViTMAEForPreTraining` at the same noise.

use engine::{
    compute::cpu::{Mae, MaeRun, MaskedImages, Pass},
    model::PatchGrid,
};
use kernel::{Kernels, Path, Precision};
use serde::Deserialize;
use shared::settings::ModelSpec;

use crate::{
    case::{Case, assert_close},
    defences::assert_near,
};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    norm_pix_loss: bool,
    mask_ratio: f64,
    /// Error of the prediction when torch multiplies in bf16, as a share of the largest predicted value.
    half: f32,
}

/// The model with the case's weights, and its images under the case's masks.
fn read(case: &Case) -> (Mae, MaskedImages, Vec<Vec<u32>>) {
    let config: Config = case.config();
    let mut mae = Mae::drawn(&config.model, 1);
    case.load(mae.params_mut());
    let masked = MaskedImages::new(mae.grid(), config.mask_ratio);
    let (masked, orders) = under_masks(case, mae.grid(), masked, config.norm_pix_loss);
    (mae, masked, orders)
}

/// The case's images under the masks of its noise, and the order of each image's patches.
pub fn under_masks(
    case: &Case,
    grid: PatchGrid,
    mut masked: MaskedImages,
    norm_pix_loss: bool,
) -> (MaskedImages, Vec<Vec<u32>>) {
    let (pixels, noise) = (case.floats("pixels"), case.floats("noise"));
    let mut orders = Vec::new();
    for (image, noise) in
        pixels.chunks_exact(grid.image_len()).zip(noise.chunks_exact(grid.count()))
    {
        // Patches with low noise are visible, the others hidden.
        let mut order: Vec<u32> = (0..grid.count() as u32).collect();
        order.sort_by(|&a, &b| noise[a as usize].total_cmp(&noise[b as usize]));
        masked.push(grid, image, &order, norm_pix_loss);
        orders.push(order);
    }
    (masked, orders)
}

#[test]
fn masks_are_those_of_the_noise() {
    for case in Case::all("mae") {
        let (mae, masked, orders) = read(&case);
        let mask = case.floats("mask");
        for (order, mask) in orders.iter().zip(mask.chunks_exact(mae.grid().count())) {
            for (place, &patch) in order.iter().enumerate() {
                let hidden = mask[patch as usize] > 0.5;
                assert_eq!(hidden, place >= masked.visible, "{}: patch {patch}", case.name());
            }
        }
    }
}

/// All kernels of this machine, each with a multiplier for the tolerance: in bf16, factors have 8 significant bits.
pub fn all_kernels() -> impl Iterator<Item = (Kernels, f32)> {
    Path::here().flat_map(|path| {
        let of = move |precision| Kernels { path, precision };
        [(of(Precision::F32), 1.0), (of(Precision::Bf16), BF16)]
    })
}

#[test]
fn attention_rolls_out_as_transformers_weights_do() {
    for case in Case::all("mae") {
        for (kernels, more) in all_kernels() {
            let (mae, ..) = read(&case);
            let order: Vec<u32> = (0..mae.grid().count() as u32).collect();
            let mut whole = MaskedImages::new(mae.grid(), 0.0);
            for image in case.floats("pixels").chunks_exact(mae.grid().image_len()) {
                whole.push(mae.grid(), image, &order, false);
            }
            let maps = mae.roll_out(&whole, kernels);
            let what = format!("{}: {kernels:?}: roll-out", case.name());
            assert_near(&what, &maps, &case.doubles("roll_out"), 1e-5 * f64::from(more));
        }
    }
}

/// How many times larger the tolerance is for bf16 than for single precision, where it is 1e-5.
const BF16: f32 = 2e3;

#[test]
fn predictions_agree() {
    for case in Case::all("mae") {
        for (kernels, more) in all_kernels() {
            let (mae, masked, orders) = read(&case);
            let predicted = mae.predict(&masked, kernels);
            let (count, length) = (mae.grid().count(), mae.grid().patch_len());
            let expected = case.floats("prediction");
            let in_order: Vec<f32> = expected
                .chunks_exact(count * length)
                .zip(&orders)
                .flat_map(|(image, order)| order.iter().map(move |&patch| (image, patch as usize)))
                .flat_map(|(image, patch)| &image[patch * length..][..length])
                .copied()
                .collect();
            let what = format!("{}: {kernels:?}", case.name());
            // Twice the error of torch's own bf16 where that is larger: both errors are random samples of rounding.
            let half = if more > 1.0 { 2.0 * case.config::<Config>().half } else { 0.0 };
            assert_close(&what, &predicted, &in_order, half.max(1e-5 * more));
        }
    }
}

#[test]
fn losses_and_all_gradients_agree() {
    for case in Case::all("mae") {
        let (mae, masked, _) = read(&case);
        let shards = [masked];
        let trainable = mae.params().trainable().count();
        assert_eq!(case.names("gradient.").len(), trainable, "{}: gradients", case.name());
        for (kernels, more) in all_kernels() {
            let mut gradients = vec![0.0; mae.params().values().len()];
            let loss = MaeRun::new(kernels).gradients(&mae, &shards, &[1.0], &mut gradients);
            let what = format!("{}: {kernels:?}", case.name());
            assert_close(&what, &[loss as f32], &case.floats("loss"), 1e-5 * more);
            for param in mae.params().trainable() {
                let (what, expected) = (
                    format!("{what}: {}", param.name),
                    case.floats(&format!("gradient.{}", param.name)),
                );
                assert_close(&what, param.slot.of(&gradients), &expected, 1e-4 * more);
            }
        }
    }
}
