//! The cost of a run: floating-point operations, the time at a device's rate, and disk space.

use serde::{Deserialize, Serialize};

use super::{ModelSpec, ProbeFeatures, Settings, Speed, TransformerSpec};
use crate::{
    dataset::DatasetInfo,
    patches::visible_count,
    run_kind::RunKind,
    settings::{DecodedFrom, DedeDecoder, DefenceMethod, PATCH_BATCH, PATCH_CLASSIFIER},
};

/// The backward pass costs about twice as much as the forward pass.
const TRAINING_FACTOR: f64 = 3.0;

/// Seconds that a small head takes for one step besides its matrix products, mostly per-step overhead.
const HEAD_STEP_SECONDS: f64 = 0.002;

/// Approximate number of images that nearest neighbours use per checkpoint.
const NEIGHBOURS: f64 = 1_600.0;

/// Approximate number of test images among them.
const TESTS: f64 = 250.0;

/// Approximate size of order, events, plan, manifest and evaluation in bytes.
const FOLDER_BYTES: f64 = 100e3;

/// Estimated cost of a run on an idle machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunCost {
    /// Seconds.
    pub seconds: f64,
    /// Bytes on the disk when it is done.
    pub bytes: f64,
}

/// Operations of a forward pass of `tokens` tokens through a transformer: 24 T D^2 + 4 T^2 D per block.
fn forward(part: &TransformerSpec, tokens: f64) -> f64 {
    let dim = f64::from(part.dim);
    f64::from(part.depth) * (24.0 * tokens * dim * dim + 4.0 * tokens * tokens * dim)
}

/// Parameters of a transformer's blocks: 12 D^2 + 13 D each.
fn block_parameters(part: &TransformerSpec) -> f64 {
    let dim = f64::from(part.dim);
    f64::from(part.depth) * (12.0 * dim * dim + 13.0 * dim)
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

    /// Parameters of the encoder, and of the decoder.
    pub(super) fn parameters(&self) -> (f64, f64) {
        let pixels = 3.0 * f64::from(self.patch_size).powi(2);
        let tokens = f64::from(self.patches()) + 1.0;
        let (wide, narrow) = (f64::from(self.encoder.dim), f64::from(self.decoder.dim));
        let encoder = block_parameters(&self.encoder) + wide * (pixels + tokens + 4.0);
        let decoder =
            block_parameters(&self.decoder) + narrow * (wide + pixels + tokens + 4.0) + pixels;
        (encoder, decoder)
    }
}

/// Images that a defence encodes.
fn judged(settings: &Settings, dataset: &DatasetInfo, train: f64, test: f64) -> f64 {
    let defence = &settings.defence;
    let clean = f64::from(defence.clean_per_class) * dataset.classes.len() as f64;
    // A probe has no bank; its own features are counted with it.
    let classified = if defence.protects_probe() { 2.0 * TESTS } else { NEIGHBOURS };
    match defence.method {
        DefenceMethod::Spectral
        | DefenceMethod::ActivationClustering
        | DefenceMethod::LossSplit => train,
        DefenceMethod::Scan => train + clean,
        // Of each of K clusters, candidates until few clusters are left, of which all images are; then training and use of a small model.
        DefenceMethod::PatchSearch => {
            let clusters = f64::from(defence.clusters);
            let candidates = (8.0 * clusters + 2.0 * train / clusters).min(train);
            let tokens = f64::from(settings.model.patches()) + 1.0;
            let small =
                forward(&PATCH_CLASSIFIER, tokens) / forward(&settings.model.encoder, tokens);
            let trained = TRAINING_FACTOR * f64::from(PATCH_BATCH * defence.patch_steps);
            train + candidates * f64::from(defence.pasted_on) + (trained + train) * small
        }
        // About fifty restorations an image, each classified; a restoration costs about a third of a pre-training step.
        DefenceMethod::Bdmae => classified + 2.0 * TESTS * 50.0 * 2.0,
        // A prediction without half of the patches takes half of the time; of a decoded image, the decoder takes some.
        DefenceMethod::PatchProcessing => {
            classified + (2.0 * TESTS + clean) * (1.0 + 1.5 * f64::from(defence.trials))
        }
        // Roll-outs are not batched; the rest is two classifications.
        DefenceMethod::Blocking => classified + 2.0 * TESTS * 4.0,
        // Each image of the set is encoded once, and redrawn in each epoch.
        DefenceMethod::Dede if defence.decoder == DedeDecoder::Trained => {
            let decoder = settings.model.embedding_decoder();
            let encode = settings.model.encode_operations();
            let step = decoder.pretrain_operations(defence.decoder_mask_ratio) / encode;
            let redraw = decoder.encode_operations() / encode;
            let trained = train * (1.0 + f64::from(defence.decoder_epochs) * step);
            classified + trained + (2.0 * TESTS + clean) * (1.0 + redraw)
        }
        DefenceMethod::Dede if defence.decoded_from == DecodedFrom::Patches => {
            classified + (2.0 * TESTS + clean) * f64::from(defence.masks)
        }
        DefenceMethod::Dede => classified + (2.0 * TESTS + clean) * 2.0,
        // Spectra, and a model of them, take about as long as the classifier's features; there are six models.
        DefenceMethod::Frequency => classified + 6.0 * NEIGHBOURS + 2.0 * TESTS,
        DefenceMethod::Beatrix => classified + (2.0 * TESTS + 5.0 * clean) * 10.0,
        // A step is a forward and a backward pass; the search often ends earlier.
        DefenceMethod::Decree => {
            f64::from(defence.shadow_images) * (1.0 + 3.0 * f64::from(defence.search_epochs))
        }
        // Two evaluations; a step of training takes three times as long as an evaluation.
        DefenceMethod::FineTuning | DefenceMethod::FinePruning | DefenceMethod::Nad => {
            // A teacher is trained like its student, and then asked at each of the student's steps.
            let taught = defence.method == DefenceMethod::Nad;
            let step = if taught { 2.0 * TRAINING_FACTOR + 1.0 } else { TRAINING_FACTOR };
            4.0 * test + clean * (1.0 + step * f64::from(defence.repair_epochs))
        }
        DefenceMethod::Strip => classified + (2.0 * TESTS + clean) * f64::from(defence.overlays),
    }
}

