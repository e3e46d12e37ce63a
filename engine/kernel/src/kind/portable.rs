//! Arrays of four numbers, which compilers put into a vector register on any machine.
#![expect(unsafe_code, reason = "reads and writes through pointers, like the other kinds")]
#![expect(clippy::inline_always, reason = "a part of a tile")]

use super::{Kind, entry};

struct Single;

const LANES: usize = 4;

#[inline(always)]
fn each(value: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(value)
}

impl Kind for Single {
    type Vector = [f32; LANES];
    const LANES: usize = LANES;
    const ROWS: usize = 4;
    const VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> [f32; LANES] {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn load(words: *const u32) -> [f32; LANES] {
        // SAFETY: by the trait's contract.
        unsafe { words.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> [f32; LANES] {
        // SAFETY: by the trait's contract.
        [unsafe { word.cast::<f32>().read() }; LANES]
    }
    #[inline(always)]
    unsafe fn mac(sum: [f32; LANES], a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        each(|i| sum[i] + a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn read(numbers: *const f32) -> [f32; LANES] {
        // SAFETY: by the trait's contract.
        unsafe { numbers.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn write(numbers: *mut f32, values: [f32; LANES]) {
        // SAFETY: by the trait's contract.
        unsafe { numbers.cast::<[f32; LANES]>().write_unaligned(values) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        each(|i| a[i] + b[i])
    }
}

entry!(SINGLE, single, Single);
