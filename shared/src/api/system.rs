//! The machine and the program.

use serde::{Deserialize, Serialize};

use super::{cluster::ClusterInfo, run::RunRow};
use crate::{
    device::DeviceKind,
    study::{Pace, Speed},
};

/// Whether the program works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `cannot write`.
    pub status: String,
    /// Version of the program.
    pub version: String,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What will be wrong soon: the disk is nearly full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// The machine and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemInfo {
    /// Version of the program.
    pub version: String,
    /// Folder of the database and the runs.
    pub data_dir: String,
    /// Devices that can train.
    pub devices: Vec<DeviceInfo>,
    /// The cluster that trains the runs, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Bytes that the database occupies on disk.
    pub store_bytes: u64,
    /// Free bytes on that disk.
    pub free_bytes: u64,
    /// Running jobs, then queued ones in order.
    pub jobs: Vec<RunRow>,
    /// Whether this server schedules the jobs; otherwise another program on the same data folder does.
    pub schedules: bool,
    /// Whether the queue is paused: nothing that waits starts.
    #[serde(default)]
    pub paused: bool,
}

/// A device that can train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceInfo {
    /// Name, such as `cpu`.
    pub name: String,
    /// Description.
    pub description: String,
    /// What it is.
    #[serde(default)]
    pub kind: DeviceKind,
    /// Compute capability of a GPU, such as `9.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Threads of the processor that it uses.
    pub threads: u32,
    /// Memory in bytes: the machine's for the processor, its own for a GPU.
    pub memory_bytes: u64,
    /// Number of runs that it trains at the same time.
    pub slots: u32,
    /// Number of runs that it trains now.
    #[serde(default)]
    pub running: u32,
    /// Why no run is assigned to it; absent when runs are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What runs took on it, as far as any were measured.
    #[serde(default, skip_serializing_if = "Pace::is_empty")]
    pub pace: Pace,
}

impl DeviceInfo {
    /// How fast it trains.
    pub fn speed(&self) -> Speed {
        Speed { kind: self.kind, threads: self.threads, devices: 1, pace: self.pace.clone() }
    }
}

/// The devices of the machine with what runs on them, and the libraries that GPUs need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceList {
    /// The devices that runs are assigned to, then those that they are not.
    pub devices: Vec<DeviceStatus>,
    /// NVIDIA's libraries.
    pub libraries: Vec<LibraryInfo>,
    /// Why no GPU is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_gpu: Option<String>,
}

/// A device, and what runs on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceStatus {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceInfo,
    /// Its load, where the device tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<DeviceLoad>,
}

/// The load of a GPU. What its driver does not tell is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceLoad {
    /// Percent of the last second in which it computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// Bytes of its memory in use, by all programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used: Option<u64>,
    /// Temperature in degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub celsius: Option<u32>,
    /// Power in watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watts: Option<f64>,
    /// The processes that compute on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<Vec<DeviceProcess>>,
}

/// A process that computes on a GPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceProcess {
    /// Its number.
    pub pid: u32,
    /// Its program, where this machine tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Bytes of the GPU's memory that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// One of NVIDIA's libraries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LibraryInfo {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Its file; absent when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Its version, where it tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is missing, and which package brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}
