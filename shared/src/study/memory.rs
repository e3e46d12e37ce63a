//! The memory that a run takes at most, counted from what the engine holds at the same time.

use serde::{Deserialize, Serialize};

use super::{FinetuneSpec, ModelSpec, ProbeFeatures, Settings, TransformerSpec, cost::test_sets};
use crate::{
    dataset::DatasetInfo,
    patches::visible_count,
    run_kind::RunKind,
    settings::{DECODER_BATCH, DefenceMethod},
};

/// The program itself, its threads, and what the allocator keeps.
const PROGRAM_BYTES: f64 = 48e6;
/// Numbers of a token and a width that a block stores for the backward pass: its input, q, k and v, the heads' outputs, the input of the
/// MLP and that of GELU.
const STORED: f64 = 10.0;
/// The same of all blocks together: output, gradients of q, k and v and of an intermediate, and the factors of the weights' gradients.
const PASSING: f64 = 21.0;
/// Parts into which the engine divides a batch, and the rows that pass through a layer of one at once.
const SHARDS: f64 = 8.0;
const ROWS: f64 = 64.0;
/// Images that pass through an encoder at once on each thread of an evaluation.
const EVALUATED: f64 = 32.0;
/// Images of a step of a search for a trigger.
const SEARCHED: f64 = 128.0;
/// Images of a step of a repair.
const REPAIRED: f64 = 32.0;
/// Approximate number of images that nearest neighbours use per checkpoint.
const NEIGHBOURS: f64 = 1_600.0;

/// The memory that a run takes at most, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunMemory {
    /// Parameters, their gradients and moments, and the copies that a checkpoint is written from.
    pub model: f64,
    /// Activations of a batch, and their gradients.
    pub batch: f64,
    /// Images and features.
    pub data: f64,
}

impl RunMemory {
    /// All of it, with the program itself.
    pub fn total(&self) -> f64 {
        PROGRAM_BYTES + self.model + self.batch + self.data
    }
}

/// Numbers of a training step in the blocks of a transformer: `images` of `tokens` each.
fn blocks(part: &TransformerSpec, images: f64, tokens: f64) -> f64 {
    let (width, depth) = (f64::from(part.dim), f64::from(part.depth));
    let shards = SHARDS.min(images);
    (STORED * depth + PASSING) * images * tokens * width
        // A chunk of rows in every shard, and its attention weights with their gradient.
        + shards * (STORED * ROWS * width + 2.0 * tokens * tokens)
        // The packed weights of a block, and the gradient of its largest layer.
        + (12.0 + 4.0) * width * width
}

/// Numbers of a training step of a masked autoencoder on `batch` images, besides its parameters.
fn masked_step(model: &ModelSpec, batch: f64, mask_ratio: f64) -> f64 {
    let patches = f64::from(model.patches());
    let (width, narrow) = (f64::from(model.encoder.dim), f64::from(model.decoder.dim));
    let pixels = 3.0 * f64::from(model.patch_size).powi(2);
    let image = 3.0 * f64::from(model.image_size).powi(2);
    let visible = visible_count(patches as usize, mask_ratio) as f64;
    let (seen, hidden) = (batch * (1.0 + visible), batch * (patches - visible));
    let between = seen * (4.0 * width + 2.0 * narrow)
        + batch * visible * (pixels + width)
        + hidden * (5.0 * narrow + 2.0 * pixels);
    blocks(&model.encoder, batch, 1.0 + visible)
        + blocks(&model.decoder, batch, patches + 1.0)
        + between
        + (2.0 * batch + SHARDS) * image
}

