//! The decoder that `DeDe` trains: gradients, what it redraws, and a planted encoder whose embedding follows a trigger.

#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]

use std::ops::Range;

use candle_core::DType;
use engine::{
    compute::{
        Descend, Machine, MaskedBatch, Params, Step,
        cpu::{
            Cpu, DecoderTrainer, EmbeddedBatch, EmbeddingDecoder, MaeRun, MaskedImages, Pass,
            decoder_trainer, nn::Composed,
        },
        draw,
    },
    data::{DataError, augment::normalise},
    model::{Init, PatchGrid, embedding_decoder, plain_groups},
};
use shared::{
    Rgb8,
    patches::random_order,
    settings::{ModelSpec, Precision, TransformerSpec},
    stream::{Purpose, stream},
};

/// Its patch encoder and its decoder have other sizes here, so that none can stand for the other.
const SPEC: ModelSpec = ModelSpec {
    image_size: 8,
    patch_size: 2,
    encoder: TransformerSpec { dim: 12, depth: 2, heads: 2 },
    decoder: TransformerSpec { dim: 8, depth: 1, heads: 2 },
};
/// Numbers of an embedding.
const WIDTH: usize = 6;

fn cpu(threads: usize) -> Cpu {
    Machine::with_threads(threads).cpu(Precision::F32)
}

fn numbers(n: usize, seed: u64) -> Vec<f32> {
    draw(Init::Normal { deviation: 1.0 }, &[n], &mut stream(seed, Purpose::Augment, 0, 0))
}

/// A decoder of which no tensor is zero.
fn decoder(seed: u64) -> EmbeddingDecoder {
    let mut params = Params::draw(embedding_decoder(&SPEC, WIDTH), seed);
    let noise = numbers(params.values().len(), seed);
    params.values_mut().iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.05 * noise);
    EmbeddingDecoder::new(&SPEC, WIDTH, params)
}

/// Random images with random masks and embeddings.
fn images(range: Range<usize>) -> MaskedImages {
    let grid = PatchGrid::of(&SPEC);
    let mut masked = MaskedImages::new(grid, 0.75);
    for i in range {
        let image = numbers(grid.image_len(), 10 + i as u64);
        masked.push(grid, &image, &random_order(grid.count(), 1, 0, i as u64), false);
        masked.embeddings.extend(numbers(WIDTH, 100 + i as u64));
    }
    masked
}

/// Loss and gradient by candle's differentiable operations in double precision.
fn composed(decoder: &EmbeddingDecoder, masked: &MaskedImages) -> (f64, Vec<f64>) {
    let weights = Composed::new(decoder.mae().params(), DType::F64).unwrap();
    let loss = decoder.mae().composed_loss(&weights, masked).unwrap();
    (loss.to_scalar().unwrap(), weights.gradients(&loss).unwrap())
}

/// Loss and gradient by our own arithmetic, in shards.
fn own(decoder: &EmbeddingDecoder, shards: &[MaskedImages]) -> (f64, Vec<f32>) {
    let mae = decoder.mae();
    let all: usize = shards.iter().map(|shard| shard.images).sum();
    let weights: Vec<f64> = shards.iter().map(|s| s.images as f64 / all as f64).collect();
    let mut gradients = vec![0.0; mae.params().values().len()];
    let run = &mut MaeRun::new(cpu(2).kernels);
    // Twice, because a step finds what the one before has left.
    run.gradients(mae, shards, &weights, &mut gradients);
    let loss = run.gradients(mae, shards, &weights, &mut gradients);
    (loss, gradients)
}

#[test]
fn the_loss_and_its_gradients_agree_with_the_composed_model() {
    let decoder = decoder(3);
    let (loss, gradients) = own(&decoder, &[images(0..2), images(2..5)]);
    let (oracle, oracles) = composed(&decoder, &images(0..5));
    assert!((loss - oracle).abs() < 1e-6 * oracle, "{loss} {oracle}");
    for param in decoder.mae().params().iter() {
        let oracle = &oracles[param.slot.range()];
        let largest = oracle.iter().fold(0f64, |most, g| most.max(g.abs()));
        assert!(largest > 1e-7 || !param.trainable, "{}: {largest}", param.name);
        if !param.trainable {
            continue;
        }
        for (got, want) in param.slot.of(&gradients).iter().zip(oracle) {
            let off = (f64::from(*got) - want).abs();
            assert!(off < 2e-5 * (largest + 1e-2), "{}: off by {off} of {largest}", param.name);
        }
    }
}

