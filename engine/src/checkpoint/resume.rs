//! The state from which a training resumes after its process died: parameters, moments and position, written atomically.
//!
//! The order, crops and masks of an epoch depend only on the seed and the epoch. A training that restores the parameters and the
//! optimiser's state from the end of an epoch therefore continues as if it had never stopped, bit for bit.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{dataset::DataSource, order::RunOrder};

use super::write;
use crate::{
    EngineError,
    compute::Trainer,
    files::{self, RESUME, RESUME_BEFORE},
    hash::hex,
    tensors::{NamedTensor, serialize, verify},
};

/// Longest header that is read.
const HEADER_LIMIT: u64 = 16 << 20;

/// A point to resume from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResumePoint {
    /// Epochs done.
    pub epoch: u32,
    /// Events that the run had sent by then.
    pub events: u64,
    /// Seconds that the run had worked by then.
    pub seconds: f64,
    /// Fingerprint of the data set.
    pub dataset: String,
    /// SHA-256 of the order and of everything its bits depend on: a different order, program or instruction set starts from scratch.
    order: String,
}

impl ResumePoint {
    /// A point in a run of this order; `bits` are the device's ([`Device::bits`](crate::compute::Device::bits)).
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

/// Everything that a trainer's next step depends on.
///
/// # Errors
/// When its device fails.
pub fn state<T: Trainer + ?Sized>(trainer: &T) -> Result<Vec<NamedTensor>, EngineError> {
    let mut tensors = trainer.tensors()?;
    tensors.extend(trainer.state()?);
    Ok(tensors)
}

/// Writes the point with a trainer's [`state`]. The point before it is kept beside it.
///
/// # Errors
/// When it cannot be written.
pub fn save(folder: &Path, state: &[NamedTensor], point: &ResumePoint) -> Result<(), EngineError> {
    let text = serde_json::to_string(point).expect("a resume point has text keys only");
    let (path, before) = (folder.join(RESUME), folder.join(RESUME_BEFORE));
    // After a power cut there must be no point whose events are gone: it could not be resumed from.
    let events = folder.join(files::EVENTS);
    files::sync(&events).map_err(EngineError::file(events))?;
    if path.exists() {
        files::link(&path, &before).map_err(EngineError::file(before))?;
    }
    write(&path, &serialize(state, &[("resume", text)])?)
}

/// The point that a run can resume from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The point; `None` when there is no file, or when the file belongs to another order or other bits.
    pub point: Option<ResumePoint>,
    /// Files that are damaged, and why: a sentence each.
    pub damaged: Vec<String>,
}

/// The point that a run of this order can resume from on a device of these bits ([`Device::bits`](crate::compute::Device::bits)). Where
/// the last file is damaged, the one before it takes its place.
///
/// # Errors
/// When that file cannot take its place.
pub fn find(order: &RunOrder, bits: &str, folder: &Path) -> io::Result<Found> {
    let mut damaged = Vec::new();
    for name in [RESUME, RESUME_BEFORE] {
        let path = folder.join(name);
        match usable(&path, order, bits) {
            Ok(Some(point)) => {
                if name == RESUME_BEFORE {
                    files::rename(&path, &folder.join(RESUME))?;
                }
                return Ok(Found { point: Some(point), damaged });
            }
            Ok(None) => {}
            Err(reason) => damaged.push(format!("{name} cannot be resumed from: {reason}")),
        }
    }
    Ok(Found { point: None, damaged })
}

/// The point in a file; `None` when there is no file, or when it is another run's.
fn usable(path: &Path, order: &RunOrder, bits: &str) -> Result<Option<ResumePoint>, String> {
    let header = match read_header(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| format!("its header cannot be read ({error})"))?,
    };
    let point: ResumePoint = serde_json::from_str(&header.metadata.resume)
        .map_err(|error| format!("its header cannot be read ({error})"))?;
    if point.order != digest(order, bits) {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    SafeTensors::deserialize(&bytes).map_err(|error| format!("it is incomplete ({error})"))?;
    verify(&bytes).map(|()| Some(point))
}

/// Restores a trainer from the file.
///
/// # Errors
/// When the file cannot be read or belongs to another model.
pub fn load<T: Trainer + ?Sized>(folder: &Path, trainer: &mut T) -> Result<(), EngineError> {
    let path = folder.join(RESUME);
    let bytes = fs::read(&path).map_err(EngineError::file(&path))?;
    let wrong = |reason: String| EngineError::Checkpoint { path: path.clone(), reason };
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| wrong(format!("it is not a complete safetensors file ({error})")))?;
    trainer.restore(&file).map_err(wrong)
}

/// Removes the files: the run is over, or starts from scratch.
///
/// # Errors
/// When one exists and cannot be removed.
pub fn remove(folder: &Path) -> io::Result<()> {
    files::remove(folder, &[RESUME, RESUME_BEFORE])
}

fn digest(order: &RunOrder, bits: &str) -> String {
    // Data folders and images move, to another machine for example. Where something is says nothing of what it is: the run's digest
    // names what it starts from, and its images are compared by their fingerprint.
    let mut order = RunOrder { encoder: None, restorer: None, ..order.clone() };
    if let DataSource::Folder(folder) = &mut order.source {
        folder.known = None;
        folder.path.clear();
    }
    let order = serde_json::to_string(&order).expect("an order has text keys only");
    hex(&Sha256::digest(format!("{bits} {order}")))
}

/// The part of a safetensors header that is read.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__")]
    metadata: Texts,
}

#[derive(Deserialize)]
struct Texts {
    resume: String,
}

/// Reads only the header: the tensors after it are many times as long. The file got its name only when it was complete.
fn read_header(path: &Path) -> io::Result<Header> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(HEADER_LIMIT)).read_to_end(&mut header)?;
    Ok(serde_json::from_slice(&header)?)
}
