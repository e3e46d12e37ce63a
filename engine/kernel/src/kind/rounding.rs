//! Packing pairs of bf16 numbers with the processor's own rounding, which flushes subnormal numbers to zero.
#![expect(unsafe_code, reason = "vector instructions")]

use std::arch::x86_64::{
    __m256bh, __m256i, __m512bh, __m512i, _mm256_loadu_ps, _mm256_permutexvar_epi16,
    _mm256_storeu_si256, _mm512_castps256_ps512, _mm512_cvtne2ps_pbh, _mm512_cvtneps_pbh,
    _mm512_insertf32x8, _mm512_loadu_ps, _mm512_permutexvar_epi16, _mm512_storeu_si512,
};
use std::mem::transmute;

/// Rounds consecutive numbers, two to a word. Returns how many numbers it packed: all but a rest of fewer than 32.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn row(from: &[f32], out: &mut [u32]) -> usize {
    let chunks = from.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<16>().0);
    let mut taken = 0;
    for (from, out) in chunks {
        // SAFETY: 32 numbers are read and 16 words written, the lengths of the arrays; a vector of bf16 is plain bits.
        unsafe {
            let [low, high] = [0, 16].map(|at| _mm512_loadu_ps(from.as_ptr().add(at)));
            let words = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), words);
        }
        taken += 32;
    }
    taken
}

/// Rounds `W` numbers of each of two rows; each word holds one number and the one below it. `W` is 8 or a multiple of 16.
///
/// # Safety
/// The processor has AVX-512 with bf16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(crate) unsafe fn rows<const W: usize>(one: &[f32; W], two: &[f32; W], out: &mut [u32; W]) {
    /// Where the halves of the words come from: each number of the first row before the one below it.
    const WIDE: [u16; 32] = interleaved();
    const NARROW: [u16; 16] = interleaved();
    const { assert!(W == 8 || W.is_multiple_of(16)) };
    // SAFETY: no more numbers are read or words written than the arrays hold; a vector of bf16 is plain bits.
    unsafe {
        if W == 8 {
            let one = _mm512_castps256_ps512(_mm256_loadu_ps(one.as_ptr()));
            let both = _mm512_insertf32x8::<1>(one, _mm256_loadu_ps(two.as_ptr()));
            let both = transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(both));
            let words = _mm256_permutexvar_epi16(transmute::<[u16; 16], __m256i>(NARROW), both);
            _mm256_storeu_si256(out.as_mut_ptr().cast(), words);
            return;
        }
        for at in (0..W).step_by(16) {
            let [one, two] = [one, two].map(|row| _mm512_loadu_ps(row.as_ptr().add(at)));
            let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(two, one));
            let words = _mm512_permutexvar_epi16(transmute::<[u16; 32], __m512i>(WIDE), both);
            _mm512_storeu_si512(out.as_mut_ptr().add(at).cast(), words);
        }
    }
}

/// `0, n / 2, 1, n / 2 + 1, ...`
const fn interleaved<const N: usize>() -> [u16; N] {
    let mut places = [0; N];
    let mut i = 0;
    while i < N {
        places[i] = (i / 2 + i % 2 * N / 2) as u16;
        i += 1;
    }
    places
}
