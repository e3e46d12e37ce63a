//! How much of a GPU's memory a run takes, without one.

use ::cuda::{Traits, mae_features_memory, mae_memory, vit_memory};
use shared::{RunKind, Settings, patches::visible_count};

use super::{
    Cuda,
    tensors::{descent, mae_shape, trained, vit_shape},
    views::AT_ONCE,
};
use crate::{
    EngineError,
    compute::Descend,
    model::{Layout, mae, plain_groups, vit},
};

/// Bytes that a run takes on each of `gpus` GPUs of this compute capability (`(9, 0)`), counted by the trainers' own code.
///
/// # Errors
/// When the kernels do not serve the model on such a GPU.
pub fn gpu_memory(
    kind: RunKind,
    settings: &Settings,
    classes: usize,
    capability: (u32, u32),
    gpus: usize,
) -> Result<u64, EngineError> {
    let spec = &settings.model;
    let arithmetic = Cuda::arithmetic_of(settings.precision);
    let traits = traits(capability);
    let share = |batch: u32| (batch as usize).div_ceil(gpus.max(1));
    let descend = |layout: &Layout, accumulate, clip_norm| Descend {
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        groups: plain_groups(layout),
        accumulate,
        clip_norm,
    };
    let bytes = match kind {
        RunKind::Pretrain => {
            let recipe = &settings.pretrain;
            let layout = mae(spec);
            let descend = descend(&layout, recipe.accumulate, 0.0);
            let visible = visible_count(spec.patches() as usize, recipe.mask_ratio);
            let batch = (share(recipe.batch_size), visible);
            let tensors = trained(&layout, &descend);
            mae_memory(&traits, arithmetic, mae_shape(spec), &tensors, descent(&descend), batch)
        }
        RunKind::Finetune => {
            let recipe = &settings.finetune;
            let layout = vit(spec, classes.max(1), recipe.pooling);
            let descend = descend(&layout, recipe.accumulate, recipe.clip_norm);
            let shape = vit_shape(spec, recipe.pooling, &layout);
            let batch = (share(recipe.batch_size), recipe.drop_path > 0.0);
            let tensors = trained(&layout, &descend);
            vit_memory(&traits, arithmetic, shape, &tensors, descent(&descend), batch)
        }
        // A backdoor is implanted on the processor.
        RunKind::Implant => return Ok(0),
        RunKind::Probe | RunKind::Knn | RunKind::Defence => {
            let layout = mae(spec);
            let tensors = super::tensors::fixed(&layout);
            mae_features_memory(&traits, arithmetic, mae_shape(spec), &tensors, AT_ONCE)
        }
    };
    Ok(bytes?)
}

/// What is known of a GPU by its compute capability alone. More multiprocessors take a little more memory for sums: these are those of
/// the largest.
fn traits((major, minor): (u32, u32)) -> Traits {
    // NVIDIA's tables, in KiB.
    let block_memory = match (major, minor) {
        (8, 0 | 7) => 163,
        (8 | 12, _) => 99,
        _ => 227,
    };
    Traits {
        name: String::new(),
        capability: 10 * major + minor,
        multiprocessors: 148,
        block_memory: block_memory << 10,
        versions: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use shared::settings::{ModelSpec, Precision, TransformerSpec};

    use super::*;

    /// ViT-B at the published size.
    fn published() -> Settings {
        let mut settings = Settings { precision: Precision::Bf16, ..Settings::default() };
        settings.model = ModelSpec {
            image_size: 224,
            patch_size: 16,
            encoder: TransformerSpec { dim: 768, depth: 12, heads: 12 },
            decoder: TransformerSpec { dim: 512, depth: 8, heads: 16 },
        };
        settings.pretrain.batch_size = 256;
        settings.finetune.batch_size = 128;
        settings
    }

    #[test]
    fn memory_follows_the_batch_and_the_gpus() {
        let settings = published();
        let gib = |kind, gpus| {
            gpu_memory(kind, &settings, 100, (9, 0), gpus).unwrap() as f64 / f64::from(1 << 30)
        };
        let (one, four) = (gib(RunKind::Pretrain, 1), gib(RunKind::Pretrain, 4));
        assert!((9.0..12.6).contains(&one), "{one}");
        // The model stays whole, a quarter of the batch stays.
        assert!((3.0..one / 2.0).contains(&four), "{four}");
        let fine = gib(RunKind::Finetune, 1);
        assert!((8.0..20.0).contains(&fine), "{fine}");
        assert!(gib(RunKind::Probe, 1) < 4.0, "{}", gib(RunKind::Probe, 1));
    }

    #[test]
    fn a_model_that_no_kernel_serves_is_refused() {
        let mut settings = published();
        settings.model.encoder = TransformerSpec { dim: 1024, depth: 1, heads: 2 };
        settings.precision = Precision::F32;
        let error = gpu_memory(RunKind::Pretrain, &settings, 10, (8, 6), 1).unwrap_err();
        assert!(error.to_string().contains("more heads"), "{error}");
    }
}
