//! Neural attention distillation against `PyTorch` and timm in double precision.

use engine::{
    compute::{Descend, LabelledBatch, Machine, Step, Targets, attention_loss, cpu::distiller},
    data::mix::Mix,
    model::plain_groups,
};
use serde::Deserialize;
use shared::settings::{ModelSpec, Pooling, Precision};

use crate::{
    case::{Case, assert_close},
    defences::assert_near,
    finetune::{assert_gradients, from_flat},
};

#[derive(Deserialize)]
struct Config {
    model: ModelSpec,
    classes: usize,
    pooling: Pooling,
    weight: f64,
    /// How far torch's gradients in single precision are from these.
    rounding: f32,
}

#[test]
fn maps_of_one_image_agree() {
    for case in Case::all("nad") {
        let config: Config = case.config();
        let (student, teacher) = (case.floats("tokens.student"), case.floats("tokens.teacher"));
        let width = case.shape("tokens.student")[1];
        let mut gradient = vec![0.0; student.len()];
        let loss = attention_loss(&student, &teacher, width, config.weight, &mut gradient);
        assert_near(case.name(), &[loss], &case.doubles("tokens.loss"), 1e-9);
        let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
        assert_near(case.name(), &gradient, &case.doubles("tokens.gradient"), 1e-6);
    }
}

#[test]
fn the_loss_and_all_gradients_of_a_student_agree() {
    for case in Case::all("nad") {
        let Config { model, classes, pooling, weight, rounding } = case.config();
        let student = from_flat(&case, "student", &model, classes, pooling);
        let teacher = from_flat(&case, "teacher", &model, classes, pooling);
        let layout = student.layout().clone();
        let descend = Descend {
            betas: (0.9, 0.999),
            weight_decay: 0.0,
            groups: plain_groups(&layout),
            accumulate: 1,
            clip_norm: 0.0,
        };
        let labels = case.indices("labels");
        let batch = LabelledBatch {
            planes: case.floats("pixels"),
            crops: (Vec::new(), Mix::NONE),
            targets: Targets::new(&labels, classes, 0.0, 1.0).shares,
            drops: vec![vec![1.0; labels.len()]; 2 * model.encoder.depth as usize],
        };
        let cpu = Machine::with_threads(2).cpu(Precision::F32);
        let mut trainer =
            distiller(cpu, (&model, pooling), student, teacher, &descend, weight).unwrap();
        trainer.step(&batch, Step { place: 0, lr: 1e-4 }).unwrap();
        let loss = trainer.loss().unwrap() as f32;
        assert_close(case.name(), &[loss], &[case.doubles("loss")[0] as f32], 1e-5);
        assert_gradients(&case, &*trainer, &layout, rounding);
    }
}
