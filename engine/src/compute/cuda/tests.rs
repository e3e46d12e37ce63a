//! The GPU's kernels, emulated, against the processor: the same model, batches and steps.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;
use shared::{
    Rgb8,
    settings::{ModelSpec, Pooling, Precision, TransformerSpec},
    stream::{Purpose, stream},
};

use super::Cuda;
use crate::{
    compute::{
        Descend, Device, FinetuningTrainer, LabelledBatch, Machine, MaskedBatch, Params,
        PretrainingTrainer, Step, Targets, Trainer,
    },
    data::mix::Mix,
    model::{PatchGrid, layer_groups, mae, plain_groups, vit},
    tensors::{NamedTensor, serialize},
};

/// 3 x 3 patches of 4 pixels; the decoder's heads are no multiple of 16 wide.
pub(super) fn micro() -> ModelSpec {
    ModelSpec {
        image_size: 12,
        patch_size: 4,
        encoder: TransformerSpec { dim: 32, depth: 2, heads: 2 },
        decoder: TransformerSpec { dim: 24, depth: 1, heads: 3 },
    }
}

/// Names a GPU by its number: the tests run on it.
const TEST_GPU: &str = "MASKDOOR_TEST_GPU";

fn is_real() -> bool {
    std::env::var_os(TEST_GPU).is_some()
}

/// The GPU that `MASKDOOR_TEST_GPU` names by its number, or an emulated one.
pub(super) fn gpu() -> ::cuda::Device {
    match std::env::var(TEST_GPU) {
        Ok(ordinal) => {
            let ordinal = ordinal.parse().expect("MASKDOOR_TEST_GPU is a GPU's number");
            let cache = std::env::var_os("MASKDOOR_KERNEL_CACHE").map(Into::into);
            ::cuda::Device::open(ordinal, cache).expect("a GPU")
        }
        Err(_) => ::cuda::Device::emulated(),
    }
}

/// So many GPUs; a real one is all of them, and adds up by way of the host's memory.
pub(super) fn gpus(count: usize, precision: Precision) -> Cuda {
    let devices = (0..count).map(|_| gpu()).collect();
    Cuda::new(devices, precision, Machine::with_threads(1).cpu(Precision::F32))
}

fn devices(precision: Precision) -> (Cuda, Box<dyn Device>) {
    let machine = Machine::with_threads(1);
    (gpus(1, precision), machine.device(Precision::F32).unwrap())
}

pub(super) fn rng(place: u64) -> ChaCha8Rng {
    stream(7, Purpose::Init, place, 1)
}

pub(super) fn image(side: usize, rng: &mut ChaCha8Rng) -> Rgb8 {
    let bytes = (0..side * side * 3).map(|_| rng.random()).collect();
    Rgb8::from_raw(side, side, bytes).expect("as many bytes as it has")
}

pub(super) fn masked(spec: &ModelSpec, images: usize, seed: u64) -> MaskedBatch {
    let (side, patches) = (spec.image_size as usize, spec.patches());
    let grid = PatchGrid { side, patch: spec.patch_size as usize };
    let mut rng = rng(seed);
    let mut batch = MaskedBatch::new(grid, 0.6, true);
    for _ in 0..images {
        batch.images.push(image(side, &mut rng));
        let mut order: Vec<u32> = (0..patches).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.random_range(0..=i));
        }
        batch.orders.extend(order);
    }
    batch
}

pub(super) fn descend(layout: &crate::model::Layout) -> Descend {
    Descend {
        betas: (0.9, 0.95),
        weight_decay: 0.05,
        groups: plain_groups(layout),
        accumulate: 1,
        clip_norm: 0.0,
    }
}

/// Parameters whose biases, norms and tokens are not those of a new model, so that each shows in a result.
pub(super) fn params(layout: crate::model::Layout) -> Params {
    let mut params = Params::draw(layout, 3);
    let mut rng = rng(99);
    let (layout, values) = params.parts_mut();
    for param in layout.trainable() {
        for value in param.slot.of_mut(values) {
            *value += rng.random_range(-0.05..0.05);
        }
    }
    params
}

