//! The probe's head against torch: batch normalisation with its running moments, and ten steps of LARS.

use engine::{
    eval::predictions,
    model::Classifier,
    optim::{Lars, Optimizer},
    train::replicas,
};
use serde::Deserialize;
use shared::study::HeadInit;

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
        let mut classifier =
            Classifier::new(config.width, config.classes, HeadInit::Normal, 1).unwrap();
        for name in ["weight", "bias"] {
            let param = classifier.params().get(&format!("head.1.{name}")).unwrap();
            param.set(&case.floats(name)).unwrap();
        }
        let mut optimizer = Lars::new(classifier.params(), config.weight_decay);
        let mut losses = Vec::new();
        for step in 0..config.steps {
            let features = case.floats(&format!("features.{step}"));
            let labels = case.indices(&format!("labels.{step}"));
            let loss = classifier.train_loss(&features, &labels).unwrap();
            let (loss, gradients) =
                replicas::gradients(classifier.params(), &[1.0], 1, |_| Ok(loss.clone())).unwrap();
            optimizer.step(classifier.params(), &gradients, config.lr).unwrap();
            losses.push(loss as f32);
        }
        assert_close(&format!("{}: losses", case.name()), &losses, &case.floats("losses"), 1e-5);
        for tensor in classifier.tensors().unwrap() {
            let name = tensor.name.rsplit('.').next().unwrap();
            let expected = case.floats(&format!("end.{name}"));
            assert_close(&format!("{}: {name}", case.name()), &tensor.values, &expected, 1e-5);
        }
        let scores = classifier.scores(&case.floats("test")).unwrap();
        let predicted = predictions(&scores, config.classes).into_iter().flatten();
        assert!(predicted.eq(case.indices("predicted")), "{}", case.name());
    }
}
