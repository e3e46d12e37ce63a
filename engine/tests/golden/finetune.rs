//! Fine-tuning against timm: logits, layer-wise rates, smoothed and mixed targets, stochastic depth, five steps.

use std::collections::BTreeMap;

use engine::{
    compute::{
        FinetuningTrainer, Params, Targets,
        cpu::{
            LabelledImages, Pass, Vit, VitRun, WholeImages,
            optim::{AdamW, Optimizer, clip_norm},
        },
    },
    data::{augment::CropBox, mix::Mix},
    model::{Layout, layer_groups, vit},
};
use kernel::{Kernels, Path, Precision};
use serde::Deserialize;
use shared::settings::{ModelSpec, Pooling};

use crate::case::{Case, assert_close};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    classes: usize,
    pooling: Pooling,
    smoothing: f64,
    mix: Option<MixConfig>,
    lr: f64,
    weight_decay: f64,
    layer_decay: f64,
    clip_norm: Option<f64>,
    drops: bool,
    steps: u32,
}

#[derive(Deserialize)]
struct MixConfig {
    lambda: f64,
    cut: Option<Cut>,
}

#[derive(Deserialize)]
struct Cut {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

impl Config {
    fn mix(&self) -> Mix {
        let Some(mix) = &self.mix else { return Mix::NONE };
        let cut =
            mix.cut.as_ref().map(|&Cut { x, y, width, height }| CropBox { x, y, width, height });
        Mix { lambda: mix.lambda, cut }
    }

