//! Resizing, cropping, mirroring and normalisation against Pillow and torchvision.

use engine::data::augment::{CropBox, Filter, crop, normalise, resize};
use serde::Deserialize;
use shared::Rgb8;

use crate::case::{Case, assert_close};

#[derive(Deserialize)]
struct Config {
    filter: String,
    side: usize,
    crop: Crop,
}

#[derive(Deserialize)]
struct Crop {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// Allows a difference of 1 of 255 in at most a thousandth of the values.
fn assert_same_picture(what: &str, got: &Rgb8, expected: &Rgb8) {
    assert_eq!((got.width(), got.height()), (expected.width(), expected.height()), "{what}");
    let differences = got.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b));
    let (mut most, mut count) = (0, 0);
    for difference in differences {
        most = most.max(difference);
        count += usize::from(difference > 0);
    }
    let allowed = got.data().len().div_ceil(1000);
    assert!(most <= 1 && count <= allowed, "{what}: {count} values differ, by up to {most}");
}

#[test]
fn pictures_agree() {
    for case in Case::all("images") {
        let Config { filter, side, crop: part } = case.config();
        let filter = match filter.as_str() {
            "bilinear" => Filter::Bilinear,
            "bicubic" => Filter::Bicubic,
            other => panic!("{}: no filter {other}", case.name()),
        };
        let name = |what: &str| format!("{}: {what} ({filter:?}, {side} px)", case.name());
        let original = case.image("image");
        let resized = resize(&original, side, side, filter);
        assert_same_picture(&name("resized"), &resized, &case.image("resized"));
        let part = CropBox { x: part.x, y: part.y, width: part.width, height: part.height };
        let cropped = resize(&crop(&original, part), side, side, filter);
        assert_same_picture(&name("cropped"), &cropped, &case.image("cropped"));
        let mirrored = case.image("cropped").mirrored();
        assert_eq!(mirrored, case.image("mirrored"), "{}", name("mirrored"));
        let mut numbers = vec![0.0; 3 * side * side];
        normalise(&mirrored, &mut numbers);
        assert_close(&name("normalised"), &numbers, &case.floats("normalised"), 1e-6);
    }
}
