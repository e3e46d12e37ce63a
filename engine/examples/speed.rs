//! Maskdoor's side of `make bench`: `speed train|finetune|forward A|A4|B f32|bf16` on random images, or `speed loader FOLDER`, which
//! makes training images of 224 px from all JPEG files under a folder on one thread: decoded, cropped, mirrored, normalised.
//!
//! Writes `ready BATCH`; then, for each number n on standard input, the seconds that n steps take, and for `memory` the peak memory
//! of the process in bytes. A: 32-px images, patch 4, encoder 192 x 12, decoder 128 x 2, batch 128; A4: the same with 4
//! blocks; B: ViT-B/16 at 224 px, decoder 512 x 8, batch 8. `MASKDOOR_THREADS` and `MASKDOOR_KERNELS` choose threads and kernels.

use std::{
    error::Error,
    ffi::OsStr,
    fs,
    hint::black_box,
    io::{BufRead, Write, stdin, stdout},
    path::{Path, PathBuf},
    time::Instant,
};

use engine::{
    compute::{
        Machine, Step, Targets,
        cpu::{
            Cpu, Descent, LabelledImages, Mae, MaeRun, MaskedImages, Pass, Vit, VitRun,
            WholeImages, optim::AdamW, shards,
        },
        draw,
    },
    data::augment::{Filter, normalise, random_flip, random_resized_crop},
    decode::{Limits, decode},
    model::Init,
};
use rayon::prelude::*;
use shared::{
    dataset::Transparency,
    patches::random_order,
    settings::{ModelSpec, Pooling, Precision, TransformerSpec},
    stream::{Purpose, stream},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LR: f64 = 1.5e-4;
/// Every batch is a step.
const STEP: Step = Step { place: 0, lr: LR };
const CLASSES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let machine = Machine::from_environment()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [what, folder] = &arguments[..]
        && what == "loader"
    {
        let files = jpegs(folder.as_ref())?;
        let mut epoch = 0;
        return serve(files.len(), || {
            load(&files, epoch).expect("all files are images");
            epoch += 1;
        });
    }
    let [what, setting, precision] = &arguments[..] else {
        return Err("speed train|finetune|forward A|A4|B f32|bf16".into());
    };
    let (spec, batch) = self::setting(setting)?;
    let cpu = machine.cpu(match precision.as_str() {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        _ => return Err("a precision is f32 or bf16".into()),
    });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cpu.threads).build()?;
    let mut step = match what.as_str() {
        "train" => train(&spec, batch, cpu),
        "finetune" => finetune(&spec, batch, cpu),
        "forward" => forward(&spec, batch, cpu),
        _ => return Err("train, finetune or forward".into()),
    };
    serve(batch, || pool.install(&mut *step))
}

/// Runs the steps that standard input requests.
fn serve(batch: usize, mut step: impl FnMut()) -> Result<(), Box<dyn Error>> {
    for _ in 0..2 {
        step();
    }
    writeln!(stdout(), "ready {batch}")?;
    for line in stdin().lock().lines() {
        let line = line?;
        if line == "memory" {
            writeln!(stdout(), "{}", peak_memory()?)?;
            continue;
        }
        let steps: usize = line.parse()?;
        let began = Instant::now();
        (0..steps).for_each(|_| step());
        writeln!(stdout(), "{:.6}", began.elapsed().as_secs_f64())?;
    }
    Ok(())
}

fn random_image(spec: &ModelSpec, index: usize) -> Vec<f32> {
    let mut rng = stream(1, Purpose::Augment, 0, index as u64);
    let side = spec.image_size as usize;
    draw(Init::Normal { deviation: 1.0 }, &[3 * side * side], &mut rng)
}

