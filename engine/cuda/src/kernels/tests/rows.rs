//! Norms, tokens and pooling.

use super::{File, STORAGES, added, as_stored, assert_near, narrow, random, read, sizes};
use crate::{
    gpu::{Buffer, int},
    kernels::{Source, Storage},
};

/// Rows of a stream of 3 images: 3 of each 5, from the second on.
const IMAGES: usize = 3;
const COUNT: usize = 3;
const STRIDE: usize = 5;
const FIRST: usize = 1;
const ROWS: usize = IMAGES * COUNT;

fn words() -> [u64; 4] {
    [int(ROWS), int(COUNT), int(STRIDE), int(FIRST)]
}

/// Where row `row` is in the stream.
fn place(row: usize) -> usize {
    row / COUNT * STRIDE + FIRST + row % COUNT
}

/// The rows of a stream.
fn taken(stream: &[f32], width: usize) -> Vec<f32> {
    (0..ROWS).flat_map(|row| &stream[place(row) * width..][..width]).copied().collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Mean and reciprocal deviation.
fn moments(row: &[f64]) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    (mean, 1.0 / (variance + 1e-6).sqrt())
}

fn norms(width: usize, storage: Storage, single: bool) {
    let file = File::load(&Source::norm(width, single).stored(storage));
    let (act, res, out) =
        (storage.activations_f32, storage.residual_f32, storage.activations_f32 || single);
    let all = IMAGES * STRIDE * width;
    let stream = |seed| as_stored(res, &random(all, seed));
    let (x, delta, factors) = (stream(1), as_stored(act, &random(all, 2)), [0.0f32, 1.25, 0.5]);
    let [bias, gamma, beta] = [3, 4, 5].map(|seed| random(width, seed));
    let on = |values: &[f32]| file.of(values);
    let (x_in, on_delta, on_factors) =
        (file.stored(res, &x), file.stored(act, &delta), on(&factors));
    let [on_bias, on_gamma, on_beta] = [&bias, &gamma, &beta].map(|values| on(values));
    let (x_out, y, stats) = (file.room(all), file.room(ROWS * width), file.room(2 * ROWS));
    let mut arguments =
        vec![x_out.at(), y.at(), stats.at(), x_in.at(), on_delta.at(), on_bias.at()];
    arguments.extend([on_factors.at(), on_gamma.at(), on_beta.at()]);
    arguments.extend(words());
    file.run("norm_forward", (ROWS.div_ceil(8), 1), 256, 0, arguments);

    let mut sum = vec![];
    for row in 0..ROWS {
        for (c, bias) in bias.iter().enumerate() {
            let at = place(row) * width + c;
            sum.push(x[at] + factors[row / COUNT] * (delta[at] + bias));
        }
    }
    let got = taken(&read(res, &x_out, all), width);
    let precise = if res { 1e-6 } else { 4e-3 };
    assert_near("the stream", &wide(&sum), &got, precise);
    // What follows is computed from the stream as it was stored.
    let (sum, mut want) = (wide(&got), vec![]);
    for row in sum.chunks_exact(width) {
        let (mean, scale) = moments(row);
        want.extend(
            (0..width).map(|c| (row[c] - mean) * scale * f64::from(gamma[c]) + f64::from(beta[c])),
        );
    }
    assert_near("the norm", &want, &read(out, &y, ROWS * width), if out { 1e-5 } else { 5e-3 });

    let (dy, old) = (as_stored(out, &random(ROWS * width, 6)), stream(7));
    let (on_dy, grad) = (file.stored(out, &dy), file.stored(res, &old));
    let (branch, blocks) = (file.room(all), 2);
    let parts = file.room(blocks * 3 * width);
    // In its own place.
    let mut arguments = vec![grad.at(), branch.at(), parts.at(), grad.at(), on_dy.at(), x_out.at()];
    arguments.extend([stats.at(), on_gamma.at(), on_factors.at()]);
    arguments.extend(words());
    file.run("norm_backward", (blocks, 1), 128, 0, arguments);
    let (old, mut sums) = (wide(&taken(&old, width)), [(); 3].map(|()| vec![0.0; width]));
    let (mut want, mut want_branch) = (vec![], vec![]);
    for row in 0..ROWS {
        let x = &sum[row * width..][..width];
        let (mean, scale) = moments(x);
        let d = |c: usize| f64::from(dy[row * width + c]);
        let normal = |c: usize| (x[c] - mean) * scale;
        let g = |c: usize| d(c) * f64::from(gamma[c]);
        let one = (0..width).map(g).sum::<f64>() / width as f64;
        let two = (0..width).map(|c| g(c) * normal(c)).sum::<f64>() / width as f64;
        for c in 0..width {
            let value = old[row * width + c] + scale * (g(c) - one - normal(c) * two);
            want.push(value);
            want_branch.push(value * f64::from(factors[row / COUNT]));
            sums[0][c] += d(c) * normal(c);
            sums[1][c] += d(c);
            sums[2][c] += want_branch[row * width + c];
        }
    }
    let got = |single, buffer| taken(&read(single, buffer, all), width);
    assert_near("the gradient", &want, &got(res, &grad), if res { 1e-5 } else { 5e-3 });
    assert_near("the branch's", &want_branch, &got(act, &branch), if act { 1e-5 } else { 5e-3 });
    let parts = read(true, &parts, blocks * 3 * width);
    for (n, want) in sums.iter().enumerate() {
        assert_near("sums", want, &narrow(&added(&parts, 3 * width, n * width, width)), 1e-5);
    }
}

