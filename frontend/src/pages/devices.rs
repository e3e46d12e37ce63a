//! The devices with what runs on them, as the page "System" shows them while it is open.

use leptos::prelude::*;
use shared::{
    DeviceKind, RunState,
    api::{DeviceInfo, DeviceList, DeviceLoad, DeviceStatus, RunRow},
};

use crate::components::{Fetched, Glyph, Icon, ProblemBox, fetched_every, format, message};

/// Time between two readings of the load, in milliseconds.
const PERIOD: u32 = 3000;

/// `8 threads, 64 GB of memory; 1 run at a time, 0 now`.
fn facts(device: &DeviceInfo) -> String {
    let mut parts = Vec::new();
    if device.kind == DeviceKind::Cluster {
        let most = format::things(device.slots.into(), "job", "jobs");
        return format!("{most} at a time, {} now", device.running);
    }
    if device.threads > 0 {
        parts.push(format::things(device.threads.into(), "thread", "threads"));
    }
    parts.push(format!("{} of memory", format::bytes(device.memory_bytes)));
    parts.extend(device.capability.iter().map(|it| format!("compute capability {it}")));
    let facts = parts.join(", ");
    match device.refusal {
        Some(_) => facts,
        None => format!(
            "{facts}; {} at a time, {} now",
            format::things(device.slots.into(), "run", "runs"),
            device.running
        ),
    }
}

/// `97 % busy, 7.5 GB of 80.0 GB used, 61 °C, 412 W`; empty if nothing is known.
fn load_text(load: &DeviceLoad, memory: u64) -> String {
    let mut parts = Vec::new();
    parts.extend(load.percent.map(|percent| format!("{percent} % busy")));
    let used = |used| format!("{} of {} used", format::bytes(used), format::bytes(memory));
    parts.extend(load.memory_used.map(used));
    parts.extend(load.celsius.map(|celsius| format!("{celsius} °C")));
    parts.extend(load.watts.map(|watts| format!("{watts:.0} W")));
    parts.join(", ")
}

/// Who is on a device: our runs by name, other processes by number.
fn who(device: &DeviceInfo, load: Option<&DeviceLoad>, jobs: &[RunRow]) -> Vec<String> {
    let here = |run: &&RunRow| {
        let devices = run.device.as_deref().unwrap_or_default();
        run.shown_state() == RunState::Running && devices.split(',').any(|name| name == device.name)
    };
    let runs = jobs.iter().filter(here);
    let runs = runs.map(|run| format!("{}, {}", run.study_name, run.point.label()));
    let processes = load.and_then(|load| load.processes.as_ref()).into_iter().flatten();
    let processes = processes.map(|process| {
        let program = process.program.as_deref().unwrap_or("a process");
        let memory = process.memory_bytes.map(|it| format!(", {}", format::bytes(it)));
        format!("{program}, process {}{}", process.pid, memory.unwrap_or_default())
    });
    runs.chain(processes).collect()
}

/// What is missing: libraries where a GPU is there, otherwise the reason why none is.
fn missing(list: &DeviceList) -> Vec<String> {
    if list.devices.iter().any(|status| status.device.kind == DeviceKind::Cuda) {
        let libraries = list.libraries.iter();
        return libraries.filter_map(|library| library.missing.clone()).collect();
    }
    // What this machine has matters where it trains.
    let in_cluster = list.devices.iter().any(|it| it.device.kind == DeviceKind::Cluster);
    list.no_gpu.iter().filter(|_| !in_cluster).map(|why| format!("No GPU: {why}.")).collect()
}

/// Reads the devices every few seconds. The readings begin and end with the page, and pause while it is hidden.
pub fn readings() -> Fetched<DeviceList> {
    fetched_every(|| Some("/devices".into()), PERIOD, |_| true)
}

