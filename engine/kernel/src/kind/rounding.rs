//! Packing pairs of bf16 numbers with the processor's own rounding, which takes numbers below the smallest normal one for zero.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m128bh, __m128i, __m256bh, __m256i, __m512bh, __m512i, _mm256_cvtepu16_epi32,
    _mm256_cvtneps_pbh, _mm256_loadu_ps, _mm256_or_si256, _mm256_slli_epi32, _mm256_storeu_si256,
    _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh, _mm512_loadu_ps,
    _mm512_or_si512, _mm512_slli_epi32, _mm512_storeu_si512,
};
use std::mem::transmute;

/// Rounds numbers that follow each other, two to a word. Returns how many numbers it took: all but less than 32.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn row(from: &[f32], out: &mut [u32]) -> usize {
    let chunks = from.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<16>().0);
    let mut taken = 0;
    for (from, out) in chunks {
        // SAFETY: 32 numbers are read and 16 words written, as long as the arrays are; a vector of bf16 is plain bits.
        unsafe {
            let [low, high] = [0, 16].map(|at| _mm512_loadu_ps(from.as_ptr().add(at)));
            let words = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), words);
        }
        taken += 32;
    }
    taken
}

/// Rounds `W` numbers each of two rows, one above the other to a word. `W` is 8 or a multiple of 16.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
pub(crate) unsafe fn rows<const W: usize>(one: &[f32; W], two: &[f32; W], out: &mut [u32; W]) {
    const { assert!(W == 8 || W.is_multiple_of(16)) };
    // SAFETY: as many numbers are read and words written as the arrays have; a vector of bf16 is plain bits.
    unsafe {
        if W == 8 {
            let [low, high] = [one, two].map(|row| {
                let rounded = _mm256_cvtneps_pbh(_mm256_loadu_ps(row.as_ptr()));
                _mm256_cvtepu16_epi32(transmute::<__m128bh, __m128i>(rounded))
            });
            let words: __m256i = _mm256_or_si256(low, _mm256_slli_epi32::<16>(high));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), words);
            return;
        }
        for at in (0..W).step_by(16) {
            let [low, high] = [one, two].map(|row| {
                let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(row.as_ptr().add(at)));
                _mm512_cvtepu16_epi32(transmute::<__m256bh, __m256i>(rounded))
            });
            let words = _mm512_or_si512(low, _mm512_slli_epi32::<16>(high));
            _mm512_storeu_si512(out.as_mut_ptr().add(at).cast(), words);
        }
    }
}
