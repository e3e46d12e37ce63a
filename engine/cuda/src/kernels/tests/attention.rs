//! Attention by matrix instructions and without.

use super::{File, STORAGES, added, as_stored, assert_near, narrow, random, read, sizes};
use crate::{
    attention::Attention,
    gpu::{Buffer, Launch, real},
    kernels::Storage,
};

fn attention(storage: Storage, tokens: usize, heads: usize, head: usize) {
    let gpu = super::gpu();
    let kernels = Attention::new(gpu.as_ref(), storage, tokens, heads, head).unwrap();
    // For reading and writing only.
    let file = File { gpu: std::sync::Arc::clone(&gpu), kernels: crate::gpu::Kernels(0) };
    let (single, images, width) = (storage.activations_f32, 2, heads * head);
    let (row, scale) = (3 * width, 1.0 / (head as f64).sqrt());
    let qkv = as_stored(single, &random(images * tokens * row, 1));
    let dy = as_stored(single, &random(images * tokens * width, 2));
    let (on_qkv, on_dy) = (file.stored(single, &qkv), file.stored(single, &dy));
    let (mixed, log_sums) =
        (file.room(images * tokens * width), file.room(images * heads * tokens));
    let (grad, parts) = (file.room(images * tokens * row), file.room(images * row));
    let powers = real((scale * std::f64::consts::LOG2_E) as f32);
    let run = |sized: crate::attention::Sized, arguments| {
        let (kernel, threads, memory) = (sized.kernel, sized.threads, sized.memory);
        gpu.launch(Launch { kernel, grid: (images * heads, 1), threads, memory, arguments })
            .unwrap();
    };
    let at = |buffer: &Buffer| buffer.at();
    run(kernels.forward, vec![at(&mixed), at(&log_sums), at(&on_qkv), powers]);
    run(
        kernels.backward,
        vec![at(&grad), at(&parts), at(&on_qkv), at(&mixed), at(&on_dy), at(&log_sums), powers],
    );

    let (mut want, mut want_grad) =
        (vec![0.0; images * tokens * width], vec![0.0; images * tokens * row]);
    let mut want_sums = vec![0.0; images * heads * tokens];
    for image in 0..images {
        for h in 0..heads {
            let of = |which: usize, t: usize, c: usize| {
                (image * tokens + t) * row + which * width + h * head + c
            };
            let value = |which, t, c| f64::from(qkv[of(which, t, c)]);
            for i in 0..tokens {
                let score =
                    |j| (0..head).map(|c| value(0, i, c) * value(1, j, c)).sum::<f64>() * scale;
                let powers: Vec<f64> = (0..tokens).map(|j| f64::exp(score(j))).collect();
                let sum: f64 = powers.iter().sum();
                want_sums[(image * heads + h) * tokens + i] = sum.log2();
                let p: Vec<f64> = powers.iter().map(|power| power / sum).collect();
                let d = |c| f64::from(dy[(image * tokens + i) * width + h * head + c]);
                let dp: Vec<f64> =
                    (0..tokens).map(|j| (0..head).map(|c| d(c) * value(2, j, c)).sum()).collect();
                let dot: f64 = p.iter().zip(&dp).map(|(p, dp)| p * dp).sum();
                for j in 0..tokens {
                    let ds = p[j] * (dp[j] - dot) * scale;
                    for c in 0..head {
                        want[(image * tokens + i) * width + h * head + c] += p[j] * value(2, j, c);
                        want_grad[of(2, j, c)] += p[j] * d(c);
                        want_grad[of(0, i, c)] += ds * value(1, j, c);
                        want_grad[of(1, j, c)] += ds * value(0, i, c);
                    }
                }
            }
        }
    }
    let what = |name| format!("{name} of {tokens} tokens, {heads} heads of {head}");
    let most = if single { 2e-6 } else { 1e-2 };
    assert_near(&what("attention"), &want, &read(single, &mixed, want.len()), most);
    assert_near(
        &what("sums"),
        &want_sums,
        &read(true, &log_sums, want_sums.len()),
        if single { 1e-6 } else { 1e-3 },
    );
    assert_near(&what("gradient"), &want_grad, &read(single, &grad, want_grad.len()), most);
    let want: Vec<f64> = (0..row).map(|c| want_grad.iter().skip(c).step_by(row).sum()).collect();
    let sums = added(&read(true, &parts, images * row), row, 0, row);
    // Keys have no bias that matters: the sum of their gradients is rounding.
    for which in [0, 2] {
        let part = which * width..(which + 1) * width;
        assert_near(&what("bias"), &want[part.clone()], &narrow(&sums[part]), 5.0 * most);
    }
}

#[test]
fn matrix_instructions_serve_heads_of_16_to_128() {
    for (tokens, heads, head) in
        [(17, 2, 16), (50, 1, 64), (65, 1, 32), (33, 1, 48), (20, 1, 80), (50, 1, 128)]
    {
        attention(STORAGES[1], tokens, heads, head);
    }
}

#[test]
fn matrix_instructions_serve_the_lengths_of_vits() {
    for (tokens, heads, head) in sizes(
        &[(197, 1, 32), (257, 1, 16)],
        &[(197, 12, 64), (50, 12, 64), (50, 16, 64), (197, 16, 32), (65, 4, 32), (257, 16, 80)],
    ) {
        attention(STORAGES[1], tokens, heads, head);
    }
}

#[test]
fn other_heads_and_single_precision_are_served_plainly() {
    let usual = [(17, 2, 16), (5, 3, 8), (33, 1, 40), (40, 1, 136)];
    for (tokens, heads, head) in sizes(&usual, &[(197, 12, 64), (197, 16, 32)]) {
        attention(STORAGES[0], tokens, heads, head);
    }
    attention(STORAGES[1], 19, 2, 24);
}
