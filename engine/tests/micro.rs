//! The whole model at a micro size: gradients and determinism.

#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]

use std::ops::Range;

use candle_core::{DType, Tensor};
use engine::{
    compute::{
        cpu::{
            Mae, MaeRun, MaskedImages, Pass,
            nn::{Composed, Gradients},
            optim::{AdamW, Optimizer},
            shards,
        },
        draw,
    },
    model::Init,
};
use kernel::{Kernels, Path, Precision};
use shared::{
    patches::random_order,
    settings::{ModelSpec, TransformerSpec},
    stream::{Purpose, stream},
};

const MICRO: ModelSpec = ModelSpec {
    image_size: 8,
    patch_size: 2,
    encoder: TransformerSpec { dim: 8, depth: 2, heads: 2 },
    decoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
};

fn single() -> Kernels {
    Kernels { path: Path::fastest(), precision: Precision::F32 }
}

/// Random images with random masks.
fn images(mae: &Mae, range: Range<usize>) -> MaskedImages {
    let grid = mae.grid();
    let mut masked = MaskedImages::new(grid, 0.75);
    for i in range {
        let mut rng = stream(1, Purpose::Augment, 0, i as u64);
        let image = draw(Init::Normal { deviation: 1.0 }, &[grid.image_len()], &mut rng);
        masked.push(grid, &image, &random_order(grid.count(), 1, 0, i as u64), true);
    }
    masked
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
}

/// Loss and gradient by candle's differentiable operations in double precision.
fn composed(mae: &Mae, masked: &MaskedImages) -> (f64, Vec<f64>) {
    let weights = Composed::new(mae.params(), DType::F64).unwrap();
    let loss = mae.composed_loss(&weights, masked).unwrap();
    (scalar(&loss), weights.gradients(&loss).unwrap())
}

/// Loss and gradient by our own arithmetic.
fn own(mae: &Mae, masked: MaskedImages) -> (f64, Vec<f32>) {
    let mut gradients = vec![0.0; mae.params().values().len()];
    let run = &mut MaeRun::new(single());
    let loss = run.gradients(mae, &[masked], &[1.0], &mut gradients);
    (loss, gradients)
}

#[test]
fn every_trainable_tensor_gets_a_gradient() {
    for spec in [MICRO, ModelSpec::default()] {
        let mae = Mae::drawn(&spec, 3);
        let (_, gradients) = own(&mae, images(&mae, 0..3));
        for param in mae.params().iter() {
            let largest = param.slot.of(&gradients).iter().fold(0f32, |most, g| most.max(g.abs()));
            // The bias of k shifts all scores of a row equally, so softmax hides it; the tensor also holds the biases of q and v.
            assert_eq!(largest > 1e-7, param.trainable, "{}: {largest}", param.name);
        }
    }
}

#[test]
fn the_loss_and_its_gradients_agree_with_the_composed_model() {
    for (spec, count) in [(MICRO, 3), (ModelSpec::default(), 2)] {
        let mae = Mae::drawn(&spec, 3);
        let (loss, gradients) = own(&mae, images(&mae, 0..count));
        let (oracle, oracles) = composed(&mae, &images(&mae, 0..count));
        assert!((loss - oracle).abs() < 1e-6, "{loss} {oracle}");
        for param in mae.params().trainable() {
            let oracle = &oracles[param.slot.range()];
            let largest = oracle.iter().fold(0f64, |most, g| most.max(g.abs()));
            for (got, want) in param.slot.of(&gradients).iter().zip(oracle) {
                let off = (f64::from(*got) - want).abs();
                assert!(off < 1e-5 * (largest + 1e-2), "{}: off by {off} of {largest}", param.name);
            }
        }
    }
}

#[test]
fn finite_differences_agree() {
    const STEP: f32 = 1.0 / 1024.0;
    let mut mae = Mae::drawn(&MICRO, 3);
    let masked = images(&mae, 0..2);
    let (_, gradients) = composed(&mae, &masked);
    let params: Vec<_> = mae.params().trainable().cloned().collect();
    for (place, param) in params.iter().enumerate() {
        // Two values of each tensor, at different places.
        for at in [place % param.slot.len, (7 * place + 3) % param.slot.len] {
            let at = param.slot.start + at;
            let before = mae.params().values()[at];
            let mut with = |by: f32| {
                mae.params_mut().values_mut()[at] = before + by;
                (f64::from(before + by), composed(&mae, &masked).0)
            };
            let ((high, above), (low, below)) = (with(STEP), with(-STEP));
            with(0.0);
            let slope = (above - below) / (high - low);
            let tolerance = 1e-5 + 1e-3 * gradients[at].abs();
            assert!(
                (slope - gradients[at]).abs() < tolerance,
                "{} at {at}: {slope} and {}",
                param.name,
                gradients[at]
            );
        }
    }
}

