//! Ten steps of AdamW with decay groups, warm-up and cosine schedule against torch.

use engine::{
    compute::{
        Params,
        cpu::optim::{AdamW, Optimizer},
    },
    model::{Init, Layout},
    train::schedule::Schedule,
};
use kernel::Path;
use serde::Deserialize;

use crate::case::{Case, assert_close};

#[derive(Deserialize)]
struct Config {
    base_lr: f64,
    min_lr: f64,
    batch_size: u32,
    warmup_epochs: u32,
    epochs: u32,
    steps_per_epoch: u32,
    betas: (f64, f64),
    weight_decay: f64,
    steps: u32,
}

#[test]
fn ten_steps_agree() {
    for case in Case::all("adamw") {
        let config: Config = case.config();
        let Config { base_lr, min_lr, batch_size, warmup_epochs, epochs, .. } = config;
        let schedule = Schedule::new(base_lr, min_lr, batch_size, warmup_epochs, epochs);
        let mut layout = Layout::default();
        let count = case.names("start.").len();
        for i in 0..count {
            let name = format!("start.{i}");
            layout.add(&name, &case.shape(&name), Init::Zero);
        }
        let mut params = Params::draw(layout, 1);
        for i in 0..count {
            let name = format!("start.{i}");
            params.set(&name, &case.floats(&name)).unwrap();
        }
        let mut optimizer =
            AdamW::new(Path::fastest(), params.layout(), config.betas, config.weight_decay);
        for step in 0..config.steps {
            let gradients: Vec<f32> =
                (0..count).flat_map(|i| case.floats(&format!("gradient.{step}.{i}"))).collect();
            let lr = schedule.at(f64::from(step) / f64::from(config.steps_per_epoch));
            optimizer.step(&mut params, &gradients, lr);
        }
        for (i, param) in params.iter().enumerate() {
            let what = format!("{}: tensor {i}", case.name());
            assert_close(&what, params.of(param), &case.floats(&format!("end.{i}")), 1e-5);
        }
    }
}
