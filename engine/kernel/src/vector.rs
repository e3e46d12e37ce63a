//! Loops that the compiler turns into vector instructions, and the functions that they use.
//!
//! A function declared with [`vectorized`] is compiled for the baseline, AVX2 and AVX-512 (on x86; for NEON on ARM); its first
//! argument selects the version. Sums combine lanes in a fixed order, so a result may depend on the instruction set, but never on
//! the number of threads.

use std::array::from_fn;

use super::Path;

/// Declares a function whose body is compiled once for each instruction set. In it, the constant `FUSED` says whether the set has
/// a [fused multiply-add](multiply_add), which rounds only once.
#[macro_export]
macro_rules! vectorized {
    (
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<'a>($($arg:ident: $type:ty),* $(,)?) $body:block
    ) => {
        $(#[$meta])*
        $vis fn $name<'a>(path: $crate::Path, $($arg: $type),*) {
            struct Body<'a, const FUSED: bool> {
                $($arg: $type),*
            }
            impl<'a, const FUSED: bool> $crate::pulp::NullaryFnOnce for Body<'a, FUSED> {
                type Output = ();

                // Only inlined code is compiled for the instruction set.
                #[inline(always)]
                fn call(self) {
                    let Self { $($arg),* } = self;
                    $body
                }
            }
            if $crate::vector::is_plain(path) {
                $crate::pulp::NullaryFnOnce::call(Body::<'a, false> { $($arg),* });
            } else {
                $crate::vector::dispatch(path, Body::<'a, true> { $($arg),* });
            }
        }
    };
}
pub use crate::vectorized;

/// Whether a path runs the code for the architecture's baseline: it is the baseline, or this processor lacks it.
pub fn is_plain(path: Path) -> bool {
    !cfg!(target_arch = "x86_64") || path == Path::Portable || !path.is_here()
}

/// Calls the version compiled for an instruction set beyond the [baseline](is_plain).
pub fn dispatch(path: Path, body: impl pulp::NullaryFnOnce<Output = ()>) {
    #[cfg(target_arch = "x86_64")]
    match path {
        Path::Portable => {}
        Path::Avx2 => {
            if let Some(simd) = pulp::x86::V3::try_new() {
                return simd.vectorize(body);
            }
        }
        Path::Avx512 | Path::Avx512Bf16 | Path::Amx => {
            if let Some(simd) = pulp::x86::V4::try_new() {
                return simd.vectorize(body);
            }
        }
    }
    drop(body);
    unreachable!("this processor has no {path}");
}

/// `a * b + c`, rounded once where `FUSED`.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
pub fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Numbers that a sum takes at once, and so its number of partial sums.
const LANES: usize = 16;
/// Groups of lanes in a long sum: the additions of one group need not wait for those of the one before.
const GROUPS: usize = 4;

/// The sum of `term` over the values at the same place in all slices, none of which is shorter than the first.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
pub fn sum_of<const K: usize>(slices: [&[f32]; K], term: impl Fn([f32; K]) -> f32) -> f32 {
    let n = slices[0].len();
    let mut groups = [[0.0f32; LANES]; GROUPS];
    let mut at = 0;
    while at + GROUPS * LANES <= n {
        for lanes in &mut groups {
            add_terms(lanes, slices, at, &term);
            at += LANES;
        }
    }
    let [one, two, three, four] = groups;
    let mut lanes = from_fn(|i| (one[i] + two[i]) + (three[i] + four[i]));
    while at + LANES <= n {
        add_terms(&mut lanes, slices, at, &term);
        at += LANES;
    }
    let mut sum = folded(lanes, |a, b| a + b);
    for i in at..n {
        sum += term(slices.map(|slice| slice[i]));
    }
    sum
}

/// Adds the terms from `at` on.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
fn add_terms<const K: usize>(
    lanes: &mut [f32; LANES],
    slices: [&[f32]; K],
    at: usize,
    term: &impl Fn([f32; K]) -> f32,
) {
    let parts = slices.map(|slice| slice[at..].first_chunk::<LANES>().expect("LANES values"));
    for (lane, sum) in lanes.iter_mut().enumerate() {
        *sum += term(parts.map(|part| part[lane]));
    }
}

/// The largest value, ignoring NaN; minus infinity when there is none.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
pub fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (max, &value) in lanes.iter_mut().zip(chunk) {
            *max = larger(*max, value);
        }
    }
    rest.iter().fold(folded(lanes, larger), |max, &value| larger(max, value))
}

