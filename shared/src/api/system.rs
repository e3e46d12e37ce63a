//! The machine and the program.

use serde::{Deserialize, Serialize};

use super::run::RunRow;

/// The machine and the program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SystemInfo {
    /// Version of the program.
    pub version: String,
    /// Folder of database and runs.
    pub data_dir: String,
    /// Devices that can train.
    pub devices: Vec<DeviceInfo>,
    /// Bytes that the runs take on disk.
    pub runs_bytes: u64,
    /// Bytes that the database takes on disk.
    pub store_bytes: u64,
    /// Free bytes on that disk.
    pub free_bytes: u64,
    /// Running jobs, then queued ones in their order.
    pub jobs: Vec<RunRow>,
    /// Whether this server hands out the jobs; otherwise another program on the same data folder does.
    pub schedules: bool,
}

/// A device that can train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeviceInfo {
    /// Name, such as `cpu`.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Threads it uses.
    pub threads: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Runs that it works on at a time.
    pub slots: u32,
    /// Runs that it works on now.
    #[serde(default)]
    pub running: u32,
}
