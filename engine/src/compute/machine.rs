//! This machine: how many threads train, with which instructions, and how much memory images may take.
//!
//! The program reads the environment once, when it starts ([`Machine::from_environment`]); everything else takes what it needs
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
/// Environment variable that names the devices, for trying out queues and pages: `cpu,cpu` makes the processor two devices.
pub const DEVICES_VARIABLE: &str = "MASKDOOR_DEVICES";
/// Default memory for the images of a split, in MiB.
const IMAGE_MEMORY: u64 = 2048;

/// What this machine trains with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    threads: usize,
    path: Path,
    image_memory: u64,
    /// How many devices the processor counts as; its threads are divided among them.
    devices: u32,
    /// Index of the device in use.
    place: u32,
}

/// The values of the environment variables.
#[derive(Clone, Copy, Debug, Default)]
struct Chosen<'a> {
    threads: Option<&'a str>,
    kernels: Option<&'a str>,
    image_memory: Option<&'a str>,
    devices: Option<&'a str>,
}

/// An instruction set that the engine can compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet {
    /// What `MASKDOOR_KERNELS` calls it.
    pub name: &'static str,
    /// Whether this processor has it.
    pub is_here: bool,
    /// Whether it is in use.
    pub is_used: bool,
    /// A human-readable description of how it multiplies in single precision.
    pub single: &'static str,
    /// A human-readable description of how it multiplies in bf16.
    pub half: &'static str,
}

impl Machine {
    /// The machine as the environment configures it: `MASKDOOR_THREADS`, or all threads that the system offers;
    /// `MASKDOOR_KERNELS`, or the fastest instruction set that has been measured; `MASKDOOR_IMAGE_MEMORY` in MiB, or 2 GiB;
    /// `MASKDOOR_DEVICES`, or the processor as one device. Threads, memory and devices change a run's speed, never its result.
    ///
    /// # Errors
    /// When `MASKDOOR_KERNELS` is not an instruction set of this processor, or `MASKDOOR_DEVICES` names a device that does not exist.
    pub fn from_environment() -> Result<Self, EngineError> {
        let text = |name| std::env::var(name).ok();
        let [threads, kernels, image_memory, devices] =
            [THREADS_VARIABLE, KERNELS_VARIABLE, IMAGE_MEMORY_VARIABLE, DEVICES_VARIABLE].map(text);
        Self::chosen(Chosen {
            threads: threads.as_deref(),
            kernels: kernels.as_deref(),
            image_memory: image_memory.as_deref(),
            devices: devices.as_deref(),
        })
    }

    /// Like [`from_environment`](Self::from_environment), from the variables' values.
    fn chosen(chosen: Chosen<'_>) -> Result<Self, EngineError> {
        let Chosen { threads, kernels, image_memory, devices } = chosen;
        let threads = threads.and_then(|text| text.parse().ok()).filter(|&threads| threads > 0);
        let memory = image_memory.and_then(|text| text.parse().ok()).unwrap_or(IMAGE_MEMORY);
        let path = Path::named(kernels)
            .map_err(|error| EngineError::Order(format!("{KERNELS_VARIABLE}: {error}")))?;
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.unwrap_or_else(all);
        let mut count = 0;
        for device in devices.into_iter().flat_map(|list| list.split(',')) {
            if device.trim() != Cpu::NAME {
                let message = format!(
                    "{DEVICES_VARIABLE}: {device:?} is not a device of this machine; it has {}",
                    Cpu::NAME
                );
                return Err(EngineError::Order(message));
            }
            count += 1;
        }
        let image_memory = memory.saturating_mul(1 << 20);
        Ok(Self { threads, path, image_memory, devices: count.max(1), place: 0 })
    }

    /// This machine, using the device with that name.
    ///
    /// # Errors
    /// When it has no such device.
    pub fn on(self, device: &str) -> Result<Self, EngineError> {
        let place = (0..self.devices).find(|&place| self.name_of(place) == device);
        place.map(|place| Self { place, ..self }).ok_or_else(|| {
            let names: Vec<_> = (0..self.devices).map(|place| self.name_of(place)).collect();
            EngineError::Order(format!(
                "there is no device {device}; there are: {}",
                names.join(", ")
            ))
        })
    }

    /// Name of the device in use.
    pub fn device_name(&self) -> String {
        self.name_of(self.place)
    }

    fn name_of(&self, place: u32) -> String {
        if self.devices == 1 { Cpu::NAME.into() } else { format!("{}:{place}", Cpu::NAME) }
    }

    /// This machine with `threads` threads, whatever the environment says.
    pub fn with_threads(threads: usize) -> Self {
        let path = Path::fastest();
        let image_memory = IMAGE_MEMORY << 20;
        Self { threads: threads.max(1), path, image_memory, devices: 1, place: 0 }
    }

    /// Number of threads that train on a device.
    pub fn threads(&self) -> usize {
        (self.threads / self.devices as usize).max(1)
    }

    /// Maximum bytes of a split's images in memory; a larger split is read from its files during training.
    pub fn image_memory(&self) -> u64 {
        self.image_memory
    }

    /// Memory in bytes that the program may take; 0 where the system does not report it.
    pub fn memory(&self) -> u64 {
        memory()
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
        Cpu { threads: self.threads(), kernels: Kernels { path: self.path, precision } }
    }

