//! Fine-tuning's augmentation against timm and Pillow: `RandAugment`'s operations, their magnitudes, random erasing.

use engine::data::augment::{EraseBox, Operation, OperationKind, erase};
use serde::Deserialize;

use crate::case::Case;

#[derive(Deserialize)]
struct Applied {
    name: String,
    magnitude: f64,
    negative: bool,
}

/// The operation that timm calls `name`.
fn kind(name: &str) -> OperationKind {
    let named = |kind: &OperationKind| format!("{kind:?}") == name;
    OperationKind::ALL.into_iter().find(named).unwrap_or_else(|| panic!("no operation {name}"))
}

/// Every operation uses integers, or Pillow's floating-point arithmetic in Pillow's order: no pixel may differ.
#[test]
fn operations_agree() {
    for case in Case::all("augment") {
        let applied: Vec<Applied> = case.config();
        let image = case.image("image");
        let results = case.bytes("results");
        assert_eq!(results.len(), applied.len() * image.data().len(), "{}", case.name());
        for (how, expected) in applied.iter().zip(results.chunks_exact(image.data().len())) {
            let operation = kind(&how.name).at(how.magnitude, how.negative);
            let got = operation.apply(&image);
            let differences: Vec<u8> =
                got.data().iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
            let count = differences.iter().filter(|&&difference| difference > 0).count();
            let size = (image.width(), image.height());
            assert_eq!(
                (count, differences.iter().max()),
                (0, Some(&0)),
                "{}: {operation:?} of {size:?} px: how many values differ, and by how much at most",
                case.name(),
            );
        }
    }
}

/// An operation's parameter, as timm passes it; `None` for an operation without one.
fn parameter(operation: Operation) -> Option<f64> {
    match operation {
        Operation::AutoContrast | Operation::Equalize | Operation::Invert => None,
        Operation::Posterize { bits } => Some(bits.into()),
        Operation::Solarize { threshold } => Some(threshold.into()),
        Operation::SolarizeAdd { add } => Some(add.into()),
        Operation::Rotate { degrees: value }
        | Operation::Color { factor: value }
        | Operation::Contrast { factor: value }
        | Operation::Brightness { factor: value }
        | Operation::Sharpness { factor: value }
        | Operation::ShearX { factor: value }
        | Operation::ShearY { factor: value }
        | Operation::TranslateX { share: value }
        | Operation::TranslateY { share: value } => Some(value),
    }
}

#[derive(Deserialize)]
struct Names {
    names: Vec<String>,
}

#[test]
fn magnitudes_mean_the_same() {
    for case in Case::all("levels") {
        let names = case.config::<Names>().names;
        assert_eq!(names, OperationKind::ALL.map(|kind| format!("{kind:?}")), "timm's operations");
        let magnitudes = case.doubles("magnitudes");
        for kind in OperationKind::ALL {
            for (direction, negative) in [("more", false), ("less", true)] {
                let got: Option<Vec<f64>> =
                    magnitudes.iter().map(|&m| parameter(kind.at(m, negative))).collect();
                let name = format!("{direction}.{kind:?}");
                let expected = case.names("").contains(&name).then(|| case.doubles(&name));
                assert_eq!(got, expected, "{}: {name}", case.name());
            }
        }
    }
}

#[derive(Deserialize)]
struct Part {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

#[test]
fn erased_boxes_agree() {
    for case in Case::all("erasing") {
        let Part { x, y, width, height } = case.config();
        let shape = case.shape("planes");
        let mut planes = case.floats("planes");
        let mut noise = case.floats("noise").into_iter();
        let part = EraseBox { x, y, width, height };
        erase(&mut planes, shape[2], shape[1], part, || noise.next().expect("enough noise"));
        assert_eq!(noise.next(), None, "{}: all noise is used", case.name());
        assert_eq!(planes, case.floats("erased"), "{}", case.name());
    }
}
