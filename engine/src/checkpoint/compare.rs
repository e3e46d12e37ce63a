//! Two checkpoints side by side, tensor by tensor, bit by bit.

use std::{fs, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::EngineError;

/// A tensor that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its name.
    pub tensor: String,
    /// How it differs.
    pub kind: DifferenceKind,
}

/// How a tensor differs.
#[derive(Clone, Debug, PartialEq)]
pub enum DifferenceKind {
    /// Only one of the files has it.
    Missing,
    /// Its shape or number type differs.
    Shape,
    /// Its bits differ: the largest difference between two numbers at the same place, or NaN where it is undefined.
    Values(f64),
}

/// The tensors that differ between two safetensors files, sorted by name; none when both hold the same bits.
///
/// # Errors
/// When a file cannot be read.
pub fn differences(first: &Path, second: &Path) -> Result<Vec<Difference>, EngineError> {
    let [a, b] = [first, second].map(|path| fs::read(path).map_err(EngineError::file(path)));
    let (a, b) = (a?, b?);
    let (a, b) = (open(first, &a)?, open(second, &b)?);
    let mut names = [a.names(), b.names()].concat();
    names.sort_unstable();
    names.dedup();
    let different = names.into_iter().filter_map(|name| {
        let kind = match (a.tensor(name), b.tensor(name)) {
            (Ok(a), Ok(b)) => kind(&a, &b)?,
            _ => DifferenceKind::Missing,
        };
        Some(Difference { tensor: name.to_owned(), kind })
    });
    Ok(different.collect())
}

fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<SafeTensors<'a>, EngineError> {
    SafeTensors::deserialize(bytes).map_err(|error| EngineError::Checkpoint {
        path: path.into(),
        reason: format!("it is not a complete safetensors file ({error})"),
    })
}

fn kind(a: &TensorView<'_>, b: &TensorView<'_>) -> Option<DifferenceKind> {
    if (a.shape(), a.dtype()) != (b.shape(), b.dtype()) {
        return Some(DifferenceKind::Shape);
    }
    if a.data() == b.data() {
        return None;
    }
    if a.dtype() != Dtype::F32 {
        return Some(DifferenceKind::Values(f64::NAN));
    }
    let numbers = |view: &TensorView<'_>| -> Vec<f64> {
        let words = view.data().chunks_exact(4);
        words.map(|w| f64::from(f32::from_le_bytes([w[0], w[1], w[2], w[3]]))).collect()
    };
    let gaps = numbers(a).into_iter().zip(numbers(b)).map(|(a, b)| (a - b).abs());
    Some(DifferenceKind::Values(gaps.fold(0.0, |most: f64, gap| {
        if most.is_nan() || gap.is_nan() { f64::NAN } else { most.max(gap) }
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::{NamedTensor, serialize};

    #[test]
    fn differences_by_name_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, tensors: &[(&str, &[usize], &[f32])]| {
            let named = tensors.iter().map(|(name, shape, values)| NamedTensor {
                name: (*name).into(),
                shape: shape.to_vec(),
                values: values.to_vec(),
            });
            let path = folder.path().join(file);
            fs::write(&path, serialize(&named.collect::<Vec<_>>(), &[]).unwrap()).unwrap();
            path
        };
        let first =
            write("a", &[("w", &[2], &[1.0, 2.0]), ("s", &[2], &[0.0; 2]), ("z", &[1], &[0.0])]);
        let second = write(
            "b",
            &[
                ("w", &[2], &[1.0, 2.25]),
                ("s", &[1, 2], &[0.0; 2]),
                ("z", &[1], &[-0.0]),
                ("y", &[1], &[1.0]),
            ],
        );
        assert_eq!(differences(&first, &first).unwrap(), []);
        let told = differences(&first, &second).unwrap();
        let told: Vec<_> = told.iter().map(|it| (it.tensor.as_str(), it.kind.clone())).collect();
        let expected = [
            ("s", DifferenceKind::Shape),
            ("w", DifferenceKind::Values(0.25)),
            ("y", DifferenceKind::Missing),
            ("z", DifferenceKind::Values(0.0)),
        ];
        assert_eq!(told, expected, "a negative zero has other bits");
        assert!(differences(&first, &folder.path().join("none")).is_err());
    }
}