/// How far two lists of numbers are apart, relative to the first.
fn distance(want: &[f32], got: &[f32]) -> f64 {
    assert_eq!(want.len(), got.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let off = square(&mut want.iter().zip(got).map(|(a, b)| f64::from(a - b)));
    let norm = square(&mut want.iter().map(|&a| f64::from(a)));
    // A comparison with a number that is none fails.
    if off.is_nan() { f64::INFINITY } else { (off / norm.max(1e-30)).sqrt() }
}

/// Compares all tensors by name.
fn assert_same(want: &[NamedTensor], got: &[NamedTensor], most: f64) {
    assert_eq!(want.len(), got.len());
    for (want, got) in want.iter().zip(got) {
        assert_eq!((&want.name, &want.shape), (&got.name, &got.shape));
        let mut numbers = 0..want.values.len();
        if want.name.ends_with("qkv.bias") {
            // The bias of keys has no effect on attention: its gradient is rounding, of which the optimiser makes whole steps. The
            // queries' is before it.
            numbers.end /= 3;
        }
        let distance = distance(&want.values[numbers.clone()], &got.values[numbers]);
        assert!(distance < most, "{} is off by {distance:e}", want.name);
    }
}

/// The bits of all numbers.
pub(super) fn bits(tensors: &[NamedTensor]) -> Vec<u32> {
    tensors.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

/// The first moments after one step are a tenth of its gradient.
fn assert_same_gradients<B: Send, V: ?Sized>(
    cpu: &mut dyn Trainer<Batch = B, View = V>,
    gpu: &mut dyn Trainer<Batch = B, View = V>,
    batch: &B,
    (loss, gradient): (f64, f64),
) {
    let step = Step { place: 0, lr: 1e-3 };
    cpu.step(batch, step).unwrap();
    gpu.step(batch, step).unwrap();
    let (want, got) = (cpu.loss().unwrap(), gpu.loss().unwrap());
    assert!((want - got).abs() < loss * want.abs(), "the loss is {got}, not {want}");
    let first = |state: Vec<NamedTensor>| -> Vec<_> {
        state.into_iter().filter(|tensor| tensor.name.starts_with("first.")).collect()
    };
    assert_same(&first(cpu.state().unwrap()), &first(gpu.state().unwrap()), gradient);
}

fn pretrainers(
    precision: Precision,
    spec: &ModelSpec,
    change: impl Fn(&mut Descend),
) -> (Box<PretrainingTrainer>, Box<PretrainingTrainer>) {
    let (gpu, cpu) = devices(precision);
    let params = params(mae(spec));
    let mut descend = descend(params.layout());
    change(&mut descend);
    let cpu = cpu.pretrainer(spec, params.clone(), &descend).unwrap();
    (cpu, gpu.pretrainer(spec, params, &descend).unwrap())
}

#[test]
fn gradients_of_pre_training_are_the_processors() {
    let spec = micro();
    let batch = masked(&spec, 3, 1);
    let (mut cpu, mut gpu) = pretrainers(Precision::F32, &spec, |_| ());
    assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (1e-5, 1e-4));
}

#[test]
fn targets_that_are_not_normalised_are_the_processors() {
    let spec = micro();
    let batch = MaskedBatch { norm_pix_loss: false, ..masked(&spec, 2, 2) };
    let (mut cpu, mut gpu) = pretrainers(Precision::F32, &spec, |_| ());
    assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (1e-5, 1e-4));
}

#[test]
fn gradients_in_bf16_are_near_the_processors() {
    let spec = micro();
    let batch = masked(&spec, 4, 1);
    let (mut cpu, mut gpu) = pretrainers(Precision::Bf16, &spec, |_| ());
    assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (1e-2, 3e-2));
}

#[test]
fn steps_of_pre_training_are_the_processors() {
    let spec = micro();
    let (mut cpu, mut gpu) = pretrainers(Precision::F32, &spec, |_| ());
    // The last batch of an epoch is smaller; the second epoch repeats what was recorded.
    for (i, images) in [3, 3, 2, 3, 2].into_iter().enumerate() {
        let (batch, step) = (masked(&spec, images, i as u64), Step { place: 0, lr: 1e-3 });
        cpu.step(&batch, step).unwrap();
        gpu.step(&batch, step).unwrap();
        let (want, got) = (cpu.loss().unwrap(), gpu.loss().unwrap());
        assert!((want - got).abs() < 1e-4 * want, "batch {i}: {got}, not {want}");
    }
    assert_same(&cpu.tensors().unwrap(), &gpu.tensors().unwrap(), 1e-3);
}