#[test]
fn norms_of_all_widths_and_storages() {
    for width in sizes(&[8, 24, 192, 264, 768], &[512, 1024, 1280]) {
        for storage in STORAGES {
            norms(width, storage, false);
        }
    }
    norms(192, STORAGES[1], true);
}

#[test]
fn tokens_get_their_positions() {
    for storage in STORAGES {
        let (width, images, patches, seen) = (40, 2, 6, 3);
        let file = File::load(&Source::tokens(width).stored(storage));
        let (act, res) = (storage.activations_f32, storage.residual_f32);
        let embedded = as_stored(act, &random(images * seen * width, 1));
        let (token, positions) = (random(width, 2), random((1 + patches) * width, 3));
        let order: [u32; 12] = [3, 1, 5, 0, 2, 4, 5, 4, 3, 2, 1, 0];
        let on_embedded = file.stored(act, &embedded);
        let [on_token, on_positions] = [&token, &positions].map(|values| file.of(values));
        let on_order = Buffer::of(&file.gpu, &order).unwrap();
        // Of an encoder, which has the patches that are seen; and of one that has all in their own order.
        for (tokens, from, ordered) in
            [(1 + seen, 1, true), (1 + patches, 0, true), (1 + seen, 1, false)]
        {
            let rows = images * tokens;
            let x = file.room(rows * width);
            let address = if ordered { on_order.at() } else { 0 };
            let mut arguments =
                vec![x.at(), on_embedded.at(), on_token.at(), on_positions.at(), address];
            arguments.extend([rows, tokens, patches, from, seen].map(int));
            file.run("make_tokens", (rows.div_ceil(8), 1), 256, 0, arguments);
            let mut want = vec![];
            for row in 0..rows {
                let (image, t) = (row / tokens, row % tokens);
                let patch = match (t, ordered) {
                    (0, _) => 0,
                    (t, true) => 1 + order[image * patches + t - 1] as usize,
                    (t, false) => t,
                };
                for c in 0..width {
                    let shown = (from..from + seen).contains(&t);
                    let value = if shown {
                        embedded[(image * seen + t - from) * width + c]
                    } else {
                        token[c]
                    };
                    want.push(f64::from(value) + f64::from(positions[patch * width + c]));
                }
            }
            assert_near(
                "tokens",
                &want,
                &read(res, &x, rows * width),
                if res { 1e-6 } else { 4e-3 },
            );
        }
    }
}

