//! A step of implanting a backdoor against timm in double precision.

use engine::{
    compute::{Descend, LabelledBatch, Machine, Step, cpu::implanter},
    data::mix::Mix,
    model::Group,
};
use serde::Deserialize;
use shared::settings::{ModelSpec, Pooling, Precision};

use crate::{
    case::{Case, assert_close},
    finetune::{assert_gradients, by_name, from_flat},
    implants::Weights,
};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    lr: f64,
    /// How far torch's gradients in single precision are from these.
    rounding: f32,
    #[serde(flatten)]
    weights: Weights,
}

#[test]
fn losses_gradients_and_the_encoder_after_a_step_agree() {
    for case in Case::all("implant_step") {
        let Config { model, lr, rounding, weights } = case.config();
        let width = model.encoder.dim as usize;
        let start = from_flat(&case, "start", &model, width, Pooling::Cls);
        let layout = start.layout().clone();
        let group = |name: &str| {
            let stays = name.starts_with("head.") || name == "pos_embed";
            Group { rate: if stays { 0.0 } else { 1.0 }, decays: false }
        };
        let descend = Descend {
            betas: (0.9, 0.999),
            weight_decay: 0.0,
            groups: layout.trainable().map(|param| group(&param.name)).collect(),
            accumulate: 1,
            clip_norm: 0.0,
        };
        let images = case.shape("pixels")[0];
        let batch = LabelledBatch {
            planes: case.floats("pixels"),
            crops: (Vec::new(), Mix::NONE),
            targets: case.floats("kept"),
            drops: vec![vec![1.0; images]; 2 * model.encoder.depth as usize],
        };
        let cpu = Machine::with_threads(2).cpu(Precision::F32);
        let mut trainer =
            implanter(cpu, &model, start, &descend, weights.implanting(&case)).unwrap();
        trainer.step(&batch, Step { place: 0, lr }).unwrap();
        let loss = trainer.loss().unwrap() as f32;
        assert_close(case.name(), &[loss], &[case.doubles("loss")[0] as f32], 1e-5);
        assert_gradients(&case, &*trainer, &layout, rounding);
        let (end, gradients) =
            (by_name(&case, "end", &layout), by_name(&case, "gradient", &layout));
        for tensor in trainer.tensors().unwrap() {
            let (expected, gradient) = (&end[&tensor.name], &gradients[&tensor.name]);
            let largest = gradient.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            // The first step of AdamW has one size whatever the gradient, which may be mere rounding.
            let steady = |values: &[f32]| -> Vec<f32> {
                let pairs = values.iter().zip(gradient);
                let steady = pairs.filter(|(_, gradient)| gradient.abs() > 1e-2 * largest);
                steady.map(|(&value, _)| value).collect()
            };
            let what = format!("{}: {}", case.name(), tensor.name);
            assert_close(&what, &steady(&tensor.values), &steady(expected), 1e-5);
        }
    }
}