#[test]
fn accumulation_and_clipping_are_the_processors() {
    let spec = micro();
    let (mut cpu, mut gpu) = pretrainers(Precision::F32, &spec, |descend| {
        descend.accumulate = 2;
        descend.clip_norm = 0.05;
    });
    for i in 0..4 {
        let (batch, step) = (masked(&spec, 2, i), Step { place: i as usize % 2, lr: 1e-3 });
        cpu.step(&batch, step).unwrap();
        gpu.step(&batch, step).unwrap();
    }
    assert_same(&cpu.state().unwrap(), &gpu.state().unwrap(), 1e-3);
    assert_same(&cpu.tensors().unwrap(), &gpu.tensors().unwrap(), 1e-3);
}

#[test]
fn a_trainer_goes_on_to_the_same_bits() {
    let spec = micro();
    let (_, mut one) = pretrainers(Precision::Bf16, &spec, |_| ());
    let (_, mut other) = pretrainers(Precision::Bf16, &spec, |_| ());
    let step = Step { place: 0, lr: 1e-3 };
    one.step(&masked(&spec, 2, 1), step).unwrap();
    one.loss().unwrap();
    let mut all = one.tensors().unwrap();
    all.extend(one.state().unwrap());
    let file = serialize(&all, &[]).unwrap();
    other.restore(&SafeTensors::deserialize(&file).unwrap()).unwrap();
    for trainer in [&mut one, &mut other] {
        trainer.step(&masked(&spec, 2, 2), step).unwrap();
    }
    assert_eq!(one.loss().unwrap().to_bits(), other.loss().unwrap().to_bits());
    assert_eq!(bits(&one.tensors().unwrap()), bits(&other.tensors().unwrap()));
}

#[test]
fn a_loss_that_is_no_number_changes_nothing() {
    let spec = micro();
    let (gpu, _) = devices(Precision::F32);
    let mut params = params(mae(&spec));
    params.set("mask_token", &[f32::NAN; 24]).unwrap();
    let descend = descend(params.layout());
    let mut trainer = gpu.pretrainer(&spec, params, &descend).unwrap();
    let before = trainer.tensors().unwrap();
    trainer.step(&masked(&spec, 2, 1), Step { place: 0, lr: 1e-3 }).unwrap();
    assert!(trainer.loss().unwrap().is_nan());
    let after = trainer.tensors().unwrap();
    assert_eq!(bits(&before), bits(&after));
}

#[test]
fn features_of_many_images_come_back_in_their_order() {
    let spec = ModelSpec { image_size: 4, ..micro() };
    let (gpu, cpu) = devices(Precision::F32);
    let params = params(mae(&spec));
    let (cpu, gpu) =
        (cpu.encoder(&spec, params.clone()).unwrap(), gpu.encoder(&spec, params).unwrap());
    let images: Vec<_> = (0..600).map(|i| image(4, &mut rng(i))).collect();
    let load = |i: usize| Ok(images[i].clone());
    // More than two passes: those behind begin before those in front are asked for.
    let (want, got) = (cpu.features(3..600, &load).unwrap(), gpu.features(3..600, &load).unwrap());
    assert!(distance(&want, &got) < 1e-5, "{:e}", distance(&want, &got));
    assert_eq!(got.len(), 597 * gpu.width());
    assert!(gpu.features(3..3, &load).unwrap().is_empty());
}

#[test]
fn features_and_predictions_are_the_processors() {
    let spec = micro();
    for (precision, most) in [(Precision::F32, 1e-5), (Precision::Bf16, 2e-2)] {
        let (gpu, cpu) = devices(precision);
        let params = params(mae(&spec));
        let (cpu, gpu) =
            (cpu.encoder(&spec, params.clone()).unwrap(), gpu.encoder(&spec, params).unwrap());
        let images: Vec<_> = (0..5).map(|i| image(12, &mut rng(i))).collect();
        let load = |i: usize| Ok(images[i].clone());
        let (want, got) = (cpu.features(1..5, &load).unwrap(), gpu.features(1..5, &load).unwrap());
        assert!(distance(&want, &got) < most, "{:e}", distance(&want, &got));
        let batch = masked(&spec, 3, 5);
        let (want, got) = (cpu.predict(&batch).unwrap(), gpu.predict(&batch).unwrap());
        assert!(distance(&want, &got) < most, "{:e}", distance(&want, &got));
    }
}

