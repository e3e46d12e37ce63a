//! Every kernel against double precision, odd sizes included.
//!
//! The numbers of each test come from a seeded generator; results that were never written are no numbers, and fail.

mod attention;
mod numbers;
mod optimiser;
mod pixels;
mod rows;

use std::sync::Arc;

use super::{Source, Storage};
use crate::{
    emulated::Emulated,
    gpu::{Buffer, Gpu, Kernels, Launch},
    testing::{real_gpu, test_gpu},
};

/// Storages that a model may have.
const STORAGES: [Storage; 3] = [
    Storage { activations_f32: true, residual_f32: true },
    Storage { activations_f32: false, residual_f32: true },
    Storage { activations_f32: false, residual_f32: false },
];

/// The GPU that `MASKDOOR_TEST_GPU` names by its number, or the kernels emulated, with warps that stand still now and then.
fn gpu() -> Arc<dyn Gpu> {
    real_gpu().unwrap_or_else(|| Arc::new(Emulated::restless()))
}

/// Sizes of a test, and those of ViT-B, L and H, which only a real GPU computes in a test's time.
fn sizes<T: Copy>(usual: &[T], large: &[T]) -> Vec<T> {
    let large = if test_gpu().is_some() { large } else { &[] };
    [usual, large].concat()
}

/// A file of kernels on a GPU, to start by name.
struct File {
    gpu: Arc<dyn Gpu>,
    kernels: Kernels,
}

impl File {
    fn load(source: &Source) -> Self {
        let gpu = gpu();
        let kernels = gpu.load(source).unwrap();
        Self { gpu, kernels }
    }

    fn run(
        &self,
        name: &'static str,
        grid: (usize, usize),
        threads: usize,
        memory: usize,
        arguments: Vec<u64>,
    ) {
        let kernel = self.kernels.get(name);
        self.gpu.launch(Launch { kernel, grid, threads, memory, arguments }).unwrap();
    }

    fn of(&self, values: &[f32]) -> Buffer {
        Buffer::of(&self.gpu, values).unwrap()
    }

    /// Numbers as an activation or the residual stream stores them.
    fn stored(&self, single: bool, values: &[f32]) -> Buffer {
        if single {
            return self.of(values);
        }
        Buffer::of(&self.gpu, &crate::gpu::rounded(values)).unwrap()
    }

    /// Memory for numbers that a kernel writes.
    fn room(&self, count: usize) -> Buffer {
        Buffer::new(&self.gpu, 4 * count).unwrap()
    }
}

/// The first numbers of what a kernel wrote.
fn read(single: bool, buffer: &Buffer, count: usize) -> Vec<f32> {
    if single { buffer.read(count).unwrap() } else { widened(&buffer.read(count).unwrap()) }
}

/// bf16 as single precision.
fn widened(bits: &[u16]) -> Vec<f32> {
    bits.iter().map(|&bits| f32::from_bits(u32::from(bits) << 16)).collect()
}

/// What numbers are once they were stored.
fn as_stored(single: bool, values: &[f32]) -> Vec<f32> {
    if single { values.to_vec() } else { widened(&crate::gpu::rounded(values)) }
}

/// Numbers between -2 and 2 from a seed.
fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u32 << 22) as f32 - 2.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// Fails where numbers are further off than `most`, relative to those wanted.
fn assert_near(what: &str, want: &[f64], got: &[f32], most: f64) {
    assert_eq!(want.len(), got.len(), "{what}");
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let off = square(&mut want.iter().zip(got).map(|(a, &b)| a - f64::from(b)));
    let distance = (off / square(&mut want.iter().copied()).max(1e-300)).sqrt();
    assert!(distance < most, "{what} is off by {distance:e}");
}

/// Columns of parts, added up in double precision.
fn added(parts: &[f32], stride: usize, first: usize, width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in parts.chunks_exact(stride) {
        sums.iter_mut().zip(&row[first..]).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    sums
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

#[test]
fn a_file_knows_its_kernels() {
    let of = |source: Source| source.kernels().collect::<Vec<_>>();
    assert_eq!(of(Source::norm(8, false)), ["norm_forward", "norm_backward"]);
    assert_eq!(of(Source::attention()), ["attention_forward", "attention_backward"]);
    assert_eq!(of(Source::adamw()), ["accumulate", "squares", "clip", "adamw"]);
}

#[test]
fn constants_make_another_file() {
    let digest = |width| Source::norm(width, false).digest("", "");
    assert_ne!(digest(8), digest(16));
    assert_eq!(digest(8), digest(8));
}