#[test]
fn gradients_of_tokens_are_summed() {
    for storage in STORAGES {
        let width = 264;
        let file = File::load(&Source::tokens(width).stored(storage));
        let (act, res) = (storage.activations_f32, storage.residual_f32);
        let all = IMAGES * STRIDE * width;
        let grad = as_stored(res, &random(all, 1));
        let (on_grad, compact, blocks) = (file.stored(res, &grad), file.room(ROWS * width), 2);
        let parts = file.room(blocks * width);
        let mut arguments = vec![compact.at(), parts.at(), on_grad.at()];
        arguments.extend(words());
        file.run("take_rows", (blocks, 1), 256, 0, arguments);
        let rows = taken(&grad, width);
        assert_near(
            "rows",
            &wide(&rows),
            &read(act, &compact, ROWS * width),
            if act { 1e-7 } else { 4e-3 },
        );
        let sums = added(&read(true, &parts, blocks * width), width, 0, width);
        assert_near("their sum", &added(&rows, width, 0, width), &narrow(&sums), 1e-6);

        let (positions, cls) = (file.room(STRIDE * width), file.room(width));
        let arguments = vec![positions.at(), cls.at(), on_grad.at(), int(IMAGES), int(STRIDE)];
        file.run("token_sums", (STRIDE, 1), 128, 0, arguments);
        let want = added(&grad, STRIDE * width, 0, STRIDE * width);
        assert_near("positions", &want, &read(true, &positions, STRIDE * width), 1e-6);
        assert_near("the CLS token", &want[..width], &read(true, &cls, width), 1e-6);
    }
}

#[test]
fn the_mean_of_the_patches_and_its_gradient() {
    for storage in STORAGES {
        let (width, images, tokens) = (40, 2, 4);
        let file = File::load(&Source::tokens(width).stored(storage));
        let (act, res) = (storage.activations_f32, storage.residual_f32);
        let all = images * tokens * width;
        let (x, delta, bias) =
            (as_stored(res, &random(all, 1)), as_stored(act, &random(all, 2)), random(width, 3));
        let factors = [0.5f32, 1.25];
        let (on_x, on_delta, on_bias, on_factors) =
            (file.stored(res, &x), file.stored(act, &delta), file.of(&bias), file.of(&factors));
        let pooled = file.room(images * width);
        let arguments =
            vec![pooled.at(), on_x.at(), on_delta.at(), on_bias.at(), on_factors.at(), int(tokens)];
        file.run("pool_forward", (images, 1), 128, 0, arguments);
        let mut want = vec![0.0; images * width];
        for image in 0..images {
            for t in 1..tokens {
                for c in 0..width {
                    let at = (image * tokens + t) * width + c;
                    let value = f64::from(x[at])
                        + f64::from(factors[image]) * (f64::from(delta[at]) + f64::from(bias[c]));
                    want[image * width + c] += value / (tokens - 1) as f64;
                }
            }
        }
        let precise = |single| if single { 1e-6 } else { 5e-3 };
        assert_near("the mean", &want, &read(res, &pooled, images * width), precise(res));

        let dpooled = as_stored(res, &random(images * width, 4));
        let on_dpooled = file.stored(res, &dpooled);
        let (grad, branch, parts) = (file.room(all), file.room(all), file.room(images * width));
        let arguments =
            vec![grad.at(), branch.at(), parts.at(), on_dpooled.at(), on_factors.at(), int(tokens)];
        file.run("pool_backward", (images, 1), 128, 0, arguments);
        let (mut want, mut want_branch) = (vec![], vec![]);
        for i in 0..all {
            let (image, t, c) = (i / width / tokens, i / width % tokens, i % width);
            let value = if t == 0 {
                0.0
            } else {
                f64::from(dpooled[image * width + c]) / (tokens - 1) as f64
            };
            want.push(value);
            want_branch.push(value * f64::from(factors[image]));
        }
        assert_near("the gradient", &want, &read(res, &grad, all), precise(res));
        assert_near("the branch's", &want_branch, &read(act, &branch, all), precise(act));
        let mut want = vec![0.0; width];
        want_branch.iter().enumerate().for_each(|(i, value)| want[i % width] += value);
        let sums = added(&read(true, &parts, images * width), width, 0, width);
        assert_near("the bias's", &want, &narrow(&sums), 1e-6);
    }
}
