//! A step of a training takes no memory once the first steps have.

#![expect(clippy::unwrap_used, reason = "a test may end with a panic")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use engine::{
    device,
    model::{LabelledImages, Mae, MaeRun, MaskedImages, Targets, Vit, VitRun, WholeImages},
    nn::Init,
    optim::AdamW,
    train::{
        batches::Batch,
        descent::Descent,
        replicas::{Replica, Replicas},
    },
};
use kernel::{Kernels, Precision};
use shared::{
    patches::random_order,
    stream::{Purpose, stream},
    study::{ModelSpec, Pooling, TransformerSpec},
};

/// The system's allocator, counting what is taken.
struct Counting;

thread_local! {
    /// How often this thread took memory.
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is")]
// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.set(TAKEN.get() + 1);
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

const MICRO: ModelSpec = ModelSpec {
    image_size: 8,
    patch_size: 2,
    encoder: TransformerSpec { dim: 8, depth: 2, heads: 2 },
    decoder: TransformerSpec { dim: 12, depth: 1, heads: 1 },
};

fn image(length: usize, index: u64) -> Vec<f32> {
    Init::Normal { deviation: 1.0 }.draw(length, &mut stream(1, Purpose::Augment, 0, index))
}

/// How often memory is taken in three steps behind the first two. On one thread: with more, which of them meets a shard first is
/// chance.
fn taken_in_steps(mut step: impl FnMut() + Send) -> usize {
    device::pool(1).unwrap().install(|| {
        step();
        step();
        let before = TAKEN.get();
        (0..3).for_each(|_| step());
        TAKEN.get() - before
    })
}

fn kernels() -> impl Iterator<Item = Kernels> {
    [Precision::F32, Precision::Bf16].into_iter().map(Kernels::new)
}

fn replicas<R: Replica>(run: R, parameters: usize) -> Replicas<R> {
    Replicas::new(vec![run], parameters)
}

#[test]
fn a_steady_step_takes_no_memory() {
    let batch = Batch { epoch: 0, step: 0, steps_per_epoch: 1, samples: Vec::new() };
    for kernels in kernels() {
        let mut mae = Mae::new(&MICRO, 3);
        let grid = mae.grid();
        let shards: Vec<MaskedImages> = (0..2)
            .map(|i| {
                let mut masked = MaskedImages::new(grid, 0.75);
                let order = random_order(grid.count(), 1, 0, i);
                masked.push(grid, &image(grid.image_len(), i), &order, true);
                masked
            })
            .collect();
        let mut all = replicas(MaeRun::new(kernels), mae.params().values().len());
        let mut adamw = AdamW::new(mae.params(), (0.9, 0.95), 0.05);
        let mut descent = Descent::new(1, 0.0, mae.params().values().len());
        let taken = taken_in_steps(|| {
            all.gradients(&mae, &shards, &[0.5, 0.5], &mut descent.toward(&mut adamw));
            descent.step(&batch, &mut adamw, mae.params_mut(), 1e-3);
        });
        assert_eq!(taken, 0, "pre-training, {kernels:?}");

        let mut vit = Vit::new(&MICRO, 3, Pooling::Mean, 3);
        let shards: Vec<LabelledImages> = (0..2)
            .map(|i| {
                let mut images = WholeImages::default();
                images.push(grid, &image(grid.image_len(), i));
                let targets = Targets::new(&[i as u32], 3, 0.1, 1.0).shares;
                LabelledImages { images, targets, drops: Some(vec![vec![1.0]; 4]) }
            })
            .collect();
        let mut all = replicas(VitRun::new(kernels), vit.params().values().len());
        let mut adamw = AdamW::new(vit.params(), (0.9, 0.999), 0.05);
        let mut descent = Descent::new(1, 0.0, vit.params().values().len());
        let taken = taken_in_steps(|| {
            all.gradients(&vit, &shards, &[0.5, 0.5], &mut descent.toward(&mut adamw));
            descent.step(&batch, &mut adamw, vit.params_mut(), 1e-3);
        });
        assert_eq!(taken, 0, "fine-tuning, {kernels:?}");
    }
}