/// How often a classifier is evaluated on all validation images: clean, and with the trigger of each backdoor. A defence looks at the main
/// one alone.
pub(super) fn test_sets(kind: RunKind, settings: &Settings) -> f64 {
    match kind {
        RunKind::Defence => 2.0,
        _ => 2.0 + settings.attack.further.len() as f64,
    }
}

/// What linear probes by the recipe of `settings` take on a set of `train` images, evaluated on `test` ones clean and with each trigger.
struct Probing {
    /// Images that are encoded.
    encoded: f64,
    /// Features that are kept on the disk.
    kept: f64,
    /// Seconds of the steps.
    steps: f64,
}

impl Probing {
    /// The cost of the linear probes of a run of this kind. Cached features are computed once, by the `first` run that needs them; test images
    /// are encoded once in any case.
    fn of(kind: RunKind, settings: &Settings, train: f64, test: f64, first: bool) -> Self {
        // A sample filter trains one on the whole set, and one on what is kept: at most all of it.
        let again = kind == RunKind::Defence && settings.retrains();
        let probes = if again { 2.0 } else { 1.0 };
        let probe = &settings.probe;
        let steps = f64::from(probe.epochs) * (train / f64::from(probe.batch_size.max(1))).ceil();
        let sets = test_sets(kind, settings);
        let (encoded, kept) = match (probe.features, first) {
            (ProbeFeatures::Cached, false) => (0.0, 0.0),
            (ProbeFeatures::Cached, true) => (2.0 * train + sets * test, 2.0 * train + sets * test),
            (ProbeFeatures::Augmented, _) => {
                (probes * f64::from(probe.epochs) * train + sets * test, 0.0)
            }
        };
        Self { encoded, kept, steps: probes * steps * HEAD_STEP_SECONDS }
    }
}

/// Operations of a run of this kind on one image of its training set.
pub fn training_operations(kind: RunKind, settings: &Settings) -> f64 {
    match kind {
        RunKind::Pretrain => settings.model.pretrain_operations(settings.pretrain.mask_ratio),
        RunKind::Finetune => TRAINING_FACTOR * settings.model.encode_operations(),
        // Each shadow image passes with and without its trigger, and once more through the clean encoder.
        RunKind::Implant => (2.0 * TRAINING_FACTOR + 1.0) * settings.model.encode_operations(),
        RunKind::Knn | RunKind::Probe | RunKind::Defence => settings.model.encode_operations(),
    }
}

