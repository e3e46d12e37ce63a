//! A golden case: a configuration, and tensors of inputs and outputs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use engine::{
    compute::Params,
    tensors::{NamedTensor, serialize},
};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;
use shared::Rgb8;

/// One case, held in memory.
pub struct Case {
    name: String,
    bytes: Vec<u8>,
}

impl Case {
    /// All cases of a kind. Panics when there is none: a test without a case would test nothing.
    pub fn all(kind: &str) -> Vec<Self> {
        let folder = folder();
        let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy();
                name.starts_with(&format!("{kind}-")) && name.ends_with(".safetensors")
            })
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} has no case {kind}-*.safetensors", folder.display());
        let read = |path: &PathBuf| Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            bytes: fs::read(path).unwrap(),
        };
        paths.iter().map(read).collect()
    }

    /// The file's name without its extension.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configuration that the case states.
    pub fn config<T: DeserializeOwned>(&self) -> T {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).unwrap();
        let texts = header.metadata().as_ref().expect("a header with metadata");
        serde_json::from_str(&texts["config"])
            .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The file's tensors.
    pub fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes).unwrap()
    }

    /// The names of tensors that begin with `prefix`, without the prefix, in alphabetical order.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        let tensors = self.tensors();
        let mut names: Vec<String> = tensors
            .names()
            .iter()
            .filter_map(|name| name.strip_prefix(prefix))
            .map(Into::into)
            .collect();
        names.sort();
        names
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.tensors().tensor(name).unwrap().shape().to_vec()
    }

    /// Loads the tensors under `weight.` into all of these parameters.
    pub fn load(&self, params: &mut Params) {
        let weight = |name: String| {
            let full = format!("weight.{name}");
            NamedTensor { shape: self.shape(&full), values: self.floats(&full), name }
        };
        let weights: Vec<_> = self.names("weight.").into_iter().map(weight).collect();
        assert_eq!(weights.len(), params.iter().count(), "{}: tensors", self.name);
        let file = serialize(&weights, &[]).unwrap();
        params.load(&SafeTensors::deserialize(&file).unwrap()).unwrap();
    }

    /// Single-precision values, row by row.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.read(name, Dtype::F32, |bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
    }

    /// Double-precision values, row by row.
    pub fn doubles(&self, name: &str) -> Vec<f64> {
        self.read(name, Dtype::F64, |bytes| f64::from_le_bytes(bytes.try_into().unwrap()))
    }

    /// A picture of height x width x 3 bytes.
    pub fn image(&self, name: &str) -> Rgb8 {
        let shape = self.shape(name);
        Rgb8::from_raw(shape[1], shape[0], self.bytes(name)).unwrap()
    }

    /// Non-negative integers.
    pub fn indices(&self, name: &str) -> Vec<u32> {
        self.read(name, Dtype::I64, |bytes| {
            u32::try_from(i64::from_le_bytes(bytes.try_into().unwrap())).unwrap()
        })
    }

    /// Bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        self.read(name, Dtype::U8, |bytes| bytes[0])
    }

    fn read<T>(&self, name: &str, dtype: Dtype, one: impl Fn(&[u8]) -> T) -> Vec<T> {
        let tensors = self.tensors();
        let tensor = tensors.tensor(name).unwrap_or_else(|_| panic!("{}: no {name}", self.name));
        assert_eq!(tensor.dtype(), dtype, "{}: {name}", self.name);
        tensor.data().chunks_exact(dtype.bitsize() / 8).map(one).collect()
    }
}

/// The folder of the cases.
fn folder() -> PathBuf {
    match std::env::var_os("MASKDOOR_GOLDEN") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases"),
    }
}

/// Fails unless all differences are at most `tolerance` times the largest expected magnitude.
pub fn assert_close(what: &str, got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(1e-6f32, |most, value| most.max(value.abs()));
    let worst =
        got.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0f32, |most, difference| {
            if difference.is_nan() { f32::INFINITY } else { most.max(difference) }
        });
    assert!(
        worst <= tolerance * largest,
        "{what}: differs by {worst:e}, {:e} of the largest value {largest:e}",
        worst / largest
    );
}
