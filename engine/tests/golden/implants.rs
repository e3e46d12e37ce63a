//! The losses of `BadEncoder` and DRUPE against `PyTorch` in double precision.

use engine::compute::{Implanting, Spread};
use serde::Deserialize;

use crate::{case::Case, defences::assert_near};

/// The weights of a case's loss.
#[derive(Deserialize)]
pub struct Weights {
    references: usize,
    reference_weight: f64,
    clean_weight: f64,
    spread_weight: f64,
    distance_weight: f64,
    spreads: bool,
}

impl Weights {
    /// The loss with the case's slices.
    pub fn implanting(&self, case: &Case) -> Implanting {
        let width = case.shape("slices")[1];
        let slices = case.doubles("slices").chunks_exact(width).map(<[f64]>::to_vec).collect();
        let spread =
            Spread { weight: self.spread_weight, distance_weight: self.distance_weight, slices };
        Implanting {
            references: self.references,
            reference_weight: self.reference_weight,
            clean_weight: self.clean_weight,
            spread: self.spreads.then_some(spread),
        }
    }
}

#[test]
fn losses_parts_and_gradients_agree() {
    for case in Case::all("implants") {
        let implanting = case.config::<Weights>().implanting(&case);
        let (features, kept) = (case.floats("features"), case.floats("kept"));
        let width = case.shape("features")[1];
        let mut gradient = vec![0.0; features.len()];
        let name = case.name();
        let parts = implanting.parts(&features, &kept, width, &mut gradient);
        assert_near(&format!("{name}: parts"), &parts, &case.doubles("parts"), 1e-12);
        let similarity = [implanting.similarity(&features, width)];
        assert_near(&format!("{name}: cosine"), &similarity, &case.doubles("similarity"), 1e-12);
        let loss = [implanting.loss(&features, &kept, width, &mut gradient)];
        assert_near(&format!("{name}: loss"), &loss, &case.doubles("loss"), 1e-12);
        let gradient: Vec<f64> = gradient.into_iter().map(f64::from).collect();
        let what = format!("{name}: gradient");
        assert_near(&what, &gradient, &case.doubles("gradient"), 1e-6);
    }
}
