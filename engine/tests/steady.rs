//! After the first steps, a training step allocates no memory.

#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use engine::{
    compute::{
        Descend, Device, LabelledBatch, MaskedBatch, Params, Step, Targets, Trainer, cpu::Cpu,
    },
    data::mix::Mix,
    model::{PatchGrid, mae, plain_groups, vit},
};
use kernel::{Kernels, Path, Precision};
use shared::{
    Rgb8,
    patches::random_order,
    settings::{ModelSpec, Pooling, TransformerSpec},
};

/// The system allocator, counting the allocations of all threads.
struct Counting;

/// Number of allocations of any size.
static ANY: AtomicUsize = AtomicUsize::new(0);
/// Number of allocations that are large enough for the rows of a shard.
static LARGE: AtomicUsize = AtomicUsize::new(0);
/// Less than the rows of the smallest shard take in the smallest layer, and more than rayon's queues occasionally allocate when a
/// thread steals work from another.
const ROWS: usize = 4096;

#[expect(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: every call is forwarded to the system allocator with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ANY.fetch_add(1, Ordering::Relaxed);
        if layout.size() >= ROWS {
            LARGE.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: by this function's own contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: by this function's own contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SPEC: ModelSpec = ModelSpec {
    image_size: 16,
    patch_size: 4,
    encoder: TransformerSpec { dim: 192, depth: 1, heads: 3 },
    decoder: TransformerSpec { dim: 128, depth: 1, heads: 2 },
};
/// Two images per shard.
const IMAGES: usize = 16;
const CLASSES: usize = 3;
/// Many more rounds than those in which a thread meets a shard size for the first time.
const ROUNDS: usize = 40;

/// Allocations of the steps after the first two.
struct Taken {
    /// Allocations of any size in the round of three steps that has the fewest.
    any: usize,
    /// Rounds with an allocation of a shard's size, and all rounds.
    large: (usize, usize),
}

/// With one thread there is one round. With several, chance decides when each of them first meets a shard size. It allocates its
/// scratch memory then: in some of the first rounds, never again.
fn taken<B: Send, V: ?Sized>(
    trainer: &mut dyn Trainer<Batch = B, View = V>,
    batch: &B,
    threads: usize,
) -> Taken {
    let mut steps = |count: usize| {
        for _ in 0..count {
            trainer.step(batch, Step { place: 0, lr: 1e-3 }).unwrap();
        }
    };
    steps(2);
    let counts = || (ANY.load(Ordering::Relaxed), LARGE.load(Ordering::Relaxed));
    let rounds = if threads == 1 { 1 } else { ROUNDS };
    let mut taken = Taken { any: usize::MAX, large: (0, rounds) };
    for _ in 0..rounds {
        let before = counts();
        steps(3);
        let after = counts();
        taken.any = taken.any.min(after.0 - before.0);
        taken.large.0 += usize::from(after.1 > before.1);
    }
    assert!(trainer.loss().unwrap().is_finite());
    taken
}

fn descend(params: &Params) -> Descend {
    Descend {
        betas: (0.9, 0.95),
        weight_decay: 0.05,
        groups: plain_groups(params.layout()),
        accumulate: 1,
        clip_norm: 0.0,
    }
}

fn pretraining(device: &Cpu) -> Taken {
    let grid = PatchGrid::of(&SPEC);
    let image = |i: usize| Rgb8::from_fn(16, 16, |x, y| [x, y, i].map(|value| 15 * value as u8));
    let order = |i: usize| random_order(grid.count(), 1, 0, i as u64);
    let batch = MaskedBatch {
        images: (0..IMAGES).map(image).collect(),
        orders: (0..IMAGES).flat_map(order).collect(),
        ..MaskedBatch::new(grid, 0.75, true)
    };
    let params = Params::draw(mae(&SPEC), 3);
    let descend = descend(&params);
    taken(&mut *device.pretrainer(&SPEC, params, &descend).unwrap(), &batch, device.threads)
}

fn finetuning(device: &Cpu) -> Taken {
    let grid = PatchGrid::of(&SPEC);
    let labels: Vec<u32> = (0..IMAGES).map(|i| (i % CLASSES) as u32).collect();
    let batch = LabelledBatch {
        planes: (0..IMAGES * grid.image_len()).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect(),
        crops: (Vec::new(), Mix::NONE),
        targets: Targets::new(&labels, CLASSES, 0.1, 1.0).shares,
        drops: vec![vec![1.0; IMAGES]; 2],
    };
    let params = Params::draw(vit(&SPEC, CLASSES, Pooling::Mean), 3);
    let descend = descend(&params);
    taken(
        &mut *device.finetuner(&SPEC, Pooling::Mean, params, &descend).unwrap(),
        &batch,
        device.threads,
    )
}

#[test]
fn a_steady_step_takes_no_memory() {
    for precision in [Precision::F32, Precision::Bf16] {
        for threads in [1, 2, 4] {
            let device = Cpu { threads, kernels: Kernels { path: Path::fastest(), precision } };
            for (what, taken) in
                [("pre-training", pretraining(&device)), ("fine-tuning", finetuning(&device))]
            {
                let (large, rounds) = taken.large;
                assert!(
                    4 * large <= if threads > 1 { rounds } else { 0 },
                    "{what}, {device:?}: {large}"
                );
                // With one thread no work is stolen, and the count is exact.
                assert!(threads > 1 || taken.any == 0, "{what}, {device:?}: {}", taken.any);
            }
        }
    }
}
