//! Where a training goes on after its process died: parameters, moments and place, written whole or not at all.
//!
//! Order, crops and masks of an epoch depend on the seed and the epoch alone, so whoever has the parameters and the optimiser's
//! state at the end of an epoch trains on as if nothing had happened, bit for bit.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::order::RunOrder;

use super::write;
use crate::{
    EngineError,
    compute::Trainer,
    files::RESUME,
    hash::hex,
    tensors::{NamedTensor, serialize},
};

/// Longest header that is read.
const HEADER_LIMIT: u64 = 16 << 20;

/// A place to go on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// Epochs done.
    pub epoch: u32,
    /// Events that the run had sent by then.
    pub events: u64,
    /// Seconds that it had worked by then.
    pub seconds: f64,
    /// Fingerprint of the data set.
    pub dataset: String,
    /// SHA-256 of the order and of what its bits depend on: another order, program or instruction set begins anew.
    order: String,
}

impl ResumePoint {
    /// The place of a run of this order; `bits` are the device's ([`Device::bits`](crate::compute::Device::bits)).
    pub fn new(
        order: &RunOrder,
        bits: &str,
        dataset: &str,
        epoch: u32,
        events: u64,
        seconds: f64,
    ) -> Self {
        Self { epoch, events, seconds, dataset: dataset.into(), order: digest(order, bits) }
    }
}

/// All that the next step of a trainer depends on.
///
/// # Errors
/// When its device fails.
pub fn state<T: Trainer + ?Sized>(trainer: &T) -> Result<Vec<NamedTensor>, EngineError> {
    let mut tensors = trainer.tensors()?;
    tensors.extend(trainer.state()?);
    Ok(tensors)
}

/// Writes the place with a trainer's [`state`].
///
/// # Errors
/// When it cannot be written.
pub fn save(folder: &Path, state: &[NamedTensor], point: &ResumePoint) -> Result<(), EngineError> {
    let text = serde_json::to_string(point).expect("a place has text keys only");
    write(&folder.join(RESUME), &serialize(state, &[("resume", text)])?)
}

/// The place that a run of this order can go on from; none when there is no file, or when it is not this order's, of other bits
/// ([`Device::bits`](crate::compute::Device::bits)), or not whole.
pub fn find(order: &RunOrder, bits: &str, folder: &Path) -> Option<ResumePoint> {
    let header = read_header(&folder.join(RESUME)).ok()?;
    let point: ResumePoint = serde_json::from_str(&header.metadata.resume).ok()?;
    (point.order == digest(order, bits)).then_some(point)
}

/// Gives a trainer back what was kept.
///
/// # Errors
/// When the file cannot be read or is of another model.
pub fn load<T: Trainer + ?Sized>(folder: &Path, trainer: &mut T) -> Result<(), EngineError> {
    let path = folder.join(RESUME);
    let bytes = fs::read(&path).map_err(EngineError::file(&path))?;
    let wrong = |reason: String| EngineError::Checkpoint { path: path.clone(), reason };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(format!("it is no whole safetensors file ({error})")))?;
    trainer.restore(&file).map_err(wrong)
}

/// Removes the place: the run is over, or begins anew.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(RESUME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn digest(order: &RunOrder, bits: &str) -> String {
    let order = serde_json::to_string(order).expect("an order has text keys only");
    hex(&Sha256::digest(format!("{bits} {order}")))
}

/// What is read of a safetensors header.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Texts,
}

#[derive(Deserialize)]
struct Texts {
    resume: String,
}

/// Reads the header alone: the tensors behind it are many times as long. The file got its name when it was whole.
fn read_header(path: &Path) -> io::Result<Header> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(HEADER_LIMIT)).read_to_end(&mut header)?;
    Ok(serde_json::from_slice(&header)?)
}
