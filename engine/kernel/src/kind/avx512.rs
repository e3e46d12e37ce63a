//! AVX-512, with and without products of bf16 pairs.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m512, __m512bh, _mm512_add_ps, _mm512_dpbf16_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::{Kind, entry};

struct Single;
struct Pairs;

macro_rules! kind {
    ($kind:ident, |$sum:ident, $a:ident, $b:ident| $mac:expr) => {
        impl Kind for $kind {
            type Vector = __m512;
            const LANES: usize = 16;
            const ROWS: usize = 8;
            const VECTORS: usize = 3;

            #[inline(always)]
            unsafe fn zero() -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_setzero_ps() }
            }
            #[inline(always)]
            unsafe fn load(words: *const u32) -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_loadu_ps(words.cast()) }
            }
            #[inline(always)]
            unsafe fn splat(word: *const u32) -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_set1_ps(word.cast::<f32>().read()) }
            }
            #[inline(always)]
            unsafe fn mac($sum: __m512, $a: __m512, $b: __m512) -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { $mac }
            }
            #[inline(always)]
            unsafe fn read(numbers: *const f32) -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_loadu_ps(numbers) }
            }
            #[inline(always)]
            unsafe fn write(numbers: *mut f32, values: __m512) {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_storeu_ps(numbers, values) }
            }
            #[inline(always)]
            unsafe fn add(a: __m512, b: __m512) -> __m512 {
                // SAFETY: by the trait's contract.
                unsafe { _mm512_add_ps(a, b) }
            }
        }
    };
}

kind!(Single, |sum, a, b| _mm512_fmadd_ps(a, b, sum));
kind!(Pairs, |sum, a, b| {
    let [a, b] = [a, b].map(|words| std::mem::transmute::<__m512, __m512bh>(words));
    _mm512_dpbf16_ps(sum, a, b)
});
entry!(SINGLE, single, Single, "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma");
entry!(PAIRS, pairs, Pairs, "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma");
