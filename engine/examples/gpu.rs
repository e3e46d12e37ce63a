//! Maskdoor's side of the GPU benchmark: `gpu train|finetune|forward A|A4|B|L BATCH f32|tf32|bf16|bf16_stream` on random images, on the first GPU.
//!
//! Prints a line of JSON: milliseconds of a step (median, least and most of 5 runs), images a second, GiB that the program took on the
//! device. A step has all that a step of a run has: images that lie on the GPU as bytes are cut and normalised there, and the loss comes back.
//! Features are of images in the host's memory, which go to the GPU while it computes those of others.

use std::{
    collections::VecDeque,
    error::Error,
    io::{Write, stdout},
    time::Instant,
};

use engine::{
    compute::{
        Descend, Device, DynTrainer, ImageSet, LabelledBatch, Machine, MaskedBatch, Params, Step,
        Targets, cuda::Cuda,
    },
    data::{augment::Crop, mix::Mix},
    model::{PatchGrid, mae, plain_groups, vit},
};
use shared::{
    Rgb8,
    patches::random_order,
    settings::{ModelSpec, Pooling, Precision, TransformerSpec},
    stream::{Purpose, stream, uniform},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const STEP: Step = Step { place: 0, lr: 1.5e-4 };
const CLASSES: usize = 100;
const RUNS: usize = 5;

/// Milliseconds of a step in each run, sorted, and bytes on the device behind them.
struct Measured {
    times: [f64; RUNS],
    taken: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, setting, batch, precision] = &arguments[..] else {
        return Err("gpu train|finetune|forward A|A4|B|L BATCH f32|tf32|bf16|bf16_stream".into());
    };
    let (spec, batch) = (self::setting(setting)?, batch.parse::<usize>()?);
    let precision: Precision = serde_json::from_value(precision.as_str().into())?;
    let gpu = ::cuda::Device::open(0, std::env::var_os("MASKDOOR_KERNEL_CACHE").map(Into::into))?;
    let threads = std::thread::available_parallelism()?.get();
    let device =
        Cuda::new(vec![gpu.clone()], precision, Machine::with_threads(threads).cpu(precision));
    let began = Instant::now();
    let steps = if matches!(setting.as_str(), "B" | "L") { 10 } else { 100 };
    let Measured { times, taken } = match what.as_str() {
        "train" => train((&device, &gpu), &spec, batch, steps)?,
        "finetune" => finetune((&device, &gpu), &spec, batch, steps)?,
        "forward" => forward((&device, &gpu), &spec, batch, steps)?,
        _ => return Err("train, finetune or forward".into()),
    };
    let [least, .., most] = times;
    let median = times[RUNS / 2];
    let line = serde_json::json!({
        "side": "maskdoor", "kind": what, "model": setting, "batch": batch, "mode": precision,
        "ms": median, "low": least, "high": most,
        "img_s": batch as f64 / median * 1e3,
        "gib": taken as f64 / f64::from(1 << 30),
        "setup_s": began.elapsed().as_secs_f64(),
        "bits": gpu.bits(),
    });
    writeln!(stdout(), "{line}")?;
    Ok(())
}

fn setting(name: &str) -> Result<ModelSpec, Box<dyn Error>> {
    let part = |dim, depth, heads| TransformerSpec { dim, depth, heads };
    let small = |depth| ModelSpec {
        image_size: 32,
        patch_size: 4,
        encoder: part(192, depth, 3),
        decoder: part(128, 2, 4),
    };
    let large =
        |encoder| ModelSpec { image_size: 224, patch_size: 16, encoder, decoder: part(512, 8, 16) };
    match name {
        "A" => Ok(small(12)),
        "A4" => Ok(small(4)),
        "B" => Ok(large(part(768, 12, 12))),
        "L" => Ok(large(part(1024, 24, 16))),
        _ => Err("a model is A, A4, B or L".into()),
    }
}