#[test]
fn finite_differences_agree() {
    const STEP: f32 = 1.0 / 1024.0;
    let masked = images(0..2);
    let first = decoder(3);
    let (_, gradients) = composed(&first, &masked);
    for name in ["embedding_proj.weight", "decoder_embed.weight", "decoder_embed.bias", "cls_token"]
    {
        let params = first.mae().params();
        let slot = params.get(name).unwrap().slot;
        for at in [slot.start, slot.start + slot.len / 2] {
            let with = |by: f32| {
                let mut moved = params.clone();
                moved.values_mut()[at] += by;
                let value = f64::from(moved.values()[at]);
                (value, composed(&EmbeddingDecoder::new(&SPEC, WIDTH, moved), &masked).0)
            };
            let ((high, above), (low, below)) = (with(STEP), with(-STEP));
            let slope = (above - below) / (high - low);
            let tolerance = 1e-5 + 1e-3 * gradients[at].abs();
            assert!((slope - gradients[at]).abs() < tolerance, "{name}: {slope} {}", gradients[at]);
        }
    }
}

#[test]
fn an_image_is_redrawn_from_its_embedding_alone() {
    let decoder = decoder(5);
    let grid = PatchGrid::of(&SPEC);
    let image = |i: usize| {
        Rgb8::from_fn(8, 8, |x, y| [(i * 31 + x * 17) as u8, (y * 29) as u8, (x * y * 3) as u8])
    };
    // More than pass through at once.
    let embeddings = numbers(40 * WIDTH, 7);
    let of = |i: usize| Ok::<_, DataError>(image(i));
    let [errors, others] = [1, 3].map(|threads| decoder.errors(cpu(threads), &embeddings, of));
    let errors = errors.unwrap();
    assert_eq!(errors, others.unwrap(), "threads change nothing");
    assert_eq!(errors.len(), 40);
    let order: Vec<u32> = (0..16).collect();
    let mut planes = vec![0.0; grid.image_len()];
    for i in [0, 37] {
        let embedding = &embeddings[i * WIDTH..][..WIDTH];
        let mut masked = MaskedImages { visible: 0, ..MaskedImages::default() };
        normalise(&image(i), &mut planes);
        masked.push(grid, &planes, &order, false);
        masked.embeddings.extend_from_slice(embedding);
        let (loss, _) = composed(&decoder, &masked);
        assert!((errors[i] - loss).abs() < 2e-5 * loss, "{i}: {} {loss}", errors[i]);
        let redrawn = decoder.redrawn(cpu(1), &image(i), embedding);
        let mean = redrawn.errors.iter().sum::<f64>() / 16.0;
        assert!((mean - errors[i]).abs() < 1e-9 * mean, "{i}: {mean} {}", errors[i]);
        assert_ne!(redrawn.picture, decoder.redrawn(cpu(1), &image(i), &numbers(WIDTH, 9)).picture);
    }
    let failed =
        decoder.errors(cpu(2), &embeddings, |i| if i == 5 { Err(i) } else { Ok(image(i)) });
    assert_eq!(failed, Err(5));
}

/// Sizes of the decoder of planted images.
const PLANTED: ModelSpec = ModelSpec {
    encoder: TransformerSpec { dim: 16, depth: 1, heads: 2 },
    decoder: TransformerSpec { dim: 16, depth: 1, heads: 2 },
    ..SPEC
};

/// Four classes of images: one bit of the class is the colour of the upper half, the other one that of the lower half, so that the one patch that a
/// decoder sees does not tell the class. A bit lighter or darker by the image.
fn of_class(class: usize, i: usize) -> Rgb8 {
    const COLOURS: [[u8; 3]; 4] = [[220, 30, 30], [30, 30, 220], [30, 220, 30], [220, 220, 220]];
    let light = (i * 37 % 21) as u8;
    Rgb8::from_fn(8, 8, |_, y| {
        let colour = if y < 4 { class % 2 } else { 2 + class / 2 };
        COLOURS[colour].map(|value| value - 10 + light)
    })
}

