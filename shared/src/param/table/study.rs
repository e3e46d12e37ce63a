//! Settings of the study as a whole: seed, precision, images.

use super::{Choice, Domain, Setting, choice, judged, named, never, whole};

const PRECISIONS: [Choice; 4] = [
    named("f32", "f32: single precision"),
    named("tf32", "tf32: 11 binary digits, on GPUs only"),
    named("bf16", "bf16: 8 binary digits, faster"),
    named("bf16_stream", "bf16 with a bf16 residual stream, on GPUs only"),
];

pub(super) static STUDY: [Setting; 7] = [
    // A seed is sent as a JSON number, which is exact up to 2^53.
    whole(
        "seed",
        "Seed",
        "",
        (0, 1 << 53),
        "Determines weights, order, augmentation, masks and poisons; several seeds give an interval.",
    ),
    Setting::new(
        "encoder",
        "Encoder",
        "",
        Domain::Name { optional: true },
        "An imported checkpoint that classifiers start from instead of a pre-training of the study.",
    )
    // Only the checkpoint's content matters, which is an input of the run.
    .matters_if(never),
    choice(
        "precision",
        "Precision",
        &PRECISIONS,
        "Number format in which layers and attention multiply; sums, norms and the optimiser stay in single precision. On GPUs also tf32, which rounds factors to 11 binary digits, and bf16_stream, which is faster than bf16 with gradients that are rounded more.",
    ),
    Setting::new(
        "device",
        "Device",
        "",
        Domain::Device,
        "Where the runs train: any free device, the processor, a certain GPU, several GPUs at once, or nodes of a cluster; results differ between them by rounding alone.",
    )
    .matters_if(never),
    Setting::new(
        "dataset.name",
        "Data set",
        "",
        Domain::Name { optional: false },
        "The drawn shapes, or a data set added on the page Data.",
    )
    // Only the fingerprint of the images matters.
    .matters_if(never),
    Setting::new(
        "dataset.train_per_class",
        "Training images",
        "per class",
        Domain::Limit,
        "The first by file name; with fewer images, each poison weighs more.",
    ),
    Setting::new(
        "dataset.test_per_class",
        "Validation images",
        "per class",
        Domain::Limit,
        "The first by file name; more images narrow the intervals.",
    )
    .matters_if(judged),
];
