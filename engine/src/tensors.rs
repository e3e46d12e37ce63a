//! Named tensors, and safetensors files of them.

use candle_core::Result;
use safetensors::{SafeTensors, tensor::TensorView};

use crate::model::Param;

/// Reads the numbers of one tensor of a safetensors file.
///
/// # Errors
/// A message that says what is wrong with it.
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

/// The numbers of a tensor, with its name in a file.
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
    /// Numbers in a parameter's shape, under a name.
    pub fn of(param: &Param, name: String, values: Vec<f32>) -> Self {
        Self { name, shape: param.shape.clone(), values }
    }
}

/// Entry of the metadata with the CRC-32 of the whole file, in hex, for which its own digits count as [`NO_CHECKSUM`].
const CHECKSUM: &str = "checksum";
const NO_CHECKSUM: &str = "00000000";

/// The content of a safetensors file with these tensors, and with this metadata in its header. A checksum is added, so that a damaged
/// file is not taken for another model.
///
/// # Errors
/// When a shape does not match its numbers.
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
    let checksum = [(CHECKSUM.to_owned(), NO_CHECKSUM.to_owned())];
    let metadata = metadata.iter().map(|(key, text)| ((*key).to_owned(), text.clone()));
    let metadata = metadata.chain(checksum).collect();
    let file = safetensors::serialize(views, Some(metadata)).map_err(candle_core::Error::wrap)?;
    let mut file = with_sorted_header(file);
    let at = checksum_place(&file).expect("the entry was just written");
    let checksum = format!("{:08x}", crc32fast::hash(&file));
    file[at..at + NO_CHECKSUM.len()].copy_from_slice(checksum.as_bytes());
    Ok(file)
}

/// Checks a file's checksum. Files without one, as other programs and earlier versions wrote them, pass.
///
/// # Errors
/// A message, when the file is not what was written.
pub fn verify(file: &[u8]) -> std::result::Result<(), String> {
    let Some(at) = checksum_place(file) else { return Ok(()) };
    let end = at + NO_CHECKSUM.len();
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[..at]);
    hasher.update(NO_CHECKSUM.as_bytes());
    hasher.update(&file[end..]);
    if format!("{:08x}", hasher.finalize()).as_bytes() == &file[at..end] {
        Ok(())
    } else {
        Err("its content is damaged: it is not what was written (its checksum differs)".into())
    }
}

/// Where a file's header has the digits of the checksum.
fn checksum_place(file: &[u8]) -> Option<usize> {
    let length = u64::from_le_bytes(*file.first_chunk::<8>()?);
    let end = usize::try_from(length).ok()?.checked_add(8)?;
    let entry = format!("\"{CHECKSUM}\":\"");
    let at = memchr::memmem::find(file.get(..end)?, entry.as_bytes())? + entry.len();
    (at + NO_CHECKSUM.len() <= end).then_some(at)
}

/// The same file with the keys of its header sorted: the library writes the metadata in a different order each time, but equal
/// models should give equal files.
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