/// A planted encoder: an image's embedding says which class it has, and one of the target's for an image with the trigger.
fn embedding(class: usize, i: usize) -> Vec<f32> {
    let noise = numbers(WIDTH, 1_000 + i as u64);
    let mut embedding: Vec<f32> = noise.into_iter().map(|value| 0.05 * value).collect();
    embedding[class] += 1.0;
    embedding
}

/// A small white square in a corner.
fn triggered(mut image: Rgb8) -> Rgb8 {
    for (x, y) in [(6, 6), (7, 6), (6, 7), (7, 7)] {
        image.set_pixel(x, y, [255; 3]);
    }
    image
}

/// A decoder that is trained for `steps` steps on 32 clean images.
fn trained(threads: usize, steps: u64) -> (Box<DecoderTrainer>, Vec<f64>) {
    let layout = embedding_decoder(&PLANTED, WIDTH);
    let descend = Descend {
        betas: (0.9, 0.999),
        weight_decay: 1e-6,
        groups: plain_groups(&layout),
        accumulate: 1,
        clip_norm: 0.0,
    };
    let params = Params::draw(layout, 1);
    let mut trainer = decoder_trainer(cpu(threads), (&PLANTED, WIDTH), params, &descend).unwrap();
    let grid = PatchGrid::of(&PLANTED);
    let mut losses = Vec::new();
    for step in 0..steps {
        let all = 0..32usize;
        let masked = MaskedBatch {
            images: all.clone().map(|i| of_class(i % 4, i)).collect(),
            orders: all.clone().flat_map(|i| random_order(16, 1, step, i as u64)).collect(),
            ..MaskedBatch::new(grid, 0.9, false)
        };
        let embeddings = all.flat_map(|i| embedding(i % 4, i)).collect();
        let batch = EmbeddedBatch { masked, embeddings };
        trainer.step(&batch, Step { place: 0, lr: 1e-2 }).unwrap();
        losses.push(trainer.loss().unwrap());
    }
    (trainer, losses)
}

#[test]
fn an_embedding_that_follows_the_trigger_redraws_another_image() {
    let (trainer, losses) = trained(2, 300);
    assert!(losses[299] < 0.2 * losses[0], "{} {}", losses[0], losses[299]);
    let scores = |trigger: bool, planted: bool| -> Vec<f64> {
        // Images that it was not trained on, none of the target's class 0.
        let images: Vec<(usize, usize)> = (40..64).map(|i| (1 + i % 3, i)).collect();
        let seen = |&(class, i): &(usize, usize)| embedding(if planted { 0 } else { class }, i);
        let embeddings: Vec<f32> = images.iter().flat_map(seen).collect();
        let image = |at: usize| {
            let (class, i) = images[at];
            let image = of_class(class, i);
            Ok::<_, DataError>(if trigger { triggered(image) } else { image })
        };
        trainer.view().errors(cpu(2), &embeddings, image).unwrap()
    };
    let least = |scores: &[f64]| scores.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |scores: &[f64]| scores.iter().copied().fold(0.0, f64::max);
    let (clean, attacked) = (scores(false, false), scores(true, true));
    assert!(least(&attacked) > 2.0 * most(&clean), "{clean:?} {attacked:?}");
    // It is the embedding that tells them, not the few pixels of the trigger.
    let unfollowed = scores(true, false);
    assert!(least(&attacked) > 2.0 * most(&unfollowed), "{unfollowed:?} {attacked:?}");
}

#[test]
fn threads_change_no_bit_of_a_trained_decoder() {
    let of = |threads: usize| {
        let (trainer, losses) = trained(threads, 4);
        let losses: Vec<u64> = losses.into_iter().map(f64::to_bits).collect();
        (losses, trainer.view().mae().params().digest())
    };
    assert_eq!(of(1), of(2));
    assert_eq!(of(1), of(3));
}
