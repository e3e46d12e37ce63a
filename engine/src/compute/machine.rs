//! This machine: which devices and how many threads train, with which instructions, and how much memory images may take.
//!
//! The program reads the environment once, when it starts ([`Machine::from_environment`]); everything else takes what it needs
//! as an argument.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use cuda::{GpuInfo, libraries::Libraries};
use kernel::{Kernels, Path, Precision};
use shared::{DeviceKind, api::DeviceInfo, settings};

use super::{
    Device,
    cpu::{BesideOthers, Cpu},
    cuda::Cuda,
    memory::memory,
    places::{Place, cpu_info, gpu_info, name_of},
};
use crate::{EngineError, nodes::Nodes};

/// Environment variable that sets the number of threads.
pub const THREADS_VARIABLE: &str = "MASKDOOR_THREADS";
/// Environment variable that chooses the instruction set by name.
pub const KERNELS_VARIABLE: &str = "MASKDOOR_KERNELS";
/// Environment variable that sets the memory for the images of a split, in MiB.
pub const IMAGE_MEMORY_VARIABLE: &str = "MASKDOOR_IMAGE_MEMORY";
/// Environment variable that names the devices that runs are assigned to, separated by commas: `cpu`, `cuda:N` for a GPU. For trying
/// out queues and pages, `cpu,cpu` makes the processor two devices, and `pretend:80GiB` a GPU of that memory, which trains on the
/// processor.
pub const DEVICES_VARIABLE: &str = "MASKDOOR_DEVICES";
/// Default memory for the images of a split, in MiB.
const IMAGE_MEMORY: u64 = 2048;