/// The memory that a run takes at most on `threads` threads, if a split's images are held in at most `image_memory` bytes.
pub fn run_memory(
    kind: RunKind,
    settings: &Settings,
    dataset: &DatasetInfo,
    threads: u32,
    image_memory: u64,
) -> RunMemory {
    let Settings { model, pretrain, probe, finetune, .. } = settings;
    let limited = |counts: &[u32], limit: Option<u32>| -> f64 {
        counts.iter().map(|&count| f64::from(count.min(limit.unwrap_or(u32::MAX)))).sum()
    };
    let train = limited(&dataset.train_counts, settings.dataset.train_per_class);
    let test = limited(&dataset.test_counts, settings.dataset.test_per_class);
    let image = 3.0 * f64::from(model.image_size).powi(2);
    let split =
        |images: f64| if images * image <= image_memory as f64 { images * image } else { 0.0 };
    let images = split(train) + split(test);

    let patches = f64::from(model.patches());
    let tokens = patches + 1.0;
    let pixels = 3.0 * f64::from(model.patch_size).powi(2);
    let (width, narrow) = (f64::from(model.encoder.dim), f64::from(model.decoder.dim));
    let (encoder, decoder) = model.parameters();
    let classes = dataset.classes.len() as f64;
    // Parameters and packed weights, and the images that pass through.
    let evaluation = f64::from(threads.max(1)) * EVALUATED * (2.0 * image + 3.0 * tokens * width);

    // A probe's step, and its rows of features: of each image and its mirror image; one part is written from copies.
    let head_step = f64::from(probe.batch_size).min(train.max(1.0)) * (3.0 * width + 3.0 * classes);
    let sets = test_sets(kind, settings);
    let probed = match probe.features {
        ProbeFeatures::Cached => 4.0 * train + sets * test,
        ProbeFeatures::Augmented => sets * test,
    };

    let (model, batch, features) = match kind {
        RunKind::Pretrain => {
            let batch = f64::from(pretrain.batch_size).min(train.max(1.0));
            let numbers = masked_step(model, batch, pretrain.mask_ratio);
            let kept = trained(encoder + decoder, pretrain.epochs, pretrain.accumulate, 0.0);
            (kept, numbers, 0.0)
        }
        RunKind::Implant => {
            let shadow = f64::from(settings.implant.batch_size).min(train.max(1.0));
            let batch = 2.0 * (shadow + f64::from(settings.implant.references));
            let numbers = blocks(&model.encoder, batch, tokens)
                + batch * (patches * (pixels + width) + 8.0 * width)
                + 4.0 * batch * image;
            // The clean encoder stays beside the one in training; an evaluation packs its weights.
            let kept = trained(encoder + width * width, settings.implant.epochs, 1, 0.0);
            (kept + 3.0 * (encoder + decoder), numbers + evaluation, 0.0)
        }
        RunKind::Finetune => {
            let batch = f64::from(finetune.batch_size).min(train.max(1.0));
            let numbers = blocks(&model.encoder, batch, tokens)
                + batch * (patches * (pixels + width) + 4.0 * width + 4.0 * classes)
                + 4.0 * batch * image;
            let parameters = encoder + width * classes;
            let FinetuneSpec { epochs, accumulate, clip_norm, .. } = *finetune;
            // An evaluation packs the weights.
            let kept = trained(parameters, epochs, accumulate, clip_norm) + parameters;
            (kept, numbers + evaluation, 0.0)
        }
        RunKind::Probe => (3.0 * (encoder + decoder), evaluation + head_step, probed * width),
        // Features in single and, of one set in two forms, in double precision.
        // The images of a step and of the search, in single and in double precision.
        RunKind::Defence if settings.defence.method == DefenceMethod::Decree => {
            let shadow = f64::from(settings.defence.shadow_images).min(test);
            let step = blocks(&model.encoder, SEARCHED.min(shadow), tokens)
                + SEARCHED * (6.0 * image + 4.0 * width);
            (3.0 * (encoder + decoder), evaluation + step, shadow * (image + width))
        }
        RunKind::Defence if settings.defence.trains_decoder() => {
            let small = model.embedding_decoder();
            let batch = f64::from(DECODER_BATCH).min(train.max(1.0));
            // A batch's embeddings, twice, and the rows that they become.
            let step = masked_step(&small, batch, settings.defence.decoder_mask_ratio)
                + batch * (3.0 * width + 2.0 * narrow);
            let (own, other) = small.parameters();
            // Parameters, two moments, and the packed weights that redraw.
            let decodes = 4.0 * (own + other + width * narrow);
            let rows = (train + 2.0 * NEIGHBOURS) * width;
            // A probe that it protects is trained before the decoder.
            let (step, rows) = if settings.trains_probe(kind) {
                (step.max(head_step), rows.max(probed * width))
            } else {
                (step, rows)
            };
            (3.0 * (encoder + decoder) + decodes, evaluation + step, rows)
        }
        RunKind::Defence if settings.defence.method.repairs() => {
            let batch = REPAIRED.min(test);
            let step = blocks(&model.encoder, batch, tokens)
                + batch * (patches * (pixels + width) + 4.0 * width + 4.0 * classes + 4.0 * image);
            // Parameters, moments, and the classifier that is evaluated; a teacher beside them.
            let taught = settings.defence.method == DefenceMethod::Nad;
            let (copies, steps) = if taught { (7.0, 2.0) } else { (6.0, 1.0) };
            let held = copies * (encoder + width * classes);
            (held, evaluation + steps * step, test * (image + width))
        }
        RunKind::Defence => {
            let rows = 5.0 * train * width + of_clean_images(settings, test, classes);
            if settings.trains_probe(kind) {
                // Before an input filter, or after a sample filter: the other's features are not there.
                let (step, rows) = (evaluation + head_step, rows.max(probed * width));
                (3.0 * (encoder + decoder), step, rows)
            } else {
                (3.0 * (encoder + decoder), evaluation, rows)
            }
        }
        RunKind::Knn => (3.0 * (encoder + decoder), evaluation, 2.0 * NEIGHBOURS * width),
    };
    RunMemory { model: 4.0 * model, batch: 4.0 * batch, data: images + 4.0 * features }
}