/// The panel.
#[component]
pub fn Devices(
    /// The devices.
    list: Fetched<DeviceList>,
    /// Running and queued jobs.
    jobs: Signal<Vec<RunRow>>,
) -> impl IntoView {
    let body = move || match list.get() {
        None => view! { <p class="loading" role="status">"Loading the devices…"</p> }.into_any(),
        Some(Err(problem)) => view! { <ProblemBox problem/> }.into_any(),
        Some(Ok(list)) => {
            let rows = jobs
                .with(|jobs| list.devices.iter().map(|status| row(status, jobs)).collect_view());
            let notes = missing(&list)
                .into_iter()
                .map(|note| view! { <p class="muted small">{message(&note)}</p> })
                .collect_view();
            view! { {rows} {notes} }.into_any()
        }
    };
    view! {
        <section class="panel" aria-labelledby="devices-title">
            <header class="panel-head"><h2 id="devices-title">"Devices"</h2></header>
            <div class="panel-body stack">{body}</div>
        </section>
    }
}

fn row(status: &DeviceStatus, jobs: &[RunRow]) -> impl IntoView + use<> {
    let DeviceStatus { device, load } = status;
    let told = load.as_ref().map(|load| load_text(load, device.memory_bytes));
    let told = told.filter(|text| !text.is_empty());
    let who = who(device, load.as_ref(), jobs);
    let refusal = device.refusal.clone().map(|why| {
        view! {
            <p class="notice">
                <Icon glyph=Glyph::Info/>
                <span>{message(&format!("Gets no run: {why}."))}</span>
            </p>
        }
    });
    view! {
        <div class="device-row">
            <p><code>{device.name.clone()}</code>" "<strong>{device.description.clone()}</strong></p>
            <p class="muted small">{facts(device)}</p>
            {told.map(|text| view! { <p class="small">{text}</p> })}
            {(!who.is_empty())
                .then(|| {
                    let items = who.into_iter().map(|who| view! { <li>{who}</li> }).collect_view();
                    view! { <ul class="small" aria-label="Running here">{items}</ul> }
                })}
            {refusal}
        </div>
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        RunKind,
        api::{DeviceProcess, LibraryInfo},
        run::RunPoint,
    };

    use super::*;
    use crate::fixture::{device, row};

    #[test]
    fn a_device_is_told_in_words() {
        let cpu = device("cpu");
        assert_eq!(facts(&cpu), "2 threads, 80.0 GB of memory; 1 run at a time, 0 now");
        let mut gpu = device("cuda:0");
        (gpu.threads, gpu.refusal) = (0, Some("too old".into()));
        assert_eq!(facts(&gpu), "80.0 GB of memory, compute capability 9.0");
        let load = DeviceLoad {
            percent: Some(97),
            memory_used: Some(8_000_000_000),
            celsius: Some(61),
            watts: Some(412.4),
            processes: None,
        };
        assert_eq!(
            load_text(&load, gpu.memory_bytes),
            "97 % busy, 8.0 GB of 80.0 GB used, 61 °C, 412 W"
        );
        assert_eq!(load_text(&DeviceLoad::default(), 1), "");
    }

    #[test]
    fn what_is_missing_is_told_once() {
        let library = LibraryInfo {
            name: "NVRTC".into(),
            purpose: "compiles the kernels".into(),
            file: None,
            version: None,
            missing: Some("no NVRTC".into()),
        };
        let status = |name| DeviceStatus { device: device(name), load: None };
        let mut list = DeviceList {
            devices: vec![status("cpu")],
            libraries: vec![library],
            no_gpu: Some("no NVIDIA driver".into()),
        };
        assert_eq!(missing(&list), ["No GPU: no NVIDIA driver."]);
        list.devices.push(status("cuda:0"));
        assert_eq!(missing(&list), ["no NVRTC"]);
    }

    #[test]
    fn runs_and_processes_are_named_where_they_are() {
        let point = RunPoint {
            kind: RunKind::Pretrain,
            ppr: 0,
            lpr: 0,
            seed: 1,
            scratch: false,
            implanted: false,
            repairs: false,
        };
        let on = |state, device: &str| RunRow { state, device: Some(device.into()), ..row(point) };
        let jobs = [
            on(RunState::Running, "cuda:0,cuda:1"),
            on(RunState::Running, "cuda:10"),
            on(RunState::Queued, "cuda:1"),
        ];
        let process = DeviceProcess { pid: 7, program: None, memory_bytes: Some(1_000_000_000) };
        let load = DeviceLoad { processes: Some(vec![process]), ..DeviceLoad::default() };
        let told = who(&device("cuda:1"), Some(&load), &jobs);
        assert_eq!(told, [format!("s, {}", point.label()), "a process, process 7, 1.0 GB".into()]);
    }
}