/// Estimated cost of a run on a device. `first` marks the first run of an encoder that trains linear probes, which computes the features
/// that the others reuse.
pub fn run_cost(
    kind: RunKind,
    settings: &Settings,
    dataset: &DatasetInfo,
    speed: &Speed,
    first: bool,
) -> RunCost {
    let Settings { model, pretrain, finetune, .. } = settings;
    let image = |operations: f64| speed.seconds(operations, kind, settings.precision);
    let limited = |counts: &[u32], limit: Option<u32>| -> f64 {
        counts.iter().map(|&count| f64::from(count.min(limit.unwrap_or(u32::MAX)))).sum()
    };
    let train = f64::from(settings.samples_per_epoch(kind, &dataset.train_counts));
    let test = limited(&dataset.test_counts, settings.dataset.test_per_class);
    let encode = image(model.encode_operations());
    let evaluations = |epochs: u32, every: u32| f64::from(epochs / every.max(1)) + 1.0;
    let checkpoints =
        (f64::from(pretrain.epochs) / f64::from(pretrain.checkpoint_every.max(1))).ceil();
    let (encoder, decoder) = model.parameters();
    let width = f64::from(model.encoder.dim);
    let (seconds, numbers) = match kind {
        RunKind::Defence => {
            let judged = judged(settings, dataset, train, test) * encode;
            if settings.trains_probe(kind) {
                let Probing { encoded, kept, steps } =
                    Probing::of(kind, settings, train, test, first);
                (judged + encoded * encode + steps, width * kept)
            } else {
                // The repaired classifier.
                let repairs = settings.defence.method.repairs();
                (judged, if repairs { encoder + width * dataset.classes.len() as f64 } else { 0.0 })
            }
        }
        RunKind::Pretrain => {
            let epoch = train * image(training_operations(kind, settings));
            (f64::from(pretrain.epochs) * epoch, checkpoints * (encoder + decoder))
        }
        RunKind::Implant => {
            let epoch = train * image(training_operations(kind, settings));
            (f64::from(settings.implant.epochs) * epoch, encoder + decoder)
        }
        // A backdoor is implanted into the last checkpoint only, which gives one more.
        RunKind::Knn if settings.implants() => (NEIGHBOURS * encode, 0.0),
        RunKind::Knn => (checkpoints * NEIGHBOURS * encode, 0.0),
        RunKind::Probe => {
            let Probing { encoded, kept, steps } = Probing::of(kind, settings, train, test, first);
            let classes = dataset.classes.len() as f64;
            (encoded * encode + steps, width * (kept + classes))
        }
        RunKind::Finetune => {
            let epochs =
                f64::from(finetune.epochs) * train * image(training_operations(kind, settings));
            let sets = test_sets(kind, settings);
            let judged =
                evaluations(finetune.epochs, finetune.evaluate_every) * sets * test * encode;
            (epochs + judged, encoder)
        }
    };
    RunCost { seconds, bytes: 4.0 * numbers + FOLDER_BYTES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ProtectedClassifier;

    #[test]
    fn operations_and_parameters_by_hand() {
        let model = ModelSpec::default();
        // Encoder: 17 tokens, width 192, 4 blocks; decoder: 65 tokens, width 128, 2 blocks.
        let encoder = 4.0 * (24.0 * 17.0 * 36_864.0 + 4.0 * 289.0 * 192.0);
        let decoder = 2.0 * (24.0 * 65.0 * 16_384.0 + 4.0 * 4_225.0 * 128.0);
        assert!((model.pretrain_operations(0.75) - 3.0 * (encoder + decoder)).abs() < 1.0);
        // Blocks, patch embedding with bias, 65 positions, CLS token, last norm.
        let blocks = 4.0 * (12.0 * 36_864.0 + 13.0 * 192.0);
        let rest = 192.0 * (48.0 + 1.0 + 65.0 + 1.0 + 2.0);
        assert!((model.parameters().0 - blocks - rest).abs() < 1.0);
    }

    #[test]
    fn each_further_backdoor_is_one_more_evaluation() {
        let two = Speed::of_threads(2);
        let dataset = DatasetInfo {
            train_counts: vec![50; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let mut settings = Settings::default();
        let cost = |settings: &Settings| {
            let cost = |kind| run_cost(kind, settings, &dataset, &two, true);
            [cost(RunKind::Probe).bytes, cost(RunKind::Finetune).seconds]
        };
        let [bytes, seconds] = cost(&settings);
        let trigger = crate::trigger::TriggerSpec::Sig(crate::trigger::SigSpec::default());
        settings.attack.further = vec![crate::settings::BackdoorSpec { target_class: 1, trigger }];
        let [more_bytes, more_seconds] = cost(&settings);
        // The features of a thousand images in single precision.
        let width = f64::from(settings.model.encoder.dim);
        assert!((more_bytes - bytes - 4.0 * 1000.0 * width).abs() < 1e-6);
        assert!(more_seconds > seconds);
    }

    #[test]
    fn twice_the_epochs_take_about_twice_the_time() {
        let two = Speed::of_threads(2);
        let mut settings = Settings::default();
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let all = |settings: &Settings| {
            RunKind::ALL.map(|kind| {
                run_cost(kind, settings, &dataset, &two, kind != RunKind::Probe).seconds
            })
        };
        let once = all(&settings);
        settings.pretrain.epochs *= 2;
        settings.probe.epochs *= 2;
        settings.finetune.epochs *= 2;
        settings.implant.epochs *= 2;
        for (kind, (once, twice)) in
            RunKind::ALL.into_iter().zip(once.into_iter().zip(all(&settings)))
        {
            if kind == RunKind::Defence {
                // It judges the last checkpoint only.
                assert!((once - twice).abs() < 1e-9);
                continue;
            }
            assert!(twice > 1.8 * once && twice <= 2.0 * once, "{once} s, {twice} s");
        }
        let first = run_cost(RunKind::Probe, &settings, &dataset, &two, true);
        let later = run_cost(RunKind::Probe, &settings, &dataset, &two, false);
        assert!(first.seconds > later.seconds && first.bytes > later.bytes);
    }

    #[test]
    fn a_trained_decoder_costs_what_a_small_pretraining_does() {
        let two = Speed::of_threads(2);
        let mut settings = Settings::default();
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let cost = |settings: &Settings| {
            run_cost(RunKind::Defence, settings, &dataset, &two, false).seconds
        };
        settings.defence.method = DefenceMethod::Dede;
        let own = cost(&settings);
        settings.defence.decoder_epochs = 10;
        assert!((cost(&settings) - own).abs() < 1e-9, "none is trained");
        settings.defence.decoder = DedeDecoder::Trained;
        let ten = cost(&settings);
        settings.defence.decoder_epochs = 30;
        let thirty = cost(&settings);
        // Width 128, 2 blocks: the encoder of 7 tokens, CLS and 6 of 64 patches; the decoder of 65; three times as much with the backward pass.
        let step = 3.0
            * (2.0 * (24.0 * 7.0 * 16_384.0 + 4.0 * 49.0 * 128.0)
                + 2.0 * (24.0 * 65.0 * 16_384.0 + 4.0 * 4_225.0 * 128.0));
        let whole = settings.model.encode_operations();
        let encode = two.seconds(whole, RunKind::Defence, settings.precision);
        let twenty = 20.0 * 5_000.0 * encode * step / whole;
        assert!((thirty - ten - twenty).abs() < 1e-6 * twenty, "{} {twenty}", thirty - ten);
        assert!(ten > own + 0.4 * twenty, "{ten} {own}");
    }

    #[test]
    fn a_filter_that_trains_again_takes_two_probes_more() {
        let two = Speed::of_threads(2);
        let mut settings = Settings::default();
        let dataset = DatasetInfo {
            train_counts: vec![500; 10],
            test_counts: vec![100; 10],
            ..DatasetInfo::default()
        };
        let cost =
            |kind, settings: &Settings, first| run_cost(kind, settings, &dataset, &two, first);
        let alone = cost(RunKind::Defence, &settings, false);
        settings.defence.retrain = true;
        let with = cost(RunKind::Defence, &settings, false);
        // 90 epochs of 20 batches, twice.
        assert!(
            (with.seconds - alone.seconds - 2.0 * 90.0 * 20.0 * HEAD_STEP_SECONDS).abs() < 1e-9
        );
        // The first run that trains probes also computes their features: of 5,000 images with their mirror images, and of 1,000 clean and
        // triggered ones, 192 numbers each.
        let first = cost(RunKind::Defence, &settings, true);
        assert!((first.bytes - with.bytes - 4.0 * 192.0 * 12_000.0).abs() < 1e-3);
        settings.probe.features = ProbeFeatures::Augmented;
        let probe = cost(RunKind::Probe, &settings, false);
        let augmented = cost(RunKind::Defence, &settings, false);
        let own = augmented.seconds - alone.seconds;
        // Both probes share the features of the validation images: 1,000 clean and as many with the trigger.
        let shared =
            two.seconds(settings.model.encode_operations(), RunKind::Probe, settings.precision);
        let expected = 2.0 * probe.seconds - 2_000.0 * shared;
        assert!((own - expected).abs() < 1e-6 * own, "{own} {expected}");

        // An input filter that protects a probe trains one.
        settings.probe.features = ProbeFeatures::Cached;
        settings.defence.method = DefenceMethod::Strip;
        let neighbours = cost(RunKind::Defence, &settings, false);
        settings.defence.classifier = ProtectedClassifier::Probe;
        let protected = cost(RunKind::Defence, &settings, false);
        let steps = 90.0 * 20.0 * HEAD_STEP_SECONDS;
        // 500 clean and triggered images are classified, without the 1,100 of a bank.
        let bank = 1_100.0
            * two.seconds(settings.model.encode_operations(), RunKind::Defence, settings.precision);
        let difference = protected.seconds - neighbours.seconds;
        assert!((difference - steps + bank).abs() < 1e-9, "{difference} {steps} {bank}");
    }
}
