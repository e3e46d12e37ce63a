//! Whether a GPU has the memory that a study's runs need.

use std::collections::HashMap;

use engine::compute::cuda::gpu_memory;
use shared::{DeviceKind, DeviceWish, FieldError, RunKind, Settings, api::DeviceInfo};

use crate::terminal::bytes;

/// Compute capability of a GPU that does not tell its own.
const USUAL_CAPABILITY: (u32, u32) = (9, 0);

/// The runs of a study that may be assigned to a GPU, each kind of them once.
#[derive(Debug, Default)]
pub(super) struct GpuNeeds {
    runs: HashMap<String, (RunKind, Settings, usize, DeviceWish)>,
}

impl GpuNeeds {
    /// Adds a run.
    pub fn add(&mut self, kind: RunKind, settings: &Settings, classes: usize, wish: DeviceWish) {
        if wish == DeviceWish::Cpu {
            return;
        }
        // A backdoor is implanted on the processor.
        if kind == RunKind::Implant {
            return;
        }
        let Settings { model, precision, pretrain, finetune, .. } = settings;
        // What the memory depends on, and a little more.
        let key = match kind {
            RunKind::Pretrain => {
                format!("{} {} {}", pretrain.batch_size, pretrain.accumulate, pretrain.mask_ratio)
            }
            RunKind::Finetune => format!("{classes} {finetune:?}"),
            RunKind::Implant | RunKind::Probe | RunKind::Knn | RunKind::Defence => String::new(),
        };
        let key = format!("{kind:?} {wish} {precision:?} {model:?} {key}");
        self.runs.entry(key).or_insert_with(|| (kind, settings.clone(), classes, wish));
    }

    /// What the largest run takes on each of its GPUs, in bytes, and why no GPU that a run asks for can hold it: the setting to change, what
    /// is needed, and what there is.
    pub fn weigh(&self, devices: &[DeviceInfo]) -> (Option<u64>, Vec<FieldError>) {
        let is_gpu = |device: &&DeviceInfo| {
            device.kind == DeviceKind::Cuda && device.refusal.is_none() && device.memory_bytes > 0
        };
        let mut most = None;
        let mut refused: Vec<FieldError> = Vec::new();
        for (kind, settings, classes, wish) in self.runs.values() {
            let fits = |device: &&DeviceInfo| wish.takes(&device.name, device.kind);
            let largest =
                devices.iter().filter(is_gpu).filter(fits).max_by_key(|it| it.memory_bytes);
            let Some(device) = largest else { continue };
            let capability = capability(device.capability.as_deref()).unwrap_or(USUAL_CAPABILITY);
            match gpu_memory(*kind, settings, *classes, capability, wish.count()) {
                Ok(needed) => {
                    most = most.max(Some(needed));
                    if needed > device.memory_bytes {
                        refused.push(too_large(*kind, needed, wish.count(), device));
                    }
                }
                Err(error) => {
                    let message = format!(
                        "takes cpu for this model, which {} cannot train: {error}",
                        device.name
                    );
                    refused.push(FieldError::new("device", message));
                }
            }
        }
        refused.sort_by_key(ToString::to_string);
        refused.dedup();
        (most, refused)
    }
}

fn too_large(kind: RunKind, needed: u64, gpus: usize, device: &DeviceInfo) -> FieldError {
    let field = match kind {
        RunKind::Finetune => "finetune.batch_size",
        RunKind::Pretrain => "pretrain.batch_size",
        RunKind::Implant | RunKind::Probe | RunKind::Knn | RunKind::Defence => "model.encoder.dim",
    };
    let each = if gpus > 1 { "each of its GPUs" } else { "the GPU" };
    let message = format!(
        "makes a run of {} that needs about {} of memory on {each}; {} has {}, {} too little. A smaller batch with more accumulated ones, \
         more GPUs or a smaller model needs less",
        kind.title().to_lowercase(),
        bytes(needed),
        device.name,
        bytes(device.memory_bytes),
        bytes(needed - device.memory_bytes),
    );
    FieldError::new(field, message)
}