pub(super) fn labelled(
    spec: &ModelSpec,
    images: usize,
    classes: usize,
    dropping: bool,
) -> LabelledBatch {
    let mut rng = rng(11);
    let numbers = images * 3 * (spec.image_size * spec.image_size) as usize;
    let labels: Vec<u32> = (0..images as u32).map(|i| i % classes as u32).collect();
    let drop = |rng: &mut ChaCha8Rng| {
        if dropping { [0.0, 1.25][usize::from(rng.random_bool(0.7))] } else { 1.0 }
    };
    LabelledBatch {
        planes: (0..numbers).map(|_| rng.random_range(-2.0..2.0)).collect(),
        crops: (Vec::new(), Mix::NONE),
        targets: Targets::new(&labels, classes, 0.1, 0.7).shares,
        drops: (0..2 * spec.encoder.depth)
            .map(|_| (0..images).map(|_| drop(&mut rng)).collect())
            .collect(),
    }
}

fn finetuners(
    precision: Precision,
    spec: &ModelSpec,
    pooling: Pooling,
) -> (Box<FinetuningTrainer>, Box<FinetuningTrainer>) {
    let (gpu, cpu) = devices(precision);
    let params = params(vit(spec, 5, pooling));
    let mut descend = descend(params.layout());
    descend.groups = layer_groups(params.layout(), spec.encoder.depth as usize, 0.75);
    let cpu = cpu.finetuner(spec, pooling, params.clone(), &descend).unwrap();
    (cpu, gpu.finetuner(spec, pooling, params, &descend).unwrap())
}

#[test]
fn gradients_of_fine_tuning_are_the_processors() {
    let spec = micro();
    for pooling in [Pooling::Mean, Pooling::Cls] {
        for dropping in [false, true] {
            let batch = labelled(&spec, 4, 5, dropping);
            let (mut cpu, mut gpu) = finetuners(Precision::F32, &spec, pooling);
            assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (1e-5, 1e-4));
            let (mut cpu, mut gpu) = finetuners(Precision::Bf16, &spec, pooling);
            assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (1e-2, 4e-2));
        }
    }
}

#[test]
fn steps_of_fine_tuning_and_its_scores_are_the_processors() {
    let spec = micro();
    let (mut cpu, mut gpu) = finetuners(Precision::F32, &spec, Pooling::Mean);
    for images in [4, 3, 4] {
        let (batch, step) = (labelled(&spec, images, 5, true), Step { place: 0, lr: 1e-3 });
        cpu.step(&batch, step).unwrap();
        gpu.step(&batch, step).unwrap();
    }
    assert_same(&cpu.tensors().unwrap(), &gpu.tensors().unwrap(), 1e-3);
    let planes = labelled(&spec, 6, 5, false).planes;
    let (want, got) = (cpu.view().scores(&planes).unwrap(), gpu.view().scores(&planes).unwrap());
    assert!(distance(&want, &got) < 1e-3, "{:e}", distance(&want, &got));
}

#[test]
fn several_gpus_train_like_one() {
    let spec = micro();
    let params = params(mae(&spec));
    let descend = descend(params.layout());
    let train = |count| {
        let device = gpus(count, Precision::F32);
        let mut trainer = device.pretrainer(&spec, params.clone(), &descend).unwrap();
        let mut losses = Vec::new();
        // The last batch has fewer images than there are GPUs.
        for (i, images) in [5, 5, 3].into_iter().enumerate() {
            trainer.step(&masked(&spec, images, i as u64), Step { place: 0, lr: 1e-3 }).unwrap();
            losses.push(trainer.loss().unwrap());
        }
        (losses, trainer.tensors().unwrap())
    };
    let (one, want) = train(1);
    for count in [2, 4] {
        let (losses, tensors) = train(count);
        for (want, got) in one.iter().zip(losses) {
            assert!((want - got).abs() < 1e-5 * want, "{count} GPUs: {got}, not {want}");
        }
        assert_same(&want, &tensors, 1e-3);
    }
}

