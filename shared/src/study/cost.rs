//! What a study costs: floating-point operations, and from a machine's rate the time.

use super::{ModelSpec, ProbeFeatures, StudySpec, TransformerSpec};
use crate::{api::DatasetInfo, patches::visible_count};

/// Operations per second of matrix products on a thread of an ordinary server core, for an estimate before any run was
/// measured.
const OPERATIONS_PER_SECOND: f64 = 6.5e10;

/// Seconds on a thread that an image takes beside its matrix products: crop, patches, activations, the optimiser's share.
const IMAGE_SECONDS: f64 = 0.0005;

/// Backward costs about twice as much as forward.
const TRAINING_FACTOR: f64 = 3.0;

/// Seconds that a small head takes for one step beside its matrix products, mostly per-step overhead.
const HEAD_STEP_SECONDS: f64 = 0.002;

/// Operations of a forward pass of `tokens` tokens through a transformer: 24 T D^2 + 4 T^2 D a block.
fn forward(part: &TransformerSpec, tokens: f64) -> f64 {
    let dim = f64::from(part.dim);
    f64::from(part.depth) * (24.0 * tokens * dim * dim + 4.0 * tokens * tokens * dim)
}

impl ModelSpec {
    /// Operations of one pre-training step on one image: encoder on the visible patches and CLS, decoder on all.
    pub fn pretrain_operations(&self, mask_ratio: f64) -> f64 {
        let patches = self.patches() as usize;
        let visible = visible_count(patches, mask_ratio) as f64 + 1.0;
        TRAINING_FACTOR
            * (forward(&self.encoder, visible) + forward(&self.decoder, patches as f64 + 1.0))
    }

    /// Operations of one encoder pass over one whole image.
    pub fn encode_operations(&self) -> f64 {
        forward(&self.encoder, f64::from(self.patches()) + 1.0)
    }
}

/// Seconds that all runs of the study take one after the other on `threads` threads of a CPU.
pub fn estimate_seconds(spec: &StudySpec, dataset: &DatasetInfo, threads: u32) -> f64 {
    let threads = f64::from(threads.max(1));
    let image = |operations: f64| (operations / OPERATIONS_PER_SECOND + IMAGE_SECONDS) / threads;
    let limited = |counts: &[u32], limit: Option<u32>| -> f64 {
        counts.iter().map(|&count| f64::from(count.min(limit.unwrap_or(u32::MAX)))).sum()
    };
    let train = limited(&dataset.train_counts, spec.dataset.train_per_class);
    let test = limited(&dataset.test_counts, spec.dataset.test_per_class);
    let counts = spec.counts();
    let encoders = if spec.encoder.is_some() { 1 } else { counts.pretrainings };
    let pretrain_one = f64::from(spec.pretrain.epochs)
        * train
        * image(spec.model.pretrain_operations(spec.pretrain.mask_ratio));
    let encode = image(spec.model.encode_operations());
    let steps =
        f64::from(spec.probe.epochs) * (train / f64::from(spec.probe.batch_size.max(1))).ceil();
    let (once, each) = match spec.probe.features {
        ProbeFeatures::Cached => ((2.0 * train + 2.0 * test) * encode, 0.0),
        ProbeFeatures::Augmented => {
            let evaluations = f64::from(spec.probe.epochs / spec.probe.evaluate_every.max(1)) + 1.0;
            (0.0, (f64::from(spec.probe.epochs) * train + evaluations * 2.0 * test) * encode)
        }
    };
    // An encoder without probes computes no features.
    let once = if counts.probes > 0 { once } else { 0.0 };
    let finetune = &spec.finetune;
    let evaluations = f64::from(finetune.epochs / finetune.evaluate_every.max(1)) + 1.0;
    let finetune_one = f64::from(finetune.epochs)
        * train
        * image(TRAINING_FACTOR * spec.model.encode_operations())
        + evaluations * 2.0 * test * encode;
    counts.pretrainings as f64 * pretrain_one
        + encoders as f64 * once
        + counts.probes as f64 * (each + steps * HEAD_STEP_SECONDS)
        + (counts.finetunings + counts.scratch) as f64 * finetune_one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::presets;

    #[test]
    fn operations_by_hand() {
        let model = ModelSpec::default();
        // Encoder: 17 tokens, width 192, 4 blocks; decoder: 65 tokens, width 128, 2 blocks.
        let encoder = 4.0 * (24.0 * 17.0 * 36_864.0 + 4.0 * 289.0 * 192.0);
        let decoder = 2.0 * (24.0 * 65.0 * 16_384.0 + 4.0 * 4_225.0 * 128.0);
        assert!((model.pretrain_operations(0.75) - 3.0 * (encoder + decoder)).abs() < 1.0);
    }

    #[test]
    fn twice_the_epochs_take_about_twice_the_time() {
        let mut spec = presets()[0].spec.clone();
        spec.grid.fpr = vec![0, 10];
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let once = estimate_seconds(&spec, &dataset, 2);
        spec.pretrain.epochs *= 2;
        spec.probe.epochs *= 2;
        spec.finetune.epochs *= 2;
        let twice = estimate_seconds(&spec, &dataset, 2);
        assert!(twice > 1.8 * once && twice < 2.0 * once, "{once} s, {twice} s");
        spec.grid.fpr.clear();
        let probed = estimate_seconds(&spec, &dataset, 2);
        spec.encoder = Some("mae".into());
        assert!(estimate_seconds(&spec, &dataset, 2) < probed / 4.0, "nothing is pre-trained");
    }
}