/// Four steps on 11 images; returns the losses and the digest of the model.
fn train(threads: usize) -> (Vec<u64>, String) {
    let mut mae = Mae::drawn(&MICRO, 3);
    let shards: Vec<_> = shards(11).map(|shard| images(&mae, shard)).collect();
    let weights: Vec<f64> = shards.iter().map(|shard| shard.images as f64 / 11.0).collect();
    let mut adamw = AdamW::new(single().path, mae.params().layout(), (0.9, 0.95), 0.05);
    let mut run = MaeRun::new(single());
    let mut gradients = vec![0.0; mae.params().values().len()];
    let mut losses = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for _ in 0..4 {
        let loss = pool.install(|| run.gradients(&mae, &shards, &weights, &mut gradients));
        adamw.step(mae.params_mut(), &gradients, 1e-2);
        losses.push(loss.to_bits());
    }
    (losses, mae.params().digest())
}

#[test]
fn threads_change_no_bit() {
    let (losses, digest) = train(1);
    assert!(f64::from_bits(losses[3]) < f64::from_bits(losses[0]), "the loss falls");
    for threads in [1, 2, 3] {
        assert_eq!(train(threads), (losses.clone(), digest.clone()), "{threads} threads");
    }
}

/// Counts how often each parameter's gradient is written.
struct Counted(Vec<u32>);

impl Gradients for Counted {
    fn part(&mut self, range: Range<usize>, write: &mut (dyn FnMut(&mut [f32]) + Send)) {
        let mut part = vec![f32::NAN; range.len()];
        write(&mut part);
        assert!(part.iter().all(|value| value.is_finite()), "all of {range:?} is written");
        self.0[range].iter_mut().for_each(|count| *count += 1);
    }
}

#[test]
fn each_trainable_parameter_is_given_once() {
    let mae = Mae::drawn(&MICRO, 3);
    let mut counted = Counted(vec![0; mae.params().values().len()]);
    let run = &mut MaeRun::new(single());
    run.gradients(&mae, &[images(&mae, 0..3)], &[1.0], &mut counted);
    for param in mae.params().iter() {
        let times = u32::from(param.trainable);
        assert!(
            counted.0[param.slot.range()].iter().all(|&count| count == times),
            "{}",
            param.name
        );
    }
}

#[test]
fn shards_add_up_to_the_batch() {
    let mae = Mae::drawn(&MICRO, 3);
    let (whole, _) = own(&mae, images(&mae, 0..11));
    let shards: Vec<_> = shards(11).map(|shard| images(&mae, shard)).collect();
    let weights: Vec<f64> = shards.iter().map(|shard| shard.images as f64 / 11.0).collect();
    let mut gradients = vec![0.0; mae.params().values().len()];
    let run = &mut MaeRun::new(single());
    let loss = run.gradients(&mae, &shards, &weights, &mut gradients);
    assert!((loss - whole).abs() < 1e-6, "{loss} {whole}");
}

#[test]
fn the_order_of_the_visible_patches_does_not_matter() {
    let mae = Mae::drawn(&MICRO, 3);
    let grid = mae.grid();
    let init = Init::Normal { deviation: 1.0 };
    let image = draw(init, &[grid.image_len()], &mut stream(1, Purpose::Augment, 0, 0));
    let mut order: Vec<u32> = random_order(grid.count(), 1, 0, 0);
    let loss = |order: &[u32]| {
        let mut masked = MaskedImages::new(grid, 0.75);
        masked.push(grid, &image, order, true);
        composed(&mae, &masked).0
    };
    let before = loss(&order);
    order[..4].reverse();
    order[4..].reverse();
    assert!((loss(&order) - before).abs() < 1e-12);
    order.swap(0, 5);
    assert!((loss(&order) - before).abs() > 1e-6, "another mask gives another loss");
}
