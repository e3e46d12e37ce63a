//! The devices that runs are assigned to, by name.

use cuda::GpuInfo;
use shared::{DeviceKind, api::DeviceInfo};

use super::cpu::Cpu;

/// A device to which runs are assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The processor.
    Cpu,
    /// The GPU with this number.
    Gpu(u32),
    /// A GPU of this many bytes that is not there; the processor does its work.
    Pretended(u64),
}

/// The name of the device at an index: `cpu`, or `cpu:0`, `cpu:1` where there are several; a GPU's is its number.
pub(super) fn name_of(places: &[Place], at: usize) -> String {
    let like = |wanted: fn(&Place) -> bool| {
        let before = places[..at].iter().filter(|place| wanted(place)).count();
        (before, places.iter().filter(|place| wanted(place)).count())
    };
    match places[at] {
        Place::Gpu(number) => format!("cuda:{number}"),
        Place::Pretended(_) => {
            format!("cuda:{}", like(|place| matches!(place, Place::Pretended(_))).0)
        }
        Place::Cpu => match like(|place| *place == Place::Cpu) {
            (_, 1) => Cpu::NAME.into(),
            (before, _) => format!("{}:{before}", Cpu::NAME),
        },
    }
}

/// The processor, or what stands for a GPU, as a device.
pub(super) fn cpu_info(
    name: String,
    description: String,
    threads: u32,
    memory_bytes: u64,
) -> DeviceInfo {
    DeviceInfo {
        name,
        description,
        kind: DeviceKind::Cpu,
        capability: None,
        threads,
        memory_bytes,
        slots: 1,
        running: 0,
        refusal: None,
        pace: shared::study::Pace::default(),
    }
}

/// A GPU as a device that uses no threads.
pub(super) fn gpu_info(gpu: &GpuInfo) -> DeviceInfo {
    let (major, minor) = gpu.capability;
    let driver = gpu.driver.as_ref().map_or_else(String::new, |it| format!(", driver {it}"));
    let (cuda, beyond) = gpu.cuda;
    DeviceInfo {
        name: format!("cuda:{}", gpu.ordinal),
        description: format!(
            "{}, {} multiprocessors, CUDA {cuda}.{beyond}{driver}",
            gpu.name, gpu.multiprocessors
        ),
        kind: DeviceKind::Cuda,
        capability: Some(format!("{major}.{minor}")),
        threads: 0,
        memory_bytes: gpu.memory_bytes,
        slots: 1,
        running: 0,
        refusal: None,
        pace: shared::study::Pace::default(),
    }
}
