//! The devices of this machine with what runs on them, and the libraries that its GPUs need.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Arc, OnceLock},
};

use cuda::{
    GpuInfo,
    libraries::{Libraries, Sought},
    nvml::{Load, Nvml, Process, Seen},
};
use engine::compute::Machine;
use shared::{
    DeviceKind,
    api::{DeviceInfo, DeviceList, DeviceLoad, DeviceProcess, DeviceStatus, LibraryInfo},
};

/// Asks the management library of NVIDIA, which is started when somebody asks first. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Gauges(Arc<OnceLock<Option<Nvml>>>);

impl Gauges {
    /// What it says of each of these GPUs; nothing where there is no such library.
    fn look(&self, gpus: &[GpuInfo]) -> BTreeMap<String, Seen> {
        let nvml = self.0.get_or_init(|| {
            Nvml::open().inspect_err(|error| tracing::debug!(%error, "no load of GPUs")).ok()
        });
        let Some(nvml) = nvml else { return BTreeMap::new() };
        let seen = |gpu: &GpuInfo| {
            let uuid = gpu.uuid.as_deref()?;
            Some((format!("cuda:{}", gpu.ordinal), nvml.look(uuid)))
        };
        gpus.iter().filter_map(seen).collect()
    }

    /// The GPUs of a machine that have gone since the driver listed them, by device name, with the reason. May block.
    pub fn lost(&self, machine: &Machine) -> BTreeMap<String, String> {
        let seen = self.look(machine.gpus().unwrap_or_default());
        let lost = seen.into_iter().filter_map(|(name, seen)| match seen {
            Seen::Lost(why) => Some((name, why)),
            Seen::Here(_) | Seen::Unknown => None,
        });
        lost.collect()
    }
}

/// All devices of a machine: those that runs are assigned to, as the queue knows them, then the others. May block.
pub fn list(offered: Vec<DeviceInfo>, machine: &Machine, gauges: &Gauges) -> DeviceList {
    let gpus = machine.gpus();
    let mut seen = gauges.look(gpus.unwrap_or_default());
    let status = |mut device: DeviceInfo| {
        let seen = seen.remove(&device.name).filter(|_| device.kind == DeviceKind::Cuda);
        let load = match seen {
            Some(Seen::Here(load)) => Some(told(load)),
            Some(Seen::Lost(why)) => {
                device.refusal = Some(why);
                None
            }
            Some(Seen::Unknown) | None => None,
        };
        DeviceStatus { device, load }
    };
    DeviceList {
        devices: offered.into_iter().chain(machine.idle_gpus()).map(status).collect(),
        libraries: Libraries::open().all().iter().map(library).collect(),
        no_gpu: match gpus {
            Ok([]) => {
                Some("the NVIDIA driver lists no GPU; does CUDA_VISIBLE_DEVICES hide it?".into())
            }
            Ok(_) => None,
            Err(why) => Some(why.to_owned()),
        },
    }
}

fn told(load: Load) -> DeviceLoad {
    let Load { percent, memory_used, celsius, watts, processes } = load;
    let process = |process: Process| {
        let program = fs::read_to_string(format!("/proc/{}/comm", process.pid)).ok();
        DeviceProcess {
            pid: process.pid,
            program: program.map(|name| name.trim().to_owned()),
            memory_bytes: process.memory_bytes,
        }
    };
    let processes = processes.map(|all| all.into_iter().map(process).collect());
    DeviceLoad { percent, memory_used, celsius, watts, processes }
}

fn library(sought: &Sought) -> LibraryInfo {
    let (name, purpose) = (sought.library.title().into(), sought.library.purpose().into());
    match &sought.found {
        Ok(found) => LibraryInfo {
            name,
            purpose,
            file: Some(found.file.display().to_string()),
            version: found.version.clone(),
            missing: None,
        },
        Err(missing) => {
            LibraryInfo { name, purpose, file: None, version: None, missing: Some(missing.clone()) }
        }
    }
}