/// Numbers that a defence keeps of the defender's clean images: spectra of them and of changed copies, or their tokens and channels in double
/// precision and the products of a class at eight powers.
fn of_clean_images(settings: &Settings, test: f64, classes: f64) -> f64 {
    let (defence, model) = (&settings.defence, &settings.model);
    let per_class = f64::from(defence.clean_per_class);
    let clean = (per_class * classes).min(test);
    match defence.method {
        DefenceMethod::Frequency => {
            (clean + clean.max(2_000.0)) * 3.0 * f64::from(model.image_size.min(32)).powi(2)
        }
        DefenceMethod::Beatrix => {
            let (width, channels) =
                (f64::from(model.encoder.dim), f64::from(model.encoder.dim.min(64)));
            clean * f64::from(model.patches()) * 2.0 * (2.0 * width + channels)
                + per_class * 8.0 * channels * (channels + 1.0)
        }
        _ => 0.0,
    }
}

/// Numbers that a training holds for its parameters. A place to go on from is written from three copies of parameters and moments; a
/// checkpoint from three of the parameters.
fn trained(parameters: f64, epochs: u32, accumulate: u32, clip_norm: f64) -> f64 {
    let written = if epochs > 1 { 9.0 } else { 3.0 };
    let whole = if accumulate > 1 || clip_norm > 0.0 { 1.0 } else { 0.0 };
    let summed = if accumulate > 1 { 1.0 } else { 0.0 };
    (3.0 + written + whole + summed) * parameters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DedeDecoder, ProtectedClassifier};

    fn dataset() -> DatasetInfo {
        DatasetInfo {
            classes: vec!["a".into(), "b".into()],
            train_counts: vec![500, 500],
            test_counts: vec![100, 100],
            ..DatasetInfo::default()
        }
    }

    #[test]
    fn parameters_and_images_by_hand() {
        let settings = Settings::default();
        let memory =
            |settings: &Settings| run_memory(RunKind::Pretrain, settings, &dataset(), 2, 2 << 30);
        // Parameters, two moments, and three copies of each.
        let (encoder, decoder) = ModelSpec::default().parameters();
        let once = memory(&settings);
        assert!((once.model - 48.0 * (encoder + decoder)).abs() < 1.0);
        // 1,200 images of 32 x 32 pixels.
        assert!((once.data - 1_200.0 * 3_072.0).abs() < 1.0);
        let streamed = run_memory(RunKind::Pretrain, &settings, &dataset(), 2, 1 << 20);
        assert!((streamed.data - 200.0 * 3_072.0).abs() < 1.0, "only the validation images");
        let mut larger = settings.clone();
        larger.pretrain.batch_size *= 2;
        let twice = memory(&larger);
        assert!(twice.batch > 1.9 * once.batch && twice.batch < 2.0 * once.batch);
        larger.pretrain.accumulate = 2;
        assert!((memory(&larger).model - 56.0 * (encoder + decoder)).abs() < 1.0);
    }

    #[test]
    fn a_filter_that_trains_again_holds_what_a_probe_holds() {
        let mut settings = Settings::default();
        let memory = |kind, settings: &Settings| run_memory(kind, settings, &dataset(), 2, 2 << 30);
        let probe = memory(RunKind::Probe, &settings);
        let alone = memory(RunKind::Defence, &settings);
        settings.defence.retrain = true;
        let with = memory(RunKind::Defence, &settings);
        assert!((with.batch - probe.batch).abs() < 1.0 && with.batch > alone.batch);
        // The filter's five rows of an image are more than the probe's four and those of 200 validation images.
        assert!((with.data - alone.data).abs() < 1.0 && with.data > probe.data);
    }

    #[test]
    fn a_trained_decoder_takes_the_memory_of_a_small_pretraining() {
        let mut settings = Settings::default();
        let memory = |kind, settings: &Settings| run_memory(kind, settings, &dataset(), 2, 2 << 30);
        settings.defence.method = DefenceMethod::Dede;
        let own = memory(RunKind::Defence, &settings);
        settings.defence.decoder = DedeDecoder::Trained;
        let with = memory(RunKind::Defence, &settings);
        // Four times the parameters of an autoencoder of the decoder's width and depth, and of the map from 192 to 128 numbers.
        let (encoder, decoder) = ModelSpec::default().embedding_decoder().parameters();
        assert!((with.model - own.model - 16.0 * (encoder + decoder + 24_576.0)).abs() < 1.0);
        // A step of 256 images is that of such a pre-training, with 3 x 192 and 2 x 128 numbers more an image.
        let mut small = settings.clone();
        small.model = ModelSpec::default().embedding_decoder();
        (small.pretrain.batch_size, small.pretrain.mask_ratio) = (256, 0.9);
        let step = memory(RunKind::Pretrain, &small).batch + 4.0 * 256.0 * 832.0;
        assert!((with.batch - own.batch - step).abs() < 1.0);
        // 1,200 images of 32 x 32 pixels; an embedding of each of 1,000, and those of the neighbours.
        assert!((with.data - 1_200.0 * 3_072.0 - 4.0 * 192.0 * 4_200.0).abs() < 1.0);

        // A protected probe keeps four rows of each of 1,000 images and two of each of 200 before that; its step, of few numbers, is smaller.
        settings.defence.classifier = ProtectedClassifier::Probe;
        let probed = memory(RunKind::Defence, &settings);
        assert!((probed.data - 1_200.0 * 3_072.0 - 4.0 * 192.0 * 4_400.0).abs() < 1.0);
        assert!((probed.batch - with.batch).abs() < 1.0);
    }

    #[test]
    fn a_huge_model_takes_hundreds_of_gigabytes() {
        let mut settings = Settings::default();
        settings.model.encoder = TransformerSpec { dim: 4096, depth: 64, heads: 64 };
        for kind in [RunKind::Pretrain, RunKind::Finetune] {
            let memory = run_memory(kind, &settings, &dataset(), 2, 2 << 30);
            // 12.9 billion parameters.
            assert!(memory.model > 600e9 && memory.model < 720e9, "{kind:?}: {memory:?}");
        }
    }
}
