//! The MAE against transformers' `ViTMAEForPreTraining` at the same noise.

use candle_core::DType;
use engine::{
    model::{Mae, MaskedImages},
    nn::tensor_file::{NamedTensor, serialize},
    train::replicas,
};
use safetensors::SafeTensors;
use serde::Deserialize;
use shared::study::ModelSpec;

use crate::case::{Case, assert_close};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    norm_pix_loss: bool,
    mask_ratio: f64,
}

/// The model with the case's weights, and its images under the case's masks.
fn read(case: &Case) -> (Mae, MaskedImages, Vec<Vec<u32>>) {
    let config: Config = case.config();
    let weights: Vec<NamedTensor> = case
        .names("weight.")
        .into_iter()
        .map(|name| {
            let full = format!("weight.{name}");
            NamedTensor { shape: case.shape(&full), values: case.floats(&full), name }
        })
        .collect();
    let mut mae = Mae::new(&config.model, 1, DType::F32).unwrap();
    assert_eq!(weights.len(), mae.params().iter().count(), "{}: tensors", case.name());
    let file = serialize(&weights, &[]).unwrap();
    mae.load(&SafeTensors::deserialize(&file).unwrap()).unwrap();

    let grid = mae.grid();
    let (pixels, noise) = (case.floats("pixels"), case.floats("noise"));
    let mut masked = MaskedImages::new(grid, config.mask_ratio);
    let mut orders = Vec::new();
    for (image, noise) in
        pixels.chunks_exact(grid.image_len()).zip(noise.chunks_exact(grid.count()))
    {
        // Patches of low noise are seen, the others hidden.
        let mut order: Vec<u32> = (0..grid.count() as u32).collect();
        order.sort_by(|&a, &b| noise[a as usize].total_cmp(&noise[b as usize]));
        masked.push(grid, image, &order, config.norm_pix_loss);
        orders.push(order);
    }
    (mae, masked, orders)
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

#[test]
fn predictions_agree() {
    for case in Case::all("mae") {
        let (mae, masked, orders) = read(&case);
        let predicted = mae.predict(&masked).unwrap().flatten_all().unwrap();
        let (count, length) = (mae.grid().count(), mae.grid().patch_len());
        let expected = case.floats("prediction");
        let in_order: Vec<f32> = expected
            .chunks_exact(count * length)
            .zip(&orders)
            .flat_map(|(image, order)| {
                order.iter().map(|&patch| patch as usize * length).map(|at| &image[at..at + length])
            })
            .flatten()
            .copied()
            .collect();
        assert_close(case.name(), &predicted.to_vec1::<f32>().unwrap(), &in_order, 1e-5);
    }
}

#[test]
fn losses_and_all_gradients_agree() {
    for case in Case::all("mae") {
        let (mae, masked, _) = read(&case);
        let (loss, gradients) =
            replicas::gradients(mae.params(), &[1.0], 1, |_| mae.forward_loss(&masked)).unwrap();
        assert_close(case.name(), &[loss as f32], &case.floats("loss"), 1e-5);
        assert_eq!(case.names("gradient.").len(), gradients.len(), "{}: gradients", case.name());
        for (param, gradient) in mae.params().trainable().zip(&gradients) {
            let expected = case.floats(&format!("gradient.{}", param.name));
            assert_close(&format!("{}: {}", case.name(), param.name), gradient, &expected, 1e-4);
        }
    }
}