    /// The model with the case's weights.
    fn vit(&self, case: &Case) -> Vit {
        let mut vit = Vit::drawn(&self.model, self.classes, self.pooling, 1);
        let names: Vec<String> = vit.params().iter().map(|param| param.name.clone()).collect();
        assert_eq!(case.names("start.").len(), names.len(), "{}", case.name());
        for name in names {
            vit.params_mut().set(&name, &case.floats(&format!("start.{name}"))).unwrap();
        }
        vit
    }
}

/// The tensors of a case that holds them in one, in the order of their names.
pub fn by_name(case: &Case, key: &str, layout: &Layout) -> BTreeMap<String, Vec<f32>> {
    let sizes: BTreeMap<&str, usize> =
        layout.iter().map(|param| (&param.name[..], param.slot.len)).collect();
    let values = case.floats(key);
    let mut rest = &values[..];
    let mut tensors = BTreeMap::new();
    for (name, size) in sizes {
        let (own, others) = rest.split_at(size);
        tensors.insert(name.to_owned(), own.to_vec());
        rest = others;
    }
    assert!(rest.is_empty(), "{}: {key}", case.name());
    tensors
}

/// A classifier's parameters from a case that holds them in one tensor.
pub fn from_flat(
    case: &Case,
    key: &str,
    model: &ModelSpec,
    classes: usize,
    pooling: Pooling,
) -> Params {
    let mut params = Params::draw(vit(model, classes, pooling), 1);
    for (name, values) in by_name(case, key, &params.layout().clone()) {
        params.set(&name, &values).unwrap();
    }
    params
}

/// Fails unless the gradients of a trainer's first step are the case's: its first moments are a tenth of them. `rounding`: how far the peer's own
/// single precision is from them.
pub fn assert_gradients(case: &Case, trainer: &FinetuningTrainer, layout: &Layout, rounding: f32) {
    assert!(rounding < 1e-3, "{}: {rounding}", case.name());
    let gradients = by_name(case, "gradient", layout);
    let state = trainer.state().unwrap();
    for (name, expected) in &gradients {
        let of = format!("first.{name}");
        let moments = state.iter().find(|tensor| tensor.name == of).unwrap();
        let got: Vec<f32> = moments.values.iter().map(|moment| 10.0 * moment).collect();
        let what = format!("{}: gradient of {name}", case.name());
        assert_close(&what, &got, expected, (4.0 * rounding).max(1e-4));
    }
}

#[test]
fn layer_wise_rates_agree() {
    for case in Case::all("finetune") {
        let config: Config = case.config();
        let vit = config.vit(&case);
        let depth = config.model.encoder.depth as usize;
        let groups = layer_groups(vit.params().layout(), depth, config.layer_decay);
        for (param, group) in vit.params().trainable().zip(groups) {
            let decay = if group.decays { config.weight_decay } else { 0.0 };
            let expected = case.floats(&format!("rate.{}", param.name));
            let what = format!("{}: {}", case.name(), param.name);
            assert_close(&what, &[group.rate as f32, decay as f32], &expected, 1e-6);
        }
    }
}

#[test]
fn five_steps_agree() {
    for case in Case::all("finetune") {
        for path in Path::here() {
            five_steps(&case, Kernels { path, precision: Precision::F32 });
        }
    }
}

fn five_steps(case: &Case, kernels: Kernels) {
    let config: Config = case.config();
    let mut vit = config.vit(case);
    let depth = config.model.encoder.depth as usize;
    let mut adamw =
        AdamW::new(kernels.path, vit.params().layout(), (0.9, 0.999), config.weight_decay)
            .with_groups(&layer_groups(vit.params().layout(), depth, config.layer_decay));
    let (mut losses, mut norms) = (Vec::new(), Vec::new());
    // After an update, rounding may be amplified: the peer's own single precision says by how much.
    let rounding = case.floats("rounding");
    assert!(rounding.iter().all(|&share| share < 1e-4), "{}: {rounding:?}", case.name());
    let (mut run, mut gradients) = (VitRun::new(kernels), vec![0.0; vit.params().values().len()]);
    for step in 0..config.steps {
        let mut pixels = case.floats(&format!("pixels.{step}"));
        config.mix().apply(&mut pixels, config.model.image_size as usize);
        let mut images = WholeImages::default();
        for image in pixels.chunks_exact(vit.grid().image_len()) {
            images.push(vit.grid(), image);
        }
        let labels = case.indices(&format!("labels.{step}"));
        let targets =
            Targets::new(&labels, config.classes, config.smoothing, config.mix().lambda).shares;
        let factors = case.floats(&format!("factors.{step}"));
        let drops = factors.chunks_exact(labels.len()).map(<[f32]>::to_vec).collect();
        let drops = config.drops.then_some(drops);
        let shard = LabelledImages { images, targets, drops };
        let loss = run.gradients(&vit, &[shard], &[1.0], &mut gradients);
        let expected = case.floats(&format!("logits.{step}"));
        let what = format!("{}: {kernels:?}: logits {step}", case.name());
        let tolerance = (4.0 * rounding[step as usize]).max(1e-5);
        assert_close(&what, &run.logits(), &expected, tolerance);
        if step == 0 {
            for param in vit.params().trainable() {
                let expected = case.floats(&format!("gradient.{}", param.name));
                let what = format!("{}: gradient of {}", case.name(), param.name);
                assert_close(&what, param.slot.of(&gradients), &expected, 1e-4);
            }
        }
        norms.push(clip_norm(&mut gradients, config.clip_norm.unwrap_or(f64::INFINITY)) as f32);
        adamw.step(vit.params_mut(), &gradients, config.lr);
        losses.push(loss as f32);
    }
    assert_close(&format!("{}: losses", case.name()), &losses, &case.floats("losses"), 1e-5);
    assert_close(&format!("{}: norms", case.name()), &norms, &case.floats("norms"), 1e-4);
    for param in vit.params().iter() {
        let expected = case.floats(&format!("end.{}", param.name));
        let what = format!("{}: {}", case.name(), param.name);
        let values = vit.params().of(param);
        let steady = case.bytes(&format!("steady.{}", param.name));
        let of_steady = |values: &[f32]| -> Vec<f32> {
            let pairs = values.iter().zip(&steady).filter(|&(_, &steady)| steady == 1);
            pairs.map(|(&value, _)| value).collect()
        };
        assert_close(&what, &of_steady(values), &of_steady(&expected), 1e-5);
    }
}