/// What this machine trains with.
#[derive(Clone, Debug)]
pub struct Machine {
    threads: usize,
    path: Path,
    image_memory: u64,
    /// The devices by name; the processor and every GPU that can train, if none are named.
    named: Option<Arc<[Place]>>,
    /// The GPUs that the driver lists, or why there are none. The driver is asked when somebody wants to know.
    gpus: Arc<OnceLock<Result<Vec<GpuInfo>, String>>>,
    /// The names of the devices in use; the first one, if none are named.
    used: Vec<String>,
    /// The machines that train the same run.
    nodes: Option<Arc<Nodes>>,
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
        let image_memory = memory.saturating_mul(1 << 20);
        let gpus = Arc::default();
        let machine =
            Self { threads, path, image_memory, named: None, gpus, used: Vec::new(), nodes: None };
        match devices.map(str::trim).filter(|list| !list.is_empty()) {
            Some(list) => machine
                .with_devices(list)
                .map_err(|error| EngineError::Order(format!("{DEVICES_VARIABLE}: {error}"))),
            None => Ok(machine),
        }
    }

    /// This machine, with only these devices, written as in `MASKDOOR_DEVICES`.
    ///
    /// # Errors
    /// When one of them is not a device that this machine can train on.
    pub fn with_devices(self, list: &str) -> Result<Self, EngineError> {
        let mut places = Vec::new();
        for name in list.split(',') {
            let name = name.trim();
            let place = self.place(name).map_err(|why| {
                let usual = Self::usual();
                let names: Vec<_> = (0..usual.len()).map(|at| name_of(&usual, at)).collect();
                EngineError::Order(format!(
                    "{name:?} is not a device of this machine{why}; it has {}",
                    names.join(", ")
                ))
            })?;
            if matches!(place, Place::Gpu(_)) && places.contains(&place) {
                return Err(EngineError::Order(format!("{name} is named twice")));
            }
            places.push(place);
        }
        let is_pretended = |place: &Place| matches!(place, Place::Pretended(_));
        if places.iter().any(is_pretended) && places.iter().any(|it| matches!(it, Place::Gpu(_))) {
            let message = "GPUs and pretended ones have the same names: name one kind of them";
            return Err(EngineError::Order(message.into()));
        }
        Ok(Self { named: Some(places.into()), ..self })
    }

    /// The device that an entry of a list names; an error says why there is none, as the continuation of a sentence.
    fn place(&self, name: &str) -> Result<Place, String> {
        if name == Cpu::NAME {
            return Ok(Place::Cpu);
        }
        if let Some(size) = name.strip_prefix("pretend:") {
            let gibibytes = size.strip_suffix("GiB").and_then(|text| text.parse::<u32>().ok());
            let gibibytes = gibibytes.filter(|&count| count > 0);
            let bytes = gibibytes.ok_or(" (a pretended GPU is written pretend:80GiB)")?;
            return Ok(Place::Pretended(u64::from(bytes) << 30));
        }
        let Some(number) = name.strip_prefix("cuda:") else { return Err(String::new()) };
        let gpus = self.gpus().map_err(|why| format!(" ({why})"))?;
        let gpu = gpus.iter().find(|gpu| gpu.ordinal.to_string() == number);
        let gpu = gpu.ok_or_else(String::new)?;
        Self::can_train_on(gpu).map_err(|why| format!(" to train on ({why})"))?;
        Ok(Place::Gpu(gpu.ordinal))
    }

    /// Whether runs can be assigned to a GPU. Everything that offers a GPU asks this.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn can_train_on(gpu: &GpuInfo) -> Result<(), String> {
        match gpu.refusal() {
            Some(refusal) => Err(refusal),
            None => Libraries::open().can_train().map_err(|missing| missing.to_string()),
        }
    }

    /// The GPUs that the driver lists. It is asked once.
    ///
    /// # Errors
    /// Why there are none: no driver, or one that does not start.
    pub fn gpus(&self) -> Result<&[GpuInfo], &str> {
        let ask = || cuda::gpus().map_err(|error| error.to_string());
        self.gpus.get_or_init(ask).as_deref().map_err(String::as_str)
    }

    /// The devices that runs are assigned to if none are named: the processor. GPUs have to be named as long as their trainers were
    /// compared with the processor's only in emulation.
    fn usual() -> Vec<Place> {
        vec![Place::Cpu]
    }

    fn places(&self) -> Vec<Place> {
        self.named.as_deref().map_or_else(Self::usual, <[Place]>::to_vec)
    }

    /// The devices by name, as in `MASKDOOR_DEVICES`; `None` if none are named.
    pub fn device_list(&self) -> Option<String> {
        let name = |place: &Place| match place {
            Place::Cpu => Cpu::NAME.to_owned(),
            Place::Gpu(number) => format!("cuda:{number}"),
            Place::Pretended(bytes) => format!("pretend:{}GiB", bytes >> 30),
        };
        let named = self.named.as_deref()?;
        Some(named.iter().map(name).collect::<Vec<_>>().join(","))
    }

    /// This machine, using the device with that name, or several separated by commas.
    ///
    /// # Errors
    /// When it has no such device.
    pub fn on(self, devices: &str) -> Result<Self, EngineError> {
        let names = self.names();
        let used: Vec<String> = devices.split(',').map(str::to_owned).collect();
        if let Some(missing) = used.iter().find(|name| !names.contains(name)) {
            return Err(EngineError::Order(format!(
                "there is no device {missing}; there are: {}",
                names.join(", ")
            )));
        }
        Ok(Self { used, ..self })
    }

    /// Name of the device in use, or of several, separated by commas.
    pub fn device_name(&self) -> String {
        if self.used.is_empty() {
            return self.names().swap_remove(0);
        }
        self.used.join(",")
    }

    /// The names of the devices.
    fn names(&self) -> Vec<String> {
        let places = self.places();
        places.iter().enumerate().map(|(at, _)| name_of(&places, at)).collect()
    }

    /// This machine with `threads` threads, whatever the environment says.
    pub fn with_threads(threads: usize) -> Self {
        let path = Path::fastest();
        let image_memory = IMAGE_MEMORY << 20;
        let named = Some(Arc::from([Place::Cpu]));
        let gpus = Arc::default();
        Self {
            threads: threads.max(1),
            path,
            image_memory,
            named,
            gpus,
            used: Vec::new(),
            nodes: None,
        }
    }

    /// Number of threads that train on the devices in use.
    pub fn threads(&self) -> usize {
        let places = self.places();
        let used = (0..places.len()).filter(|&at| self.used.contains(&name_of(&places, at)));
        let threads: usize = used.map(|at| self.threads_of(at, places.len())).sum();
        if threads == 0 { self.threads_of(0, places.len()) } else { threads }
    }

    /// The threads of a device: all are divided among the devices, as evenly as it goes, and each has one at least.
    fn threads_of(&self, at: usize, places: usize) -> usize {
        (self.threads * (at + 1) / places - self.threads * at / places).max(1)
    }

    /// Maximum bytes of a split's images in memory; a larger split is read from its files during training.
    pub fn image_memory(&self) -> u64 {
        self.image_memory
    }

    /// Memory in bytes that the program may take; 0 where the system does not report it.
    pub fn memory(&self) -> u64 {
        memory()
    }

    /// The devices in use as one, at this precision.
    ///
    /// # Errors
    /// When a GPU cannot be opened; when the processor is one of several devices, or does not compute in this precision.
    pub fn device(&self, precision: settings::Precision) -> Result<Box<dyn Device>, EngineError> {
        let cpu = self.cpu(precision);
        let used = self.used_places();
        let numbers: Vec<usize> = used
            .iter()
            .filter_map(|place| match place {
                Place::Gpu(number) => Some(*number as usize),
                Place::Cpu | Place::Pretended(_) => None,
            })
            .collect();
        if numbers.is_empty() {
            precision.on_processor().map_err(EngineError::Order)?;
            return Ok(match self.nodes.clone() {
                Some(nodes) => Box::new(BesideOthers { cpu, nodes }),
                None => Box::new(cpu),
            });
        }
        if numbers.len() < used.len() {
            let message = "a run on several devices takes GPUs only, not the processor";
            return Err(EngineError::Order(message.into()));
        }
        let open = |number| cuda::Device::open(number, kernel_cache());
        let devices = numbers.into_iter().map(open).collect::<cuda::Result<_>>()?;
        let cuda = Cuda::new(devices, precision, cpu);
        Ok(Box::new(match &self.nodes {
            Some(nodes) => cuda.beside(nodes),
            None => cuda,
        }))
    }

    /// This machine as one of several that train the same run.
    pub fn beside(self, nodes: Arc<Nodes>) -> Self {
        Self { nodes: Some(nodes), ..self }
    }

    /// The machines that train the same run, if there are others.
    pub fn nodes(&self) -> Option<&Arc<Nodes>> {
        self.nodes.as_ref()
    }

    /// The devices in use.
    fn used_places(&self) -> Vec<Place> {
        let places = self.places();
        if self.used.is_empty() {
            return places[..1].to_vec();
        }
        let used = (0..places.len()).filter(|&at| self.used.contains(&name_of(&places, at)));
        used.map(|at| places[at].clone()).collect()
    }

    /// The processor, at this precision; beside a GPU, at the processor's precision that is closest.
    pub fn cpu(&self, precision: settings::Precision) -> Cpu {
        let precision = match precision {
            settings::Precision::F32 | settings::Precision::Tf32 => Precision::F32,
            settings::Precision::Bf16 | settings::Precision::Bf16Stream => Precision::Bf16,
        };
        Cpu { threads: self.threads(), kernels: Kernels { path: self.path, precision } }
    }

    /// The devices that runs are assigned to.
    pub fn devices(&self) -> Vec<DeviceInfo> {
        let (processor, memory) = (self.processor(), memory());
        let places = self.places();
        let device = |(at, place): (usize, &Place)| {
            let name = name_of(&places, at);
            let threads = self.threads_of(at, places.len()) as u32;
            match place {
                Place::Cpu => cpu_info(name, processor.clone(), threads, memory),
                Place::Pretended(bytes) => DeviceInfo {
                    kind: DeviceKind::Cuda,
                    ..cpu_info(name, format!("pretended GPU, on {processor}"), threads, *bytes)
                },
                Place::Gpu(number) => {
                    let gpu =
                        self.gpus().unwrap_or_default().iter().find(|it| it.ordinal == *number);
                    let info = gpu.map(|gpu| DeviceInfo { threads, ..gpu_info(gpu) });
                    // The driver was asked when the list of places was made.
                    info.unwrap_or_else(|| cpu_info(name, String::new(), threads, 0))
                }
            }
        };
        places.iter().enumerate().map(device).collect()
    }

    /// Whether runs are assigned to a GPU that the driver lists.
    pub fn gpus_in_use(&self) -> bool {
        self.places().iter().any(|place| matches!(place, Place::Gpu(_)))
    }

    /// The GPUs that the driver lists and that no run is assigned to, each with the reason.
    pub fn idle_gpus(&self) -> Vec<DeviceInfo> {
        let places = self.places();
        let gpus = self.gpus().unwrap_or_default().iter();
        let idle = gpus.filter(|gpu| !places.contains(&Place::Gpu(gpu.ordinal)));
        let why = |gpu| {
            let refused = Self::can_train_on(gpu).err();
            refused.unwrap_or_else(|| "the list of devices does not name it".into())
        };
        idle.map(|gpu| DeviceInfo { refusal: Some(why(gpu)), slots: 0, ..gpu_info(gpu) }).collect()
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

/// Where compiled kernels are kept: below `XDG_CACHE_HOME`, or `.cache` of the home folder.
fn kernel_cache() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    cache.map(|folder| folder.join("maskdoor").join("kernels"))
}

#[cfg(test)]
mod tests;