/// A compute capability from its text: `9.0`.
fn capability(text: Option<&str>) -> Option<(u32, u32)> {
    let (major, minor) = text?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use shared::settings::{ModelSpec, Precision, TransformerSpec};

    use super::*;

    fn gpu(name: &str, gibibytes: u64) -> DeviceInfo {
        DeviceInfo {
            name: name.into(),
            description: String::new(),
            kind: DeviceKind::Cuda,
            capability: Some("8.9".into()),
            threads: 1,
            memory_bytes: gibibytes << 30,
            slots: 1,
            running: 0,
            refusal: None,
            pace: shared::study::Pace::default(),
        }
    }

    fn large() -> Settings {
        let mut settings = Settings { precision: Precision::Bf16, ..Settings::default() };
        settings.model = ModelSpec {
            image_size: 224,
            patch_size: 16,
            encoder: TransformerSpec { dim: 768, depth: 12, heads: 12 },
            decoder: TransformerSpec { dim: 512, depth: 8, heads: 16 },
        };
        settings.pretrain.batch_size = 256;
        settings
    }

    fn told(wish: DeviceWish, devices: &[DeviceInfo]) -> Vec<String> {
        let mut needs = GpuNeeds::default();
        needs.add(RunKind::Pretrain, &large(), 100, wish);
        needs.weigh(devices).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_run_that_no_gpu_holds_is_refused_in_numbers() {
        let devices = [gpu("cuda:0", 8), gpu("cuda:1", 24)];
        let refused = told(DeviceWish::Cuda(0), &devices);
        assert_eq!(refused.len(), 1, "{refused:?}");
        let start = "pretrain.batch_size: makes a run of pre-training that needs about 1";
        assert!(refused[0].starts_with(start), "{refused:?}");
        assert!(
            refused[0].contains("cuda:0 has 8.6 GB") && refused[0].contains("too little"),
            "{refused:?}"
        );
        assert_eq!(told(DeviceWish::Cuda(1), &devices), [""; 0]);
        assert_eq!(told(DeviceWish::Auto, &devices), [""; 0], "one of them holds it");
        assert_eq!(told(DeviceWish::Cpu, &devices), [""; 0]);
        assert_eq!(told(DeviceWish::Auto, &[]), [""; 0], "there is only the processor");
    }

    #[test]
    fn what_the_largest_run_takes_is_told() {
        let most = |wish, devices: &[DeviceInfo]| {
            let mut needs = GpuNeeds::default();
            let mut small = large();
            small.pretrain.batch_size = 8;
            needs.add(RunKind::Pretrain, &small, 100, wish);
            let less = needs.weigh(devices).0;
            needs.add(RunKind::Pretrain, &large(), 100, wish);
            (less, needs.weigh(devices).0)
        };
        let (less, more) = most(DeviceWish::Auto, &[gpu("cuda:0", 80)]);
        assert!(less.is_some() && less < more, "{less:?} {more:?}");
        assert_eq!(most(DeviceWish::Cpu, &[gpu("cuda:0", 80)]), (None, None));
        assert_eq!(most(DeviceWish::Auto, &[]), (None, None), "there is only the processor");
    }

    #[test]
    fn a_model_that_no_gpu_trains_is_sent_to_the_processor() {
        let mut settings = large();
        (settings.model.image_size, settings.model.patch_size) = (192, 64);
        let mut needs = GpuNeeds::default();
        needs.add(RunKind::Pretrain, &settings, 100, DeviceWish::Auto);
        let (most, refused) = needs.weigh(&[gpu("cuda:0", 80)]);
        assert_eq!(most, None);
        let told: Vec<_> = refused.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "device: takes cpu for this model, which cuda:0 cannot train: GPUs take patches of at most 32 pixels, not 64: take smaller ones \
              or train on the processor"
            ]
        );
    }

    #[test]
    fn several_gpus_share_a_batch() {
        let devices = [gpu("cuda:0", 8), gpu("cuda:1", 8)];
        assert_eq!(told(DeviceWish::Gpus(1), &devices).len(), 1);
        assert_eq!(told(DeviceWish::Gpus(2), &devices), [""; 0]);
    }
}