/// Combines all lanes into one value, first by halves.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
fn folded(lanes: [f32; LANES], both: impl Fn(f32, f32) -> f32) -> f32 {
    let eight: [f32; 8] = from_fn(|i| both(lanes[i], lanes[i + 8]));
    let four: [f32; 4] = from_fn(|i| both(eight[i], eight[i + 4]));
    both(both(four[0], four[2]), both(four[1], four[3]))
}

/// `e^x`, with `x` clamped to -87 to 88; relative error below 2e-7. Splits `x = r + n ln 2` with `|r| <= ln 2 / 2`, approximates
/// `e^r` by a polynomial (coefficients from the Cephes library), and adds `n` to the exponent.
#[inline(always)]
pub fn exp<const FUSED: bool>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = multiply_add::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    // ln 2 in two parts: the product with the first part is exact.
    let r = multiply_add::<FUSED>(n, -0.693_359_4, x);
    let r = multiply_add::<FUSED>(n, 2.121_944_4e-4, r);
    let p = polynomial::<FUSED, _>(
        r,
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let p = multiply_add::<FUSED>(p * r, r, r) + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// The value of a polynomial with these coefficients, the highest first.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = multiply_add::<FUSED>(sum, x, *coefficient);
    }
    sum
}

/// The standard normal distribution at `x`: its distribution function (absolute error below 3e-7; Abramowitz and Stegun
/// 7.1.26) and its density.
#[expect(clippy::inline_always, reason = "a part of vectorised bodies")]
#[inline(always)]
pub fn gauss<const FUSED: bool>(x: f32) -> (f32, f32) {
    let e = exp::<FUSED>(-0.5 * x * x);
    let slope = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / multiply_add::<FUSED>(slope, x.abs(), 1.0);
    let coefficients = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let tail = 0.5 * polynomial::<FUSED, _>(t, coefficients) * t * e;
    (if x >= 0.0 { 1.0 - tail } else { tail }, 0.398_942_3 * e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_standard_library() {
        for i in -8700..=8700 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            for got in [exp::<false>(x), exp::<true>(x)] {
                assert!((f64::from(got) / exact - 1.0).abs() < 2.5e-7, "e^{x}: {got} {exact}");
            }
        }
        assert!(exp::<false>(f32::NAN).is_nan() && exp::<true>(f32::NAN).is_nan());
    }

    #[test]
    fn gauss_agrees_with_erf() {
        for i in -1000..=1000 {
            let x = i as f32 / 100.0;
            let z = f64::from(x);
            let exact = 0.5 * (1.0 + libm::erf(z / 2f64.sqrt()));
            let density = (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
            for (distribution, d) in [gauss::<false>(x), gauss::<true>(x)] {
                let near = (f64::from(distribution) - exact).abs() < 3e-7;
                assert!(near, "at {x}: {distribution} {exact}");
                assert!((f64::from(d) - density).abs() < 3e-7, "at {x}: {d} {density}");
            }
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn sums_and_maxima_of_odd_lengths() {
        for n in 0..200 {
            let values: Vec<f32> = (0..n).map(|i| (i * 7 % 201) as f32).collect();
            assert_eq!(sum_of([&values], |[value]| value), values.iter().sum::<f32>(), "{n}");
            let largest_of = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&values), largest_of, "{n}");
        }
        assert_eq!(largest(&[f32::NAN, 1.0]), 1.0);
        assert_eq!(largest(&[]), f32::NEG_INFINITY);
    }
}
