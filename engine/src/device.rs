//! What the engine can compute on.

use kernel::Kernels;
use shared::api::DeviceInfo;

use crate::EngineError;

/// Environment variable that sets the number of threads.
pub const THREADS_VARIABLE: &str = "MASKDOOR_THREADS";

/// Environment variable that sets the memory for the images of a split, in MiB.
pub const IMAGE_MEMORY_VARIABLE: &str = "MASKDOOR_IMAGE_MEMORY";
/// Memory for the images of a split when nobody sets it, in MiB.
const IMAGE_MEMORY: u64 = 2048;

/// Name of the processor as a device.
pub const CPU: &str = "cpu";

/// Number of threads that train: `MASKDOOR_THREADS`, or all that the system offers. It changes a run's speed, never its
/// result.
pub fn threads() -> usize {
    let wanted = std::env::var(THREADS_VARIABLE).ok().and_then(|text| text.parse().ok());
    wanted
        .filter(|&threads| threads > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// A pool of so many threads.
///
/// # Errors
/// When the system gives no threads.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, EngineError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| EngineError::Threads(error.to_string()))
}

/// Most bytes that the images of a split may take in memory; a larger split is read from its files while it is trained on.
/// `MASKDOOR_IMAGE_MEMORY` in MiB, or 2 GiB. It changes a run's memory and speed, never its result.
pub fn image_memory() -> u64 {
    let wanted = std::env::var(IMAGE_MEMORY_VARIABLE).ok().and_then(|text| text.parse().ok());
    wanted.unwrap_or(IMAGE_MEMORY).saturating_mul(1 << 20)
}

/// The devices that can train.
pub fn devices() -> Vec<DeviceInfo> {
    vec![DeviceInfo {
        name: CPU.into(),
        description: processor(),
        threads: threads() as u32,
        memory_bytes: memory(),
        slots: 1,
    }]
}

/// The processor's name where the system tells it, and the instructions that the engine uses on it.
fn processor() -> String {
    let file = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = file.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{name}, {}", Kernels::single().path)
}

/// Memory of the machine in bytes; 0 where the system does not tell.
fn memory() -> u64 {
    let file = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    file.lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map_or(0, |kibibytes: u64| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_there() {
        let devices = devices();
        assert_eq!(devices[0].name, "cpu");
        assert!(devices[0].threads >= 1 && !devices[0].description.is_empty());
    }
}