/// The JPEG files under a folder, in order.
fn jpegs(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let jpeg = |end: &OsStr| ["jpg", "jpeg"].iter().any(|name| end.eq_ignore_ascii_case(name));
        if path.is_dir() {
            files.extend(jpegs(&path)?);
        } else if path.extension().is_some_and(jpeg) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a training image from each file.
fn load(files: &[PathBuf], epoch: u64) -> Result<(), Box<dyn Error>> {
    const SIDE: usize = 224;
    let mut planes = vec![0.0; 3 * SIDE * SIDE];
    for (i, file) in files.iter().enumerate() {
        let image = decode(&fs::read(file)?, Limits::default(), Transparency::Drop)?;
        let mut rng = stream(1, Purpose::Augment, epoch, i as u64);
        let image = random_resized_crop(&image, SIDE, 0.2, Filter::Bicubic, &mut rng);
        normalise(&random_flip(image, &mut rng), &mut planes);
        black_box(&planes);
    }
    Ok(())
}

fn weights(batch: usize) -> Vec<f64> {
    shards(batch).map(|shard| shard.len() as f64 / batch as f64).collect()
}

fn train(spec: &ModelSpec, batch: usize, cpu: Cpu) -> Box<dyn FnMut() + Send> {
    let mut mae = Mae::drawn(spec, 1);
    let grid = mae.grid();
    let masked = |shard: std::ops::Range<usize>| {
        let mut masked = MaskedImages::new(grid, 0.75);
        for i in shard {
            let order = random_order(grid.count(), 1, 0, i as u64);
            masked.push(grid, &random_image(spec, i), &order, true);
        }
        masked
    };
    let shards: Vec<MaskedImages> = shards(batch).map(masked).collect();
    let parameters = mae.params().values().len();
    let mut run = MaeRun::new(cpu.kernels);
    let mut descent = Descent::new(1, 0.0, parameters);
    let mut adamw = AdamW::new(cpu.kernels.path, mae.params().layout(), (0.9, 0.95), 0.05);
    let weights = weights(batch);
    Box::new(move || {
        run.gradients(&mae, &shards, &weights, &mut descent.toward(&mut adamw));
        descent.step(STEP, &mut adamw, mae.params_mut());
    })
}

fn whole(spec: &ModelSpec, vit: &Vit, shard: std::ops::Range<usize>) -> WholeImages {
    let mut images = WholeImages::default();
    shard.for_each(|i| images.push(vit.grid(), &random_image(spec, i)));
    images
}

fn finetune(spec: &ModelSpec, batch: usize, cpu: Cpu) -> Box<dyn FnMut() + Send> {
    let mut vit = Vit::drawn(spec, CLASSES, Pooling::Mean, 1);
    let shards: Vec<LabelledImages> = shards(batch)
        .map(|shard| {
            let labels: Vec<u32> = shard.clone().map(|i| (i % CLASSES) as u32).collect();
            let targets = Targets::new(&labels, CLASSES, 0.1, 1.0).shares;
            LabelledImages { images: whole(spec, &vit, shard), targets, drops: None }
        })
        .collect();
    let parameters = vit.params().values().len();
    let mut run = VitRun::new(cpu.kernels);
    let mut descent = Descent::new(1, 0.0, parameters);
    let mut adamw = AdamW::new(cpu.kernels.path, vit.params().layout(), (0.9, 0.999), 0.05);
    let weights = weights(batch);
    Box::new(move || {
        run.gradients(&vit, &shards, &weights, &mut descent.toward(&mut adamw));
        descent.step(STEP, &mut adamw, vit.params_mut());
    })
}

/// The encoder's features of whole images: what linear probes and evaluations wait for.
fn forward(spec: &ModelSpec, batch: usize, cpu: Cpu) -> Box<dyn FnMut() + Send> {
    let mae = Mae::drawn(spec, 1);
    let grid = mae.grid();
    let order: Vec<u32> = (0..grid.count() as u32).collect();
    let shards: Vec<MaskedImages> = shards(batch)
        .map(|shard| {
            let mut shown = MaskedImages::new(grid, 0.0);
            shard.for_each(|i| shown.push(grid, &random_image(spec, i), &order, false));
            shown
        })
        .collect();
    Box::new(move || {
        let features: Vec<_> =
            shards.par_iter().map(|shard| mae.features(shard, cpu.kernels)).collect();
        assert!(!features.is_empty());
    })
}

/// Peak memory of this process, which Linux records.
fn peak_memory() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix(" kB"));
    Ok(line.ok_or("the system does not report peak memory")?.trim().parse::<u64>()? * 1024)
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
