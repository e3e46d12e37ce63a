//! PyTorch's files (`.pth`, `.pt`, `.bin`): a zip archive with a pickle that describes the tensors, and their bytes beside
//! it. Read as data, nothing in it is run.

use std::collections::{BTreeMap, HashSet};

use safetensors::Dtype;

use super::{
    archive::Archive,
    entry::SEPARATOR,
    pickle::{Id, Pickle, Value},
    tensors::{Stored, TensorFile},
};

/// First bytes of what PyTorch wrote before version 1.6: a pickle of its magic number.
const BEFORE_ZIP: [u8; 14] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Entries under which training programs keep their settings.
const SETTINGS_ENTRIES: [&str; 4] = ["args", "hyper_parameters", "config", "cfg"];
/// Most dimensions of a tensor that a transformer has, and some more.
const MOST_DIMENSIONS: usize = 8;
/// Dictionaries within each other that are looked into.
const DEEPEST: usize = 8;
/// Longest names of such dictionaries together, in bytes. Every name in them gets these bytes, so they are not the file's to choose.
const LONGEST_PREFIX: usize = 64;

/// Whether a file begins as PyTorch's do. A safetensors file may begin with any bytes: they are the length of its header.
pub(super) fn is_pth(bytes: &[u8]) -> bool {
    let safetensors = bytes.get(8) == Some(&b'{');
    bytes.starts_with(&BEFORE_ZIP) || (bytes.starts_with(b"PK\x03\x04") && !safetensors)
}

impl<'a> TensorFile<'a> {
    /// The tensors of a file that `torch.save` wrote, in all its dictionaries. The name of a dictionary and [`SEPARATOR`] come before
    /// the names in it.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read_pth(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.starts_with(&BEFORE_ZIP) {
            return Err("it is in the format of PyTorch before 1.6, which only PyTorch reads. Load it there and save it again: \
                        import argparse, torch; torch.serialization.add_safe_globals([argparse.Namespace]); \
                        torch.save(torch.load(FILE, map_location=\"cpu\", weights_only=True), NEW_FILE). \
                        If PyTorch then names another class that it does not allow, add that class to the list"
                .into());
        }
        let archive = Archive::open(bytes)?;
        let pickle = Pickle::read(archive.file("data.pkl")?)?;
        if let Ok(order) = archive.file("byteorder")
            && order != b"little"
        {
            return Err(
                "its numbers have their highest byte first; save it on a usual machine".into()
            );
        }
        let Value::Dict(_) = pickle.root() else {
            return Err(
                "it holds no parameters by name; save model.state_dict() instead of the model"
                    .into(),
            );
        };
        let tensors = tensors(&pickle, &archive, bytes.len())?;
        if tensors.is_empty() {
            return Err(format!("it holds no tensors by name{}", entries(&pickle)));
        }
        Ok(Self { tensors, texts: texts(&pickle) })
    }
}

/// The tensors of all dictionaries, each dictionary once.
fn tensors<'a>(
    pickle: &Pickle<'a>,
    archive: &Archive<'a>,
    file_bytes: usize,
) -> Result<BTreeMap<String, Stored<'a>>, String> {
    let mut tensors = BTreeMap::new();
    // A pickle may use one long name many times.
    let mut names = 0usize;
    let mut seen = HashSet::new();
    let mut level = vec![(String::new(), pickle.root())];
    for _ in 0..DEEPEST {
        let mut next = Vec::new();
        for (prefix, dictionary) in level {
            let Value::Dict(entries) = dictionary else { continue };
            for &(name, value) in entries {
                let &Value::Text(name) = pickle.get(name) else { continue };
                if let found @ Value::Dict(_) = pickle.get(value) {
                    if prefix.len() + name.len() < LONGEST_PREFIX && seen.insert(value) {
                        next.push((format!("{prefix}{name}{SEPARATOR}"), found));
                    }
                    continue;
                }
                let stored = stored(pickle, value, archive);
                if let Some(stored) =
                    stored.map_err(|reason| format!("{prefix}{name}: {reason}"))?
                {
                    names += prefix.len() + name.len();
                    if names > file_bytes {
                        return Err("the names of its tensors take more bytes than it has".into());
                    }
                    tensors.insert(format!("{prefix}{name}"), stored);
                }
            }
        }
        level = next;
    }
    Ok(tensors)
}

/// `; its entries are a, b` for a message.
fn entries(pickle: &Pickle<'_>) -> String {
    const SHOWN: usize = 8;
    let Value::Dict(entries) = pickle.root() else { return String::new() };
    let names = entries.iter().filter_map(|&(name, _)| match pickle.get(name) {
        &Value::Text(name) => Some(name),
        _ => None,
    });
    let names: Vec<&str> = names.take(SHOWN).collect();
    if names.is_empty() { String::new() } else { format!("; its entries are {}", names.join(", ")) }
}

