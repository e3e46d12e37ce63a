//! The probe's head against torch: batch normalisation with its running moments, and ten steps of LARS.

use engine::{
    compute::{
        Params,
        cpu::{
            Classifier,
            optim::{Lars, Optimizer},
        },
    },
    eval::predictions,
    model::head,
};
use kernel::{Kernels, Path, Precision};
use serde::Deserialize;
use shared::settings::HeadInit;

use crate::case::{Case, assert_close};

#[derive(Deserialize)]
struct Config {
    width: usize,
    classes: usize,
    lr: f64,
    weight_decay: f64,
    steps: u32,
}

#[test]
fn ten_steps_agree() {
    for case in Case::all("probe") {
        let config: Config = case.config();
        let single = Kernels { path: Path::fastest(), precision: Precision::F32 };
        let layout = head(config.width, config.classes, HeadInit::Normal);
        let mut classifier = Classifier::new(Params::draw(layout, 1), single);
        for name in ["weight", "bias"] {
            let tensor = format!("head.1.{name}");
            classifier.params_mut().set(&tensor, &case.floats(name)).unwrap();
        }
        let mut optimizer = Lars::new(classifier.params().layout(), config.weight_decay);
        let mut losses = Vec::new();
        for step in 0..config.steps {
            let features = case.floats(&format!("features.{step}"));
            let labels = case.indices(&format!("labels.{step}"));
            let mut gradients = vec![0.0; classifier.params().values().len()];
            let loss = classifier.gradients(&features, &labels, &mut gradients);
            optimizer.step(classifier.params_mut(), &gradients, config.lr);
            losses.push(loss as f32);
        }
        assert_close(&format!("{}: losses", case.name()), &losses, &case.floats("losses"), 1e-5);
        for tensor in classifier.tensors() {
            let name = tensor.name.rsplit('.').next().unwrap();
            let expected = case.floats(&format!("end.{name}"));
            assert_close(&format!("{}: {name}", case.name()), &tensor.values, &expected, 1e-5);
        }
        let scores = classifier.scores(&case.floats("test"));
        let predicted = predictions(&scores, config.classes).into_iter().flatten();
        let expected = case.indices("predicted").into_iter().zip(case.bytes("certain"));
        for (row, (got, (expected, certain))) in predicted.zip(expected).enumerate() {
            assert!(got == expected || certain == 0, "{}: row {row}: class {got}", case.name());
        }
    }
}