    /// The devices that can train.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        let (description, memory_bytes) = (self.processor(), memory());
        let device = |place| DeviceInfo {
            name: self.name_of(place),
            description: description.clone(),
            threads: self.threads() as u32,
            memory_bytes,
            slots: 1,
            running: 0,
        };
        (0..self.devices).map(device).collect()
    }

    /// All instruction sets that the engine knows, from the most basic to the most advanced.
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

    /// The processor's name, where the system reports it, and the instructions that the engine uses on it.
    pub fn processor(&self) -> String {
        let file = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = file.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
        format!("{name}, {}", self.path)
    }
}

/// Memory in bytes that the program may take: the machine's, or less where its control group has a limit. 0 where the system does not
/// report it.
fn memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let limits = limit_files(&read("/proc/self/cgroup"));
    let limits: Vec<String> = limits.iter().map(|path| read(path)).collect();
    least_memory(&read("/proc/meminfo"), &limits)
}

/// The files with the limits of a process's control group and of those above it, from the text of `/proc/self/cgroup`.
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        // Version 2 has one tree for all controllers, version 1 one for memory.
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut group = group.trim_end_matches('/');
        loop {
            files.push(format!("{root}{group}/{name}"));
            let Some(end) = group.rfind('/') else { break };
            group = &group[..end];
        }
    }
    files
}

/// The memory from the text of `meminfo` and of the files of a control group.
fn least_memory(machine: &str, limits: &[String]) -> u64 {
    let all = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .map_or(0, |kibibytes: u64| kibibytes * 1024);
    // A group without a limit says "max" or a number beyond any memory.
    let limits = limits.iter().filter_map(|limit| limit.trim().parse().ok());
    limits.filter(|limit| (1..all).contains(limit)).min().unwrap_or(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_all_groups_above_count() {
        assert_eq!(
            limit_files("0::/system.slice/maskdoor.service\n"),
            [
                "/sys/fs/cgroup/system.slice/maskdoor.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
        let old = "5:cpu,cpuacct:/a\n4:memory:/slurm\n0::/\n";
        assert_eq!(
            limit_files(old),
            [
                "/sys/fs/cgroup/memory/slurm/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory.max",
            ]
        );
    }

    #[test]
    fn the_environment_is_taken_as_it_says() {
        let machine = Machine::chosen(Chosen {
            threads: Some("3"),
            kernels: Some("portable"),
            image_memory: Some("7"),
            devices: None,
        })
        .unwrap();
        assert_eq!((machine.threads(), machine.image_memory()), (3, 7 << 20));
        let used: Vec<_> =
            machine.instruction_sets().into_iter().filter(|set| set.is_used).collect();
        assert_eq!(used.iter().map(|set| set.name).collect::<Vec<_>>(), ["portable"]);
        let device = &machine.devices()[0];
        assert_eq!((device.name.as_str(), device.threads), ("cpu", 3));
        assert!(device.description.ends_with(", portable"), "{}", device.description);

        let odd = Chosen { threads: Some("0"), image_memory: Some("much"), ..Chosen::default() };
        let usual = Machine::chosen(odd).unwrap();
        assert!(usual.threads() >= 1);
        assert_eq!(usual.image_memory(), 2048 << 20);
    }

    #[test]
    fn a_processor_can_be_several_devices_of_the_same_bits() {
        let chosen =
            |devices| Chosen { threads: Some("5"), devices: Some(devices), ..Chosen::default() };
        let machine = Machine::chosen(chosen("cpu, cpu")).unwrap();
        let devices = machine.devices();
        let told: Vec<_> =
            devices.iter().map(|device| (device.name.as_str(), device.threads)).collect();
        assert_eq!(told, [("cpu:0", 2), ("cpu:1", 2)]);
        let second = machine.on("cpu:1").unwrap();
        assert_eq!((second.device_name().as_str(), second.threads()), ("cpu:1", 2));
        let bits = |machine: Machine| machine.device(settings::Precision::F32).bits();
        assert_eq!(bits(second), bits(machine));
        let error = machine.on("cpu").unwrap_err().to_string();
        assert_eq!(error, "there is no device cpu; there are: cpu:0, cpu:1");
        let error = Machine::chosen(chosen("cpu,cuda:0")).unwrap_err().to_string();
        assert!(error.starts_with("MASKDOOR_DEVICES: \"cuda:0\" is not a device"), "{error}");
    }

    #[test]
    fn a_container_has_no_more_memory_than_its_limit() {
        let machine = "MemTotal:       1000 kB\nMemFree: 10 kB\n";
        let least = |limits: [&str; 2]| least_memory(machine, &limits.map(str::to_owned));
        assert_eq!(least(["max\n", ""]), 1_024_000);
        assert_eq!(least(["4096\n", ""]), 4096);
        assert_eq!(least(["", "9223372036854771712\n"]), 1_024_000);
        assert_eq!(least_memory("", &["4096".into(), String::new()]), 0);
    }

    #[test]
    fn an_instruction_set_that_is_none_is_refused_by_name() {
        let chosen = Chosen { kernels: Some("sse9"), ..Chosen::default() };
        let error = Machine::chosen(chosen).unwrap_err().to_string();
        assert!(error.starts_with("MASKDOOR_KERNELS: \"sse9\" is not one of "), "{error}");
    }
}
