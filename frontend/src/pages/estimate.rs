//! What a study will run, and about how long that takes on this machine.

use std::collections::HashSet;

use shared::{
    RunKind, StudySpec,
    api::{DatasetInfo, DeviceInfo},
    run::RunPoint,
    study::{Content, Graph, run_cost},
};

use crate::components::format;

/// `2 pre-trainings, 10 linear probes`; empty for a specification that cannot run.
pub fn runs_text(spec: &StudySpec) -> String {
    let graph = Graph::of(spec, &Content::default()).unwrap_or_default();
    let points: Vec<_> =
        graph.nodes.iter().map(|node| RunPoint::of(node.kind, &node.settings)).collect();
    let count = |kind, scratch| {
        points.iter().filter(|point| point.kind == kind && point.scratch == scratch).count() as u64
    };
    let parts = [
        (count(RunKind::Pretrain, false), "pre-training", "pre-trainings"),
        (count(RunKind::Implant, false), "implanted backdoor", "implanted backdoors"),
        (count(RunKind::Knn, false), "nearest-neighbour run", "nearest-neighbour runs"),
        (count(RunKind::Probe, false), "linear probe", "linear probes"),
        (count(RunKind::Finetune, false), "fine-tuning", "fine-tunings"),
        (count(RunKind::Defence, false), "defence", "defences"),
        (count(RunKind::Finetune, true), "training from scratch", "trainings from scratch"),
    ];
    let there = parts.into_iter().filter(|(count, ..)| *count > 0);
    there.map(|(count, one, many)| format::things(count, one, many)).collect::<Vec<_>>().join(", ")
}

/// Images that each kind of run poisons: `PPR 0`, `none`; `LPR 10`, `90 images`.
pub fn poison_lines(spec: &StudySpec, dataset: &DatasetInfo) -> Vec<(String, String)> {
    let rates = [
        (RunKind::Pretrain, "PPR", "pretrain.poisons"),
        (RunKind::Probe, "LPR", "probe.poisons"),
        (RunKind::Finetune, "FPR", "finetune.poisons"),
    ];
    let line = |name: &str, count: u32| {
        let images = spec.settings.dataset.train_images(&dataset.train_counts);
        let images = spec.settings.attack.poisoned_images(&images, count);
        let text = match images {
            0 => "none".into(),
            many => format::things(many.into(), "image", "images"),
        };
        let unit = if spec.settings.attack.poison_unit.is_default() { "" } else { " ‰" };
        (format!("{name} {count}{unit}"), text)
    };
    let rates = rates.into_iter().filter(|(kind, ..)| kind.is_made(&spec.runs, &spec.settings));
    rates
        .flat_map(|(_, name, path)| {
            let counts = spec.values_of(path).into_iter().filter_map(|count| count.number());
            counts.map(|count| line(name, count as u32)).collect::<Vec<_>>()
        })
        .collect()
}

/// `about 8 min on the CPU, 2 threads`.
fn on_device(seconds: f64, device: &DeviceInfo) -> String {
    format!(
        "about {} on {}, {}",
        format::duration(seconds),
        if device.name == "cpu" { "the CPU" } else { &device.name },
        format::things(device.threads.into(), "thread", "threads"),
    )
}

/// How long all runs of a study take; `None` before a device is known or for a specification that cannot run.
pub fn time_text(
    spec: &StudySpec,
    dataset: &DatasetInfo,
    devices: &[DeviceInfo],
) -> Option<String> {
    let device = devices.first()?;
    let graph = Graph::of(spec, &Content::default()).ok().filter(|_| spec.validate().is_empty())?;
    let speed = device.speed();
    let mut encoders = HashSet::new();
    let seconds = graph.nodes.iter().map(|node| {
        let first = !node.settings.trains_probe(node.kind) || encoders.insert(node.encoder());
        run_cost(node.kind, &node.settings, dataset, &speed, first).seconds
    });
    Some(on_device(seconds.sum(), device))
}

#[cfg(test)]
mod tests {
    use shared::{
        settings::PoisonUnit,
        study::{Axis, presets},
    };

    use super::*;
    use crate::fixture::device;

    #[test]
    fn runs_and_poisons_by_hand() {
        let mut spec = presets()[1].spec.clone();
        spec.runs = vec![RunKind::Probe];
        assert_eq!(runs_text(&spec), "2 pre-trainings, 10 linear probes");
        let mut dataset = DatasetInfo { train_counts: vec![5000; 10], ..DatasetInfo::default() };
        let lines = poison_lines(&spec, &dataset);
        assert_eq!(lines[0], ("PPR 0".into(), "none".into()));
        assert_eq!(lines[1], ("PPR 10".into(), "90 images".into()));
        assert_eq!(lines.last(), Some(&("LPR 50".into(), "450 images".into())));
        // 50 thousandths of the first 500 images of each class besides the target.
        spec.settings.attack.poison_unit = PoisonUnit::ClassPermille;
        dataset.train_counts[1] = 100;
        let lines = poison_lines(&spec, &dataset);
        assert_eq!(lines.last(), Some(&("LPR 50 ‰".into(), "205 images".into())));
        spec.runs.push(RunKind::Finetune);
        spec.axes.push(Axis::of("finetune.start", ["encoder", "scratch"]));
        assert!(runs_text(&spec).ends_with("2 fine-tunings, 1 training from scratch"));
    }

    #[test]
    fn time_is_told_for_what_can_run() {
        let mut spec = presets()[0].spec.clone();
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let text = time_text(&spec, &dataset, &[device("cpu")]).expect("a time");
        assert!(text.starts_with("about ") && text.ends_with(" on the CPU, 2 threads"), "{text}");
        assert_eq!(time_text(&spec, &dataset, &[]), None);
        spec.settings.model.patch_size = 0;
        assert_eq!(time_text(&spec, &dataset, &[device("cpu")]), None);
    }
}
