//! What a study will run, and about how long that takes on this machine.

use shared::{
    StudySpec,
    api::{DatasetInfo, DeviceInfo},
    study::estimate_seconds,
};

use crate::components::format;

/// `2 pre-trainings, 10 linear probes`.
pub fn runs_text(spec: &StudySpec) -> String {
    let counts = spec.counts();
    let parts = [
        (counts.pretrainings, "pre-training", "pre-trainings"),
        (counts.probes, "linear probe", "linear probes"),
        (counts.finetunings, "fine-tuning", "fine-tunings"),
        (counts.scratch, "training from scratch", "trainings from scratch"),
    ];
    let there = parts.into_iter().filter(|(count, ..)| *count > 0);
    there
        .map(|(count, one, many)| format::things(count as u64, one, many))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Images that each phase poisons: `PPR 0: none`, `LPR 10: 90 images`.
pub fn poison_lines(spec: &StudySpec, classes: u32) -> Vec<(String, String)> {
    let line = |name: &str, count: u32| {
        let images = spec.attack.poisoned_images(classes, count);
        let text = if images == 0 {
            "none".into()
        } else {
            format::things(images.into(), "image", "images")
        };
        (format!("{name} {count}"), text)
    };
    let pretrain = spec.grid.ppr.iter().map(|&count| line("PPR", count));
    let probe = spec.grid.lpr.iter().map(|&count| line("LPR", count));
    let finetune = spec.grid.fpr.iter().map(|&count| line("FPR", count));
    pretrain.chain(probe).chain(finetune).collect()
}

/// `about 8 min on the CPU, 2 threads`; `None` before a device is known or for a specification that cannot run.
pub fn time_text(
    spec: &StudySpec,
    dataset: &DatasetInfo,
    devices: &[DeviceInfo],
) -> Option<String> {
    let device = devices.first()?;
    if !spec.validate().is_empty() {
        return None;
    }
    let seconds = estimate_seconds(spec, dataset, device.threads);
    seconds.is_finite().then(|| {
        format!(
            "about {} on {}, {}",
            format::duration(seconds),
            if device.name == "cpu" { "the CPU" } else { &device.name },
            format::things(device.threads.into(), "thread", "threads"),
        )
    })
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    fn device() -> DeviceInfo {
        DeviceInfo {
            name: "cpu".into(),
            description: "a CPU".into(),
            threads: 2,
            memory_bytes: 0,
            slots: 1,
        }
    }

    #[test]
    fn runs_and_poisons_by_hand() {
        let mut with_more = presets()[1].spec.clone();
        with_more.grid.fpr = vec![0];
        with_more.grid.scratch = true;
        assert_eq!(
            runs_text(&with_more),
            "2 pre-trainings, 10 linear probes, 2 fine-tunings, 1 training from scratch"
        );
        let spec = &presets()[1].spec;
        assert_eq!(runs_text(spec), "2 pre-trainings, 10 linear probes");
        let lines = poison_lines(spec, 10);
        assert_eq!(lines[0], ("PPR 0".into(), "none".into()));
        assert_eq!(lines[1], ("PPR 10".into(), "90 images".into()));
        assert_eq!(lines.last(), Some(&("LPR 50".into(), "450 images".into())));
    }

    #[test]
    fn time_is_told_for_what_can_run() {
        let mut spec = presets()[0].spec.clone();
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let text = time_text(&spec, &dataset, &[device()]).expect("a time");
        assert!(text.starts_with("about ") && text.ends_with(" on the CPU, 2 threads"), "{text}");
        assert_eq!(time_text(&spec, &dataset, &[]), None);
        spec.model.patch_size = 0;
        assert_eq!(time_text(&spec, &dataset, &[device()]), None);
    }
}
