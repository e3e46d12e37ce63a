//! Ten steps of AdamW with decay groups, warm-up and cosine against torch.

use engine::{
    nn::Params,
    optim::{AdamW, Optimizer, Schedule},
};
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
        let mut params = Params::new(1);
        let count = case.names("start.").len();
        for i in 0..count {
            let name = format!("start.{i}");
            params.add_values(&name, &case.shape(&name), &case.floats(&name));
        }
        let mut optimizer = AdamW::new(&params, config.betas, config.weight_decay);
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
