//! JPEG files against Pillow.

use engine::decode::{Limits, decode};
use serde::Deserialize;

use crate::case::Case;

#[derive(Deserialize)]
struct Config {
    /// One that our own decoder takes.
    exact: bool,
    /// Mean difference that one not ours to decode may have: the other decoder makes other numbers of chroma between its samples.
    about: f64,
}

#[test]
fn files_agree() {
    for case in Case::all("jpegs") {
        let Config { exact, about } = case.config();
        let image = decode(&case.bytes("file"), Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        let expected = case.image("image");
        assert_eq!(
            (image.width(), image.height()),
            (expected.width(), expected.height()),
            "{}",
            case.name()
        );
        if exact {
            assert!(image == expected, "{}: other pixels", case.name());
        }
        let differences = image.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b));
        let mean = differences.map(f64::from).sum::<f64>() / image.data().len() as f64;
        assert!(mean <= about, "{}: differs by {mean} in the mean, not {about}", case.name());
    }
}
