//! This machine: how many threads train, with which instructions, and how much memory images may take.
//!
//! The program reads the environment once, when it starts ([`Machine::from_environment`]); everything below takes what it needs
//! as an argument.

use kernel::{Kernels, Path, Precision};
use shared::{api::DeviceInfo, settings};

use super::{Device, cpu::Cpu};
use crate::EngineError;

/// Environment variable that sets the number of threads.
pub const THREADS_VARIABLE: &str = "MASKDOOR_THREADS";
/// Environment variable that chooses the instruction set by name.
pub const KERNELS_VARIABLE: &str = "MASKDOOR_KERNELS";
/// Environment variable that sets the memory for the images of a split, in MiB.
pub const IMAGE_MEMORY_VARIABLE: &str = "MASKDOOR_IMAGE_MEMORY";
/// Memory for the images of a split when nobody sets it, in MiB.
const IMAGE_MEMORY: u64 = 2048;

/// What this machine trains with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    threads: usize,
    path: Path,
    image_memory: u64,
}

/// An instruction set that the engine can compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet {
    /// What `MASKDOOR_KERNELS` calls it.
    pub name: &'static str,
    /// Whether this processor has it.
    pub is_here: bool,
    /// Whether it is used.
    pub is_used: bool,
    /// How it multiplies in single precision, for people to read.
    pub single: &'static str,
    /// How it multiplies in bf16, for people to read.
    pub half: &'static str,
}

impl Machine {
    /// The machine as the environment wants it used: `MASKDOOR_THREADS`, or all threads that the system offers;
    /// `MASKDOOR_KERNELS`, or the fastest instruction set that was measured; `MASKDOOR_IMAGE_MEMORY` in MiB, or 2 GiB. Threads and
    /// memory change a run's speed, never its result.
    ///
    /// # Errors
    /// When `MASKDOOR_KERNELS` names no instruction set of this processor.
    pub fn from_environment() -> Result<Self, EngineError> {
        let text = |name| std::env::var(name).ok();
        Self::chosen(
            text(THREADS_VARIABLE).as_deref(),
            text(KERNELS_VARIABLE).as_deref(),
            text(IMAGE_MEMORY_VARIABLE).as_deref(),
        )
    }

    /// As [`from_environment`](Self::from_environment), from the variables' values.
    fn chosen(
        threads: Option<&str>,
        kernels: Option<&str>,
        image_memory: Option<&str>,
    ) -> Result<Self, EngineError> {
        let threads = threads.and_then(|text| text.parse().ok()).filter(|&threads| threads > 0);
        let memory = image_memory.and_then(|text| text.parse().ok()).unwrap_or(IMAGE_MEMORY);
        let path = Path::named(kernels)
            .map_err(|error| EngineError::Order(format!("{KERNELS_VARIABLE}: {error}")))?;
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.unwrap_or_else(all);
        Ok(Self { threads, path, image_memory: memory.saturating_mul(1 << 20) })
    }

    /// This machine with `threads` threads, whatever the environment says.
    pub fn with_threads(threads: usize) -> Self {
        let path = Path::fastest();
        Self { threads: threads.max(1), path, image_memory: IMAGE_MEMORY << 20 }
    }

    /// Number of threads that train.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Most bytes that the images of a split may take in memory; a larger split is read from its files while it is trained on.
    pub fn image_memory(&self) -> u64 {
        self.image_memory
    }

    /// The processor as a device, at this precision.
    pub fn device(&self, precision: settings::Precision) -> Box<dyn Device> {
        Box::new(self.cpu(precision))
    }

    /// The processor, at this precision.
    pub fn cpu(&self, precision: settings::Precision) -> Cpu {
        let precision = match precision {
            settings::Precision::F32 => Precision::F32,
            settings::Precision::Bf16 => Precision::Bf16,
        };
        Cpu { threads: self.threads, kernels: Kernels { path: self.path, precision } }
    }

    /// The devices that can train.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        vec![DeviceInfo {
            name: Cpu::NAME.into(),
            description: self.processor(),
            threads: self.threads as u32,
            memory_bytes: memory(),
            slots: 1,
        }]
    }

    /// All instruction sets that the engine knows, the plainest first.
    pub fn instruction_sets(&self) -> Vec<InstructionSet> {
        let set = |path: Path| InstructionSet {
            name: path.name(),
            is_here: path.is_here(),
            is_used: path == self.path,
            single: path.tells(Precision::F32),
            half: path.tells(Precision::Bf16),
        };
        Path::ALL.into_iter().map(set).collect()
    }

    /// The processor's name where the system tells it, and the instructions that the engine uses on it.
    pub fn processor(&self) -> String {
        let file = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = file.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
        format!("{name}, {}", self.path)
    }
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
    fn the_environment_is_taken_as_it_says() {
        let machine = Machine::chosen(Some("3"), Some("portable"), Some("7")).unwrap();
        assert_eq!((machine.threads(), machine.image_memory()), (3, 7 << 20));
        let used: Vec<_> =
            machine.instruction_sets().into_iter().filter(|set| set.is_used).collect();
        assert_eq!(used.iter().map(|set| set.name).collect::<Vec<_>>(), ["portable"]);
        let device = &machine.devices()[0];
        assert_eq!((device.name.as_str(), device.threads), ("cpu", 3));
        assert!(device.description.ends_with(", portable"), "{}", device.description);

        let usual = Machine::chosen(Some("0"), None, Some("much")).unwrap();
        assert!(usual.threads() >= 1);
        assert_eq!(usual.image_memory(), 2048 << 20);
    }

    #[test]
    fn an_instruction_set_that_is_none_is_refused_by_name() {
        let error = Machine::chosen(None, Some("sse9"), None).unwrap_err().to_string();
        assert!(error.starts_with("MASKDOOR_KERNELS: \"sse9\" is none of portable, "), "{error}");
    }
}