#[test]
fn several_gpus_fine_tune_like_one() {
    let spec = micro();
    let params = params(vit(&spec, 5, Pooling::Mean));
    let descend = descend(params.layout());
    let train = |count| {
        let device = gpus(count, Precision::F32);
        let mut trainer = device.finetuner(&spec, Pooling::Mean, params.clone(), &descend).unwrap();
        for _ in 0..2 {
            let batch = labelled(&spec, 5, 5, true);
            trainer.step(&batch, Step { place: 0, lr: 1e-3 }).unwrap();
        }
        trainer.tensors().unwrap()
    };
    assert_same(&train(1), &train(2), 1e-3);
}

#[test]
fn gradients_in_every_precision_are_near_those_in_single_precision() {
    let spec = micro();
    let batch = masked(&spec, 4, 1);
    let mut told = std::collections::HashSet::new();
    // The emulation does not round factors to TF32: there, only that it runs is shown.
    let tf32 = if is_real() { (1e-3, 1e-2) } else { (1e-5, 1e-4) };
    for (precision, loss, gradient) in [
        (Precision::F32, 1e-5, 1e-4),
        (Precision::Tf32, tf32.0, tf32.1),
        (Precision::Bf16, 1e-2, 3e-2),
        (Precision::Bf16Stream, 1e-2, 4e-2),
    ] {
        let (mut cpu, mut gpu) = pretrainers(precision, &spec, |_| ());
        assert_same_gradients(&mut *cpu, &mut *gpu, &batch, (loss, gradient));
        assert!(told.insert(gpus(1, precision).bits()), "{precision:?} has bits of its own");
    }
}

#[test]
fn several_gpus_tell_how_they_add_up() {
    let one = gpus(1, Precision::F32);
    assert_eq!(one.note(), None);
    let two = gpus(2, Precision::F32);
    let note = two.note().expect("two GPUs add up");
    assert!(note.contains("by way of the host's memory, which is slow: "), "{note}");
    assert!(two.arithmetic().contains("F32, added up by the host, "), "{}", two.arithmetic());
    assert_ne!(one.bits(), two.bits());
}

#[test]
fn a_gpu_that_fails_is_named_and_the_others_do_not_wait() {
    let spec = micro();
    let params = params(mae(&spec));
    let descend = descend(params.layout());
    // Room for the model, not for a batch.
    let small = ::cuda::Device::emulated_with_memory(1 << 20);
    let devices = vec![::cuda::Device::emulated(), small, ::cuda::Device::emulated()];
    let cpu = Machine::with_threads(1).cpu(Precision::F32);
    let device = Cuda::new(devices, Precision::F32, cpu);
    let mut trainer = device.pretrainer(&spec, params, &descend).unwrap();
    let batch = masked(&spec, 90, 1);
    let error = trainer.step(&batch, Step { place: 0, lr: 1e-3 }).unwrap_err().to_string();
    assert!(error.starts_with("rank 1 of 3: "), "{error}");
    assert!(error.contains("more do not fit"), "{error}");
}

#[test]
fn a_model_beyond_the_memory_is_refused_in_numbers() {
    let spec = micro();
    let params = params(mae(&spec));
    let cpu = Machine::with_threads(1).cpu(Precision::F32);
    let device =
        Cuda::new(vec![::cuda::Device::emulated_with_memory(1 << 16)], Precision::F32, cpu);
    let descend = descend(params.layout());
    let error = device.pretrainer(&spec, params, &descend).err().expect("no room").to_string();
    assert!(error.contains("of the GPU's memory are free"), "{error}");
}

#[test]
fn losses_come_back_in_order_while_batches_are_on_their_way() {
    let spec = micro();
    let (_, mut behind) = pretrainers(Precision::F32, &spec, |_| ());
    let (_, mut prompt) = pretrainers(Precision::F32, &spec, |_| ());
    assert_eq!(behind.in_flight(), 1);
    let (mut want, mut got) = (vec![], vec![]);
    for i in 0..4 {
        let (batch, step) = (masked(&spec, 2, i), Step { place: 0, lr: 1e-3 });
        prompt.step(&batch, step).unwrap();
        want.push(prompt.loss().unwrap());
        behind.step(&batch, step).unwrap();
        if i > 0 {
            got.push(behind.loss().unwrap());
        }
    }
    got.push(behind.loss().unwrap());
    assert_eq!(want, got);
}