/// Milliseconds of a step in each run, sorted. `step` issues one; `wait` waits for all.
fn times(
    steps: usize,
    mut step: impl FnMut() -> Result<(), Box<dyn Error>>,
    mut wait: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<[f64; RUNS], Box<dyn Error>> {
    (0..5).try_for_each(|_| step())?;
    wait()?;
    let mut times = [0.0; RUNS];
    for time in &mut times {
        let began = Instant::now();
        (0..steps).try_for_each(|_| step())?;
        wait()?;
        *time = began.elapsed().as_secs_f64() / steps as f64 * 1e3;
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn image(spec: &ModelSpec, index: usize) -> Rgb8 {
    let side = spec.image_size as usize;
    let mut rng = stream(1, Purpose::Augment, 0, index as u64);
    let bytes = (0..side * side * 3).map(|_| (uniform(&mut rng) * 255.0) as u8).collect();
    Rgb8::from_raw(side, side, bytes).expect("as many bytes as it has")
}

fn masked(spec: &ModelSpec, images: usize) -> MaskedBatch {
    let (side, patch) = (spec.image_size as usize, spec.patch_size as usize);
    let mut batch = MaskedBatch::new(PatchGrid { side, patch }, 0.75, true);
    for i in 0..images {
        batch.images.push(image(spec, i));
        batch.orders.extend(random_order(spec.patches() as usize, 1, 0, i as u64));
    }
    batch
}

fn descend(params: &Params, betas: (f64, f64)) -> Descend {
    let groups = plain_groups(params.layout());
    Descend { betas, weight_decay: 0.05, groups, accumulate: 1, clip_norm: 0.0 }
}

/// Crops of each image of a set, as a run draws them.
fn crops(spec: &ModelSpec, images: usize) -> Vec<Crop> {
    let side = spec.image_size as usize;
    let mut rng = stream(1, Purpose::Augment, 1, 0);
    let draw = |i| Crop::draw(i as u32, (side, side), 0.2, true, &mut rng);
    (0..images).map(draw).collect()
}

/// Lays images onto the device.
fn hold<B: Send, V: ?Sized>(
    trainer: &mut DynTrainer<B, V>,
    pixels: &[Rgb8],
    like: &B,
) -> Result<(), Box<dyn Error>> {
    let image = |i: usize| Ok(pixels[i].clone());
    let set = ImageSet { count: pixels.len(), side: pixels[0].width(), image: &image };
    if trainer.hold(&set, like, &mut ())? { Ok(()) } else { Err("the images do not fit".into()) }
}

fn train(
    (device, gpu): (&Cuda, &::cuda::Device),
    spec: &ModelSpec,
    images: usize,
    steps: usize,
) -> Result<Measured, Box<dyn Error>> {
    let params = Params::draw(mae(spec), 1);
    let descend = descend(&params, (0.9, 0.95));
    let trainer = std::cell::RefCell::new(device.pretrainer(spec, params, &descend)?);
    let (mut batch, waiting) = (masked(spec, images), std::cell::RefCell::new(VecDeque::new()));
    hold(&mut **trainer.borrow_mut(), &batch.images, &batch)?;
    (batch.images, batch.crops) = (Vec::new(), crops(spec, images));
    // As a run does: the loss of the batch before is asked for while the next is on its way.
    let step = || {
        let mut trainer = trainer.borrow_mut();
        trainer.step(&batch, STEP)?;
        waiting.borrow_mut().push_back(());
        while waiting.borrow().len() > trainer.in_flight() {
            waiting.borrow_mut().pop_front();
            trainer.loss()?;
        }
        Ok(())
    };
    let wait = || {
        while waiting.borrow_mut().pop_front().is_some() {
            trainer.borrow_mut().loss()?;
        }
        Ok(())
    };
    Ok(Measured { times: times(steps, step, wait)?, taken: gpu.taken() })
}

fn finetune(
    (device, gpu): (&Cuda, &::cuda::Device),
    spec: &ModelSpec,
    images: usize,
    steps: usize,
) -> Result<Measured, Box<dyn Error>> {
    let params = Params::draw(vit(spec, CLASSES, Pooling::Mean), 1);
    let descend = descend(&params, (0.9, 0.999));
    let trainer =
        std::cell::RefCell::new(device.finetuner(spec, Pooling::Mean, params, &descend)?);
    let labels: Vec<u32> = (0..images as u32).map(|i| i % CLASSES as u32).collect();
    let batch = LabelledBatch {
        planes: Vec::new(),
        crops: (crops(spec, images), Mix::NONE),
        targets: Targets::new(&labels, CLASSES, 0.1, 0.7).shares,
        drops: vec![vec![1.0; images]; 2 * spec.encoder.depth as usize],
    };
    let pixels: Vec<_> = (0..images).map(|i| image(spec, i)).collect();
    hold(&mut **trainer.borrow_mut(), &pixels, &batch)?;
    let step = || Ok(trainer.borrow_mut().step(&batch, STEP)?);
    let wait = || Ok(trainer.borrow_mut().loss().map(|_| ())?);
    Ok(Measured { times: times(steps, step, wait)?, taken: gpu.taken() })
}

fn forward(
    (device, gpu): (&Cuda, &::cuda::Device),
    spec: &ModelSpec,
    images: usize,
    steps: usize,
) -> Result<Measured, Box<dyn Error>> {
    let encoder = device.encoder(spec, Params::draw(mae(spec), 1))?;
    let pixels: Vec<_> = (0..images).map(|i| image(spec, i)).collect();
    // All steps at once, as an evaluation of many images asks for them.
    let all = || {
        encoder.features(0..images * steps, &|i| Ok(pixels[i % images].clone()))?;
        Ok(())
    };
    let times = times(1, all, || Ok(()))?.map(|time| time / steps as f64);
    Ok(Measured { times, taken: gpu.taken() })
}
