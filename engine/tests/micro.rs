//! The model as a whole, on a micro size: gradients and determinism.

#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]

use candle_core::{DType, Tensor};
use engine::{
    model::{Mae, MaskedImages},
    nn::Init,
    optim::{AdamW, Optimizer},
    train::replicas,
};
use shared::{
    patches::random_order,
    stream::{Purpose, stream},
    study::{ModelSpec, TransformerSpec},
};

const MICRO: ModelSpec = ModelSpec {
    image_size: 8,
    patch_size: 2,
    encoder: TransformerSpec { dim: 8, depth: 2, heads: 2 },
    decoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
};

/// Random images with random masks.
fn images(mae: &Mae, range: std::ops::Range<usize>) -> MaskedImages {
    let grid = mae.grid();
    let mut masked = MaskedImages::new(grid, 0.75);
    for i in range {
        let mut rng = stream(1, Purpose::Augment, 0, i as u64);
        let image = Init::Normal { deviation: 1.0 }.draw(grid.image_len(), &mut rng);
        masked.push(grid, &image, &random_order(grid.count(), 1, 0, i as u64), true);
    }
    masked
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn every_trainable_tensor_gets_a_gradient() {
    for dtype in [DType::F32, DType::F64] {
        for spec in [MICRO, ModelSpec::default()] {
            let mae = Mae::new(&spec, 3, dtype).unwrap();
            let gradients = mae.forward_loss(&images(&mae, 0..3)).unwrap().backward().unwrap();
            for param in mae.params().trainable() {
                let gradient = gradients.get(param.tensor()).expect(&param.name);
                let largest = scalar(&gradient.abs().unwrap().max_all().unwrap());
                // A bias of k moves all of a row's scores alike, so softmax hides it; the tensor holds q's and v's, too.
                assert!(largest > 1e-7, "{}: {largest}", param.name);
            }
        }
    }
}

#[test]
fn the_loss_and_its_gradients_agree_in_both_precisions() {
    let single = Mae::new(&MICRO, 3, DType::F32).unwrap();
    let double = Mae::new(&MICRO, 3, DType::F64).unwrap();
    let masked = images(&single, 0..3);
    let (loss, oracle) =
        (single.forward_loss(&masked).unwrap(), double.forward_loss(&masked).unwrap());
    assert!((scalar(&loss) - scalar(&oracle)).abs() < 1e-6);
    let (gradients, oracles) = (loss.backward().unwrap(), oracle.backward().unwrap());
    for (param, oracle) in single.params().trainable().zip(double.params().trainable()) {
        let gradient = gradients.get(param.tensor()).unwrap().to_dtype(DType::F64).unwrap();
        let oracle = oracles.get(oracle.tensor()).unwrap();
        let largest = scalar(&oracle.abs().unwrap().max_all().unwrap());
        let off = scalar(&(gradient - oracle).unwrap().abs().unwrap().max_all().unwrap());
        assert!(off < 1e-5 * (largest + 1e-2), "{}: off by {off} of {largest}", param.name);
    }
}

#[test]
fn finite_differences_agree() {
    const STEP: f32 = 1.0 / 1024.0;
    let mae = Mae::new(&MICRO, 3, DType::F64).unwrap();
    let masked = images(&mae, 0..2);
    let gradients = mae.forward_loss(&masked).unwrap().backward().unwrap();
    let loss = || scalar(&mae.forward_loss(&masked).unwrap());
    for (place, param) in mae.params().trainable().enumerate() {
        let gradient = gradients.get(param.tensor()).unwrap().flatten_all().unwrap();
        let gradient = gradient.to_vec1::<f64>().unwrap();
        let values = param.values().unwrap();
        // Two numbers of each tensor, at different places.
        for at in [place % values.len(), (7 * place + 3) % values.len()] {
            let mut changed = values.clone();
            let mut with = |by: f32| {
                changed[at] = values[at] + by;
                param.set(&changed).unwrap();
                (f64::from(changed[at]), loss())
            };
            let ((high, above), (low, below)) = (with(STEP), with(-STEP));
            param.set(&values).unwrap();
            let slope = (above - below) / (high - low);
            let tolerance = 1e-5 + 1e-3 * gradient[at].abs();
            assert!(
                (slope - gradient[at]).abs() < tolerance,
                "{} at {at}: {slope} and {}",
                param.name,
                gradient[at]
            );
        }
    }
}

/// The losses of some steps and the model's digest after them.
fn train(threads: usize) -> (Vec<u64>, String) {
    let mae = Mae::new(&MICRO, 3, DType::F32).unwrap();
    let shards: Vec<_> =
        replicas::shards(11).into_iter().map(|shard| images(&mae, shard)).collect();
    let weights: Vec<f64> = shards.iter().map(|shard| shard.images as f64 / 11.0).collect();
    let mut adamw = AdamW::new(mae.params(), (0.9, 0.95), 0.05);
    let mut losses = Vec::new();
    for _ in 0..4 {
        let (loss, gradients) =
            replicas::gradients(mae.params(), &weights, threads, |i| mae.forward_loss(&shards[i]))
                .unwrap();
        adamw.step(mae.params(), &gradients, 1e-2).unwrap();
        losses.push(loss.to_bits());
    }
    (losses, mae.params().digest().unwrap())
}

#[test]
fn threads_change_no_bit() {
    let (losses, digest) = train(1);
    assert!(f64::from_bits(losses[3]) < f64::from_bits(losses[0]), "it learns");
    for threads in [1, 2, 3] {
        assert_eq!(train(threads), (losses.clone(), digest.clone()), "{threads} threads");
    }
}

#[test]
fn shards_add_up_to_the_batch() {
    let mae = Mae::new(&MICRO, 3, DType::F32).unwrap();
    let whole = scalar(&mae.forward_loss(&images(&mae, 0..11)).unwrap());
    let shards: Vec<_> =
        replicas::shards(11).into_iter().map(|shard| images(&mae, shard)).collect();
    let weights: Vec<f64> = shards.iter().map(|shard| shard.images as f64 / 11.0).collect();
    let (loss, _) =
        replicas::gradients(mae.params(), &weights, 2, |i| mae.forward_loss(&shards[i])).unwrap();
    assert!((loss - whole).abs() < 1e-6, "{loss} {whole}");
}

#[test]
fn the_order_of_the_visible_patches_does_not_matter() {
    let mae = Mae::new(&MICRO, 3, DType::F64).unwrap();
    let grid = mae.grid();
    let image = Init::Normal { deviation: 1.0 }
        .draw(grid.image_len(), &mut stream(1, Purpose::Augment, 0, 0));
    let mut order: Vec<u32> = random_order(grid.count(), 1, 0, 0);
    let loss = |order: &[u32]| {
        let mut masked = MaskedImages::new(grid, 0.75);
        masked.push(grid, &image, order, true);
        scalar(&mae.forward_loss(&masked).unwrap())
    };
    let before = loss(&order);
    order[..4].reverse();
    order[4..].reverse();
    assert!((loss(&order) - before).abs() < 1e-12);
    order.swap(0, 5);
    assert!((loss(&order) - before).abs() > 1e-6, "another mask is another loss");
}
