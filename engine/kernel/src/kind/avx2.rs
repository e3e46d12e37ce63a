//! AVX2 with FMA.
#![expect(unsafe_code, reason = "vector instructions")]
#![expect(clippy::inline_always, reason = "a part of a tile")]

use std::arch::x86_64::{
    __m256, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use super::{Kind, entry};

struct Single;

impl Kind for Single {
    type Vector = __m256;
    const LANES: usize = 8;
    const ROWS: usize = 6;
    const VECTORS: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(words: *const u32) -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_loadu_ps(words.cast()) }
    }
    #[inline(always)]
    unsafe fn splat(word: *const u32) -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_set1_ps(word.cast::<f32>().read()) }
    }
    #[inline(always)]
    unsafe fn mac(sum: __m256, a: __m256, b: __m256) -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }
    #[inline(always)]
    unsafe fn read(numbers: *const f32) -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_loadu_ps(numbers) }
    }
    #[inline(always)]
    unsafe fn write(numbers: *mut f32, values: __m256) {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_storeu_ps(numbers, values) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: by the trait's contract.
        unsafe { _mm256_add_ps(a, b) }
    }
}

entry!(SINGLE, single, Single, "avx2,fma");
