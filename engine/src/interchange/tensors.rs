//! The tensors of a file that another program wrote, found but not yet read.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};

/// A tensor in a file.
#[derive(Debug, PartialEq)]
pub(super) struct Stored<'a> {
    /// Shape.
    pub shape: Vec<usize>,
    /// Type of its numbers.
    pub dtype: Dtype,
    /// Its bytes, from its first number on.
    pub data: &'a [u8],
    /// Distance of neighbours in each dimension, in numbers; row by row when absent.
    pub strides: Option<Vec<usize>>,
}

/// A file's tensors, and what else it says.
#[derive(Debug, Default)]
pub(super) struct TensorFile<'a> {
    /// By name.
    pub tensors: BTreeMap<String, Stored<'a>>,
    /// Texts that stand beside them: `model` in a checkpoint of this program, `norm_pix_loss`, `epoch`.
    pub texts: BTreeMap<String, String>,
}

impl<'a> TensorFile<'a> {
    /// The tensors of a safetensors file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read_safetensors(bytes: &'a [u8]) -> Result<Self, String> {
        let broken = |error| format!("it is not a complete safetensors file ({error})");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let texts = header.metadata().clone().unwrap_or_default().into_iter().collect();
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let tensors = file.iter().map(|(name, view)| {
            let (shape, dtype, data) = (view.shape().to_vec(), view.dtype(), view.data());
            (name.to_owned(), Stored { shape, dtype, data, strides: None })
        });
        Ok(Self { tensors: tensors.collect(), texts })
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    /// Bytes that a tensor takes when it is read, at most; 0 when there is none of that name.
    pub fn bytes(&self, name: &str) -> usize {
        self.tensors.get(name).map_or(0, |stored| {
            let size = stored.dtype.bitsize().div_ceil(8);
            stored.shape.iter().fold(size, |bytes, &side| bytes.saturating_mul(side))
        })
    }

    /// The numbers of a tensor of this shape, row by row, in single precision.
    ///
    /// # Errors
    /// A sentence that names the tensor and says what is wrong with it.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let stored = self.tensors.get(name).ok_or_else(|| format!("it has no tensor {name}"))?;
        if stored.shape != shape {
            return Err(format!("{name} has the shape {:?}, not {shape:?}", stored.shape));
        }
        let dtype = match stored.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => return Err(format!("{name} holds {other:?}, not F32, F16, BF16 or F64")),
        };
        let bytes = stored.in_rows(dtype.size_in_bytes());
        let bytes = bytes.ok_or_else(|| format!("{name} reaches beyond its data"))?;
        let values: Vec<f32> = Tensor::from_raw_buffer(&bytes, dtype, shape, &Device::Cpu)
            .and_then(|tensor| tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1())
            .map_err(|error| format!("{name}: {error}"))?;
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(format!("{name} holds {value}: its training broke off")),
            None => Ok(values),
        }
    }
}

impl Stored<'_> {
    /// Its bytes row by row; `None` when they are not all there.
    fn in_rows(&self, size: usize) -> Option<Vec<u8>> {
        let count = self.shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side))?;
        let strides = match &self.strides {
            Some(strides) if *strides != row_strides(&self.shape) => strides,
            _ => return self.data.get(..count.checked_mul(size)?).map(<[u8]>::to_vec),
        };
        let mut bytes = Vec::with_capacity(count.checked_mul(size)?);
        for index in 0..count {
            let (mut rest, mut at) = (index, 0usize);
            for (&side, &stride) in self.shape.iter().zip(strides).rev() {
                at = at.checked_add((rest % side).checked_mul(stride)?)?;
                rest /= side;
            }
            let start = at.checked_mul(size)?;
            bytes.extend_from_slice(self.data.get(start..start.checked_add(size)?)?);
        }
        Some(bytes)
    }
}

/// Distances of neighbours in a tensor that lies row by row.
fn row_strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1usize; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i]);
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file<'a>(
        shape: &[usize],
        dtype: Dtype,
        data: &'a [u8],
        strides: Option<Vec<usize>>,
    ) -> TensorFile<'a> {
        let stored = Stored { shape: shape.to_vec(), dtype, data, strides };
        TensorFile { tensors: [("x".to_owned(), stored)].into(), texts: BTreeMap::new() }
    }

    #[test]
    fn every_number_type_by_hand() {
        // 1.5 and -2
        let half = [0x00, 0x3e, 0x00, 0xc0];
        let brain = [0xc0, 0x3f, 0x00, 0xc0];
        let double = [1.5f64.to_le_bytes(), (-2f64).to_le_bytes()].concat();
        for (dtype, data) in [(Dtype::F16, &half[..]), (Dtype::BF16, &brain), (Dtype::F64, &double)]
        {
            assert_eq!(file(&[2], dtype, data, None).floats("x", &[2]).unwrap(), [1.5, -2.0]);
        }
        let error = file(&[1], Dtype::I64, &double, None).floats("x", &[1]).unwrap_err();
        assert_eq!(error, "x holds I64, not F32, F16, BF16 or F64");
    }

    #[test]
    fn a_transposed_tensor_is_read_row_by_row() {
        let data: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let turned = file(&[3, 2], Dtype::F32, &data, Some(vec![1, 3]));
        assert_eq!(turned.floats("x", &[3, 2]).unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let beyond = file(&[3, 2], Dtype::F32, &data, Some(vec![1, 4]));
        assert_eq!(beyond.floats("x", &[3, 2]).unwrap_err(), "x reaches beyond its data");
        let endless = file(&[3, 2], Dtype::F32, &data, Some(vec![usize::MAX, 1]));
        assert!(endless.floats("x", &[3, 2]).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_by_name() {
        let data = [f32::NAN.to_le_bytes(), 1f32.to_le_bytes()].concat();
        let file = file(&[2], Dtype::F32, &data, None);
        assert_eq!(file.floats("y", &[2]).unwrap_err(), "it has no tensor y");
        assert_eq!(file.floats("x", &[1, 2]).unwrap_err(), "x has the shape [2], not [1, 2]");
        assert_eq!(file.floats("x", &[2]).unwrap_err(), "x holds NaN: its training broke off");
    }
}
