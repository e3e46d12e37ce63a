//! The machine and the program.

use serde::{Deserialize, Serialize};

use super::run::RunRow;

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
    /// Bytes that the runs occupy on disk.
    pub runs_bytes: u64,
    /// Bytes that the database occupies on disk.
    pub store_bytes: u64,
    /// Free bytes on that disk.
    pub free_bytes: u64,
    /// Running jobs, then queued ones in order.
    pub jobs: Vec<RunRow>,
    /// Whether this server schedules the jobs; otherwise another program on the same data folder does.
    pub schedules: bool,
}

/// A device that can train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceInfo {
    /// Name, such as `cpu`.
    pub name: String,
    /// Description.
    pub description: String,
    /// Threads it uses.
    pub threads: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Number of runs that it trains at the same time.
    pub slots: u32,
    /// Number of runs that it trains now.
    #[serde(default)]
    pub running: u32,
}
