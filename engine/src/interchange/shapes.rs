//! Whether a file holds the tensors of a model, before anything is made of it.

use super::tensors::TensorFile;
use crate::model::Layout;

/// A tensor's name and shape.
pub(super) type Named = (String, Vec<usize>);

/// Checks that the file has these tensors in these shapes and no other but those of which `beside` says that the model goes without
/// them. `file_bytes` is the size of the whole file: a model of more would have been described, not stored.
///
/// # Errors
/// A sentence that names the tensor and both shapes. `asked` tells who asks for them, such as `its config.json`.
pub(super) fn check(
    file: &TensorFile<'_>,
    wanted: &[Named],
    beside: impl Fn(&str) -> bool,
    asked: &str,
    file_bytes: usize,
) -> Result<(), String> {
    for (name, shape) in wanted {
        match file.shape(name) {
            None => return Err(format!("it has no tensor {name}, which {asked} asks for")),
            Some(found) if found != shape => {
                return Err(format!(
                    "{name} has the shape {found:?}, and {asked} asks for {shape:?}"
                ));
            }
            Some(_) => {}
        }
    }
    let bytes = wanted.iter().fold(0usize, |sum, (name, _)| sum.saturating_add(file.bytes(name)));
    if bytes > file_bytes {
        return Err(format!("its tensors would take {bytes} bytes, more than the file has"));
    }
    let known: std::collections::BTreeSet<&str> =
        wanted.iter().map(|(name, _)| name.as_str()).collect();
    match file.tensors.keys().find(|name| !known.contains(name.as_str()) && !beside(name)) {
        None => Ok(()),
        Some(name) => {
            let shape = file.shape(name).unwrap_or_default();
            Err(format!(
                "it has the tensor {name} of the shape {shape:?}, which a plain vision transformer has not"
            ))
        }
    }
}

/// A model's tensors.
pub(super) fn named(layout: &Layout) -> Vec<Named> {
    layout.iter().map(|param| (param.name.clone(), param.shape.clone())).collect()
}

/// A weight of this shape and the bias beside it.
pub(super) fn layer(list: &mut Vec<Named>, name: &str, shape: Vec<usize>) {
    let outputs = shape[0];
    list.push((format!("{name}.weight"), shape));
    list.push((format!("{name}.bias"), vec![outputs]));
}
