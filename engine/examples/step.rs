//! Times a pre-training step on random images: `cargo run --release -p engine --example step -- [A4|A|B] [STEPS]`.
//!
//! Writes images per second, once for each round of STEPS steps. A: 32-px images, patch 4, encoder 192 x 12, decoder
//! 128 x 2, batch 128; A4: the same with 4 blocks; B: ViT-B/16 at 224 px, decoder 512 x 8, batch 8.

use std::{
    error::Error,
    io::{Write, stdout},
    time::Instant,
};

use candle_core::DType;
use engine::{
    device::threads,
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

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (spec, batch) = setting(&arguments.next().unwrap_or_else(|| "A4".into()))?;
    let steps: usize = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let mae = Mae::new(&spec, 1, DType::F32)?;
    let grid = mae.grid();
    let shards: Vec<MaskedImages> = replicas::shards(batch)
        .into_iter()
        .map(|shard| {
            let mut masked = MaskedImages::new(grid, 0.75);
            for i in shard {
                let mut rng = stream(1, Purpose::Augment, 0, i as u64);
                let image = Init::Normal { deviation: 1.0 }.draw(grid.image_len(), &mut rng);
                masked.push(grid, &image, &random_order(grid.count(), 1, 0, i as u64), true);
            }
            masked
        })
        .collect();
    let weights: Vec<f64> = shards.iter().map(|s| s.images as f64 / batch as f64).collect();
    let mut adamw = AdamW::new(mae.params(), (0.9, 0.95), 0.05);
    let mut step = || -> candle_core::Result<f64> {
        let (loss, gradients) = replicas::gradients(mae.params(), &weights, threads(), |shard| {
            mae.forward_loss(&shards[shard])
        })?;
        adamw.step(mae.params(), &gradients, 1.5e-4)?;
        Ok(loss)
    };
    for _ in 0..2 {
        step()?;
    }
    for _ in 0..5 {
        let began = Instant::now();
        let mut loss = 0.0;
        for _ in 0..steps {
            loss = step()?;
        }
        let speed = (steps * batch) as f64 / began.elapsed().as_secs_f64();
        writeln!(stdout(), "{speed:.1} images/s on {} threads, loss {loss:.5}", threads())?;
    }
    Ok(())
}

fn setting(name: &str) -> Result<(ModelSpec, usize), String> {
    let vit = |dim, depth, heads| TransformerSpec { dim, depth, heads };
    let small = |depth| ModelSpec {
        image_size: 32,
        patch_size: 4,
        encoder: vit(192, depth, 3),
        decoder: vit(128, 2, 4),
    };
    match name {
        "A4" => Ok((small(4), 128)),
        "A" => Ok((small(12), 128)),
        "B" => {
            let (encoder, decoder) = (vit(768, 12, 12), vit(512, 8, 16));
            Ok((ModelSpec { image_size: 224, patch_size: 16, encoder, decoder }, 8))
        }
        _ => Err(format!("a setting is A4, A or B, not {name}")),
    }
}
