//! `maskdoor devices`: the devices that train here with their load, and what is missing for GPUs.

use engine::compute::{InstructionSet, KERNELS_VARIABLE, Machine};
use shared::{
    DeviceKind,
    api::{DeviceInfo, DeviceList, DeviceLoad, LibraryInfo},
};

use super::DevicesArgs;
use crate::{
    app::devices::{self, Gauges},
    terminal::{Align, bytes, say, table},
};

pub fn run(args: &DevicesArgs, machine: &Machine) -> anyhow::Result<()> {
    let list = devices::list(machine.devices(), machine, &Gauges::default());
    if args.json {
        say(serde_json::to_string_pretty(&list)?);
        return Ok(());
    }
    say(in_words(&list));
    let rows: Vec<_> = machine.instruction_sets().iter().map(row).collect();
    let columns = ["kernels", "here", "f32", "bf16"].map(|name| (name, Align::Left));
    say(table(&columns, &rows));
    say(format_args!("Choose another with {KERNELS_VARIABLE}=NAME."));
    Ok(())
}

/// The devices, a line or two each, and NVIDIA's libraries where a GPU or one of them is there.
fn in_words(list: &DeviceList) -> String {
    let mut lines = Vec::new();
    for status in &list.devices {
        lines.push(device_line(&status.device));
        lines.extend(status.load.as_ref().and_then(load_line).map(|load| format!("    {load}")));
        lines.extend(status.device.refusal.as_ref().map(|why| format!("    gets no run: {why}")));
    }
    let has_gpu = list.devices.iter().any(|status| status.device.kind == DeviceKind::Cuda);
    lines.extend(list.no_gpu.as_ref().filter(|_| !has_gpu).map(|why| format!("no GPU: {why}")));
    if has_gpu || list.libraries.iter().any(|library| library.file.is_some()) {
        lines.extend(list.libraries.iter().map(library_line));
    }
    lines.join("\n") + "\n"
}

fn device_line(device: &DeviceInfo) -> String {
    let mut parts = vec![format!("{}: {}", device.name, device.description)];
    if device.kind == DeviceKind::Cuda {
        parts.push(format!("{} of memory", bytes(device.memory_bytes)));
    }
    parts.extend(device.capability.iter().map(|it| format!("capability {it}")));
    if device.threads > 0 {
        parts.push(format!("{} threads", device.threads));
    }
    parts.join(", ")
}

/// `97 % busy, 7.5 GB used, 61 °C, 412 W, python (100) 6.4 GB`; `None` if nothing is known.
fn load_line(load: &DeviceLoad) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(load.percent.map(|percent| format!("{percent} % busy")));
    parts.extend(load.memory_used.map(|used| format!("{} used", bytes(used))));
    parts.extend(load.celsius.map(|celsius| format!("{celsius} °C")));
    parts.extend(load.watts.map(|watts| format!("{watts:.0} W")));
    for process in load.processes.iter().flatten() {
        let program = process.program.as_deref().unwrap_or("process");
        let memory = process.memory_bytes.map(|memory| format!(" {}", bytes(memory)));
        parts.push(format!("{program} ({}){}", process.pid, memory.unwrap_or_default()));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn library_line(library: &LibraryInfo) -> String {
    match (&library.file, &library.version, &library.missing) {
        (Some(file), Some(version), _) => format!("{} {version}: {file}", library.name),
        (Some(file), None, _) => format!("{}: {file}", library.name),
        (None, _, missing) => format!(
            "{} ({}): {}",
            library.name,
            library.purpose,
            missing.as_deref().unwrap_or("missing")
        ),
    }
}

fn row(set: &InstructionSet) -> Vec<String> {
    let here = match (set.is_here, set.is_used) {
        (_, true) => "used",
        (true, false) => "yes",
        (false, false) => "no",
    };
    [set.name, here, set.single, set.half].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use shared::api::{DeviceProcess, DeviceStatus};

    use super::*;

    fn cpu() -> DeviceStatus {
        let device = DeviceInfo {
            name: "cpu".into(),
            description: "A processor, avx512".into(),
            kind: DeviceKind::Cpu,
            capability: None,
            threads: 8,
            memory_bytes: 64 << 30,
            slots: 1,
            running: 0,
            refusal: None,
            pace: shared::study::Pace::default(),
        };
        DeviceStatus { device, load: None }
    }

    fn library(file: Option<&str>, missing: Option<&str>) -> LibraryInfo {
        LibraryInfo {
            name: "NVRTC".into(),
            purpose: "compiles the kernels".into(),
            file: file.map(Into::into),
            version: file.map(|_| "13.0".into()),
            missing: missing.map(Into::into),
        }
    }

    #[test]
    fn a_machine_without_a_gpu_says_what_would_bring_one() {
        let list = DeviceList {
            devices: vec![cpu()],
            libraries: vec![library(None, Some("no NVRTC"))],
            no_gpu: Some("no NVIDIA driver (libcuda.so.1): it comes with NVIDIA's driver".into()),
        };
        insta::assert_snapshot!(in_words(&list));
    }

    #[test]
    fn a_gpu_tells_what_runs_on_it() {
        let gpu = DeviceInfo {
            name: "cuda:0".into(),
            description: "NVIDIA H200, 132 multiprocessors, CUDA 13.0, driver 580.95.05".into(),
            kind: DeviceKind::Cuda,
            capability: Some("9.0".into()),
            threads: 0,
            memory_bytes: 141 << 30,
            refusal: Some("this version trains on the processor only".into()),
            ..cpu().device
        };
        let load = DeviceLoad {
            percent: Some(97),
            memory_used: Some(7 << 30),
            celsius: Some(61),
            watts: Some(412.5),
            processes: Some(vec![
                DeviceProcess {
                    pid: 100,
                    program: Some("python".into()),
                    memory_bytes: Some(6 << 30),
                },
                DeviceProcess { pid: 101, program: None, memory_bytes: None },
            ]),
        };
        let list = DeviceList {
            devices: vec![cpu(), DeviceStatus { device: gpu, load: Some(load) }],
            libraries: vec![
                library(Some("/usr/lib/libnvrtc.so.13"), None),
                library(None, Some("no NVRTC")),
            ],
            no_gpu: None,
        };
        insta::assert_snapshot!(in_words(&list));
    }
}