/// The tensor that a value describes; `None` when it is something else.
fn stored<'a>(
    pickle: &Pickle<'a>,
    value: Id,
    archive: &Archive<'a>,
) -> Result<Option<Stored<'a>>, String> {
    let Some((function, mut arguments)) = call(pickle, pickle.get(value)) else { return Ok(None) };
    let mut function = function;
    if function == ("torch._utils", "_rebuild_parameter") {
        let tensor = arguments.first().and_then(|&inner| call(pickle, pickle.get(inner)));
        (function, arguments) = tensor.ok_or("a parameter without a tensor")?;
    }
    if function != ("torch._utils", "_rebuild_tensor_v2") {
        return Ok(None);
    }
    let &[storage, offset, shape, strides, ..] = arguments else {
        return Err("its description is cut off".into());
    };
    let (dtype, data) = storage_of(pickle, storage, archive)?;
    let shape = sizes(pickle, shape).ok_or("its shape is no list of sizes")?;
    let strides = sizes(pickle, strides).filter(|strides| strides.len() == shape.len());
    let strides = strides.ok_or("its strides do not fit its shape")?;
    let start = size(pickle, offset).and_then(|offset| offset.checked_mul(dtype.bitsize() / 8));
    let data = start.and_then(|start| data.get(start..)).ok_or("it begins beyond its data")?;
    Ok(Some(Stored { shape, dtype, data, strides: Some(strides) }))
}

/// Number type and bytes of `('storage', torch.FloatStorage, '0', 'cpu', 16)`.
fn storage_of<'a>(
    pickle: &Pickle<'a>,
    storage: Id,
    archive: &Archive<'a>,
) -> Result<(Dtype, &'a [u8]), String> {
    let unknown = "its data lie nowhere in the file";
    let Value::Persistent(name) = pickle.get(storage) else { return Err(unknown.into()) };
    let Value::List(parts) = pickle.get(*name) else { return Err(unknown.into()) };
    let &[_, kind, key, ..] = parts.as_slice() else { return Err(unknown.into()) };
    let dtype = match pickle.get(kind) {
        Value::Global("torch", "FloatStorage") => Dtype::F32,
        Value::Global("torch", "HalfStorage") => Dtype::F16,
        Value::Global("torch", "BFloat16Storage") => Dtype::BF16,
        Value::Global("torch", "DoubleStorage") => Dtype::F64,
        // Counters of steps and the like, which no parameter is.
        Value::Global("torch", "LongStorage") => Dtype::I64,
        Value::Global("torch", "IntStorage") => Dtype::I32,
        Value::Global("torch", "ByteStorage") => Dtype::U8,
        Value::Global("torch", "BoolStorage") => Dtype::BOOL,
        Value::Global(module, name) => return Err(format!("{module}.{name} is not read")),
        _ => return Err(unknown.into()),
    };
    let &Value::Text(key) = pickle.get(key) else { return Err(unknown.into()) };
    archive.file(&format!("data/{key}")).map(|data| (dtype, data))
}

/// Function and arguments of a call.
fn call<'p, 'a>(
    pickle: &'p Pickle<'a>,
    value: &Value<'a>,
) -> Option<((&'a str, &'a str), &'p [Id])> {
    let &Value::Call { callable, arguments, .. } = value else { return None };
    match (pickle.get(callable), pickle.get(arguments)) {
        (&Value::Global(module, name), Value::List(arguments)) => Some(((module, name), arguments)),
        _ => None,
    }
}

fn sizes(pickle: &Pickle<'_>, list: Id) -> Option<Vec<usize>> {
    let Value::List(items) = pickle.get(list) else { return None };
    if items.len() > MOST_DIMENSIONS {
        return None;
    }
    items.iter().map(|&item| size(pickle, item)).collect()
}

fn size(pickle: &Pickle<'_>, value: Id) -> Option<usize> {
    match pickle.get(value) {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// What the training program noted: `epoch`, and of its `args` whether patches were normalised.
fn texts(pickle: &Pickle<'_>) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let root = pickle.root();
    if let Some(Value::Int(epoch)) = pickle.entry(root, "epoch") {
        texts.insert("epoch".into(), epoch.to_string());
    }
    for name in SETTINGS_ENTRIES {
        // `argparse.Namespace`, or a dictionary as `vars` makes it.
        let settings = match pickle.entry(root, name) {
            Some(Value::Call { state: Some(state), .. }) => pickle.get(*state),
            Some(other) => other,
            None => continue,
        };
        if let Some(Value::Bool(norm)) = pickle.entry(settings, "norm_pix_loss") {
            texts.insert("norm_pix_loss".into(), norm.to_string());
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_any_length_is_no_archive() {
        assert!(is_pth(b"PK\x03\x04\0\0\x08\x08\0\0") && is_pth(&BEFORE_ZIP));
        assert!(!is_pth(b"\x80\x02\0\0\0\0\0\0{") && !is_pth(b"PK\x03\x04\0\0\0\0{"));
        assert!(TensorFile::read_pth(&BEFORE_ZIP).unwrap_err().contains("weights_only=True"));
    }
}
