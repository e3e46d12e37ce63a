//! Named tensors, and safetensors files of them.

use candle_core::Result;
use safetensors::{SafeTensors, tensor::TensorView};

use crate::model::Param;

/// Reads the numbers of one tensor of a safetensors file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(
    file: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> std::result::Result<Vec<f32>, String> {
    let tensor = file.tensor(name).map_err(|_| format!("it has no tensor {name}"))?;
    if tensor.shape() != shape {
        return Err(format!("{name} has the shape {:?}, not {shape:?}", tensor.shape()));
    }
    if tensor.dtype() != safetensors::Dtype::F32 {
        return Err(format!("{name} holds {:?}, not F32", tensor.dtype()));
    }
    let words = tensor.data().chunks_exact(4);
    Ok(words.map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
}

/// The numbers of a tensor with its name in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Name.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Numbers, row by row.
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// Numbers of a parameter's shape under a name.
    pub fn of(param: &Param, name: String, values: Vec<f32>) -> Self {
        Self { name, shape: param.shape.clone(), values }
    }
}

/// The content of a safetensors file of these tensors, with these keys and texts in its header.
///
/// # Errors
/// When a shape does not fit its numbers.
pub fn serialize(tensors: &[NamedTensor], metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let data: Vec<Vec<u8>> = tensors.iter().map(|tensor| bytes(&tensor.values)).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|(tensor, data)| {
            let view = TensorView::new(safetensors::Dtype::F32, tensor.shape.clone(), data);
            view.map(|view| (tensor.name.as_str(), view)).map_err(candle_core::Error::wrap)
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect();
    let file = safetensors::serialize(views, Some(metadata)).map_err(candle_core::Error::wrap)?;
    Ok(with_sorted_header(file))
}

/// The same file with the keys of its header sorted: the library writes the metadata in another order each time, and equal models
/// shall make equal files.
fn with_sorted_header(mut file: Vec<u8>) -> Vec<u8> {
    let (length, rest) = file.split_first_chunk_mut().expect("a file begins with eight bytes");
    let header = &mut rest[..u64::from_le_bytes(*length) as usize];
    let sorted: serde_json::Value =
        serde_json::from_slice(header).expect("the library writes its header as JSON");
    let sorted = sorted.to_string();
    header.fill(b' ');
    header[..sorted.len()].copy_from_slice(sorted.as_bytes());
    file
}

pub(crate) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_tensors_make_equal_files() {
        let texts = ["one", "two", "three", "four", "five"].map(|key| (key, key.to_owned()));
        let tensor = NamedTensor { name: "x".into(), shape: vec![2], values: vec![1.0, -2.0] };
        let file = || serialize(std::slice::from_ref(&tensor), &texts).unwrap();
        let first = file();
        assert!((0..8).all(|_| file() == first));
        let read = read(&SafeTensors::deserialize(&first).unwrap(), "x", &[2]);
        assert_eq!(read.unwrap(), tensor.values);
    }
}
