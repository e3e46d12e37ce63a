//! DBD's split by loss against a head that `PyTorch` trains in double precision.

use engine::defence::{Features, Groups, loss_split::LossSplit};
use serde::Deserialize;

use crate::{case::Case, defences::assert_near};

#[derive(Deserialize)]
struct Config {
    width: usize,
    epochs: u32,
    seed: u64,
}

#[test]
fn losses_agree() {
    for case in Case::all("loss_split") {
        let Config { width, epochs, seed } = case.config();
        let features = Features::of_encoder(&case.floats("features"), width).unwrap();
        let labels = case.indices("labels");
        let groups = Groups::by_label(&features, &labels);
        let said = LossSplit { epochs, share: 0.5, seed }.filter(&features, &labels, &groups);
        assert_near(case.name(), &said.scores, &case.doubles("losses"), 1e-9);
        // Half of the images, and every one of them with a higher loss than those that are kept.
        let of = |flagged: bool| {
            let images = said.scores.iter().zip(&said.flagged);
            images.filter(move |(_, it)| **it == flagged).map(|(score, _)| *score)
        };
        assert_eq!(of(true).count(), labels.len() / 2);
        assert!(of(true).fold(f64::INFINITY, f64::min) >= of(false).fold(0.0, f64::max));
    }
}
