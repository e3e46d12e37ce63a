//! GELU, sums and the loss.

use super::{File, STORAGES, added, as_stored, assert_near, narrow, random, read, sizes};
use crate::{
    gpu::{Buffer, int, real},
    kernels::Source,
};

/// The normal distribution at x, by the complementary error function (Numerical Recipes' Chebyshev fit is not needed: a series and a
/// continued fraction are exact to double precision).
fn normal_distribution(x: f64) -> f64 {
    let z = x.abs() / std::f64::consts::SQRT_2;
    let tail = if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..200 {
            term *= -z * z / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        0.5 - sum / std::f64::consts::PI.sqrt()
    } else {
        let mut fraction = 0.0;
        for n in (1..60).rev() {
            fraction = f64::from(n) / 2.0 / (z + fraction);
        }
        (-z * z).exp() / (z + fraction) / std::f64::consts::PI.sqrt() / 2.0
    };
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[test]
fn gelu_and_its_gradient() {
    for (hidden, rows) in sizes(&[(96, 37), (1032, 5)], &[(3072, 197), (4096, 197)]) {
        for storage in [STORAGES[0], STORAGES[1]] {
            let file = File::load(&Source::gelu(hidden).stored(storage));
            let single = storage.activations_f32;
            let (x, grad, bias) =
                (random(rows * hidden, 1), random(rows * hidden, 2), random(hidden, 3));
            let (stored_x, stored_grad, stored_bias) =
                (file.stored(single, &x), file.stored(single, &grad), file.of(&bias));
            let (x, grad) = (as_stored(single, &x), as_stored(single, &grad));
            let (y, again, blocks) = (file.room(rows * hidden), file.room(rows * hidden), 2);
            let parts = file.room(blocks * hidden);
            let arguments = vec![y.at(), stored_x.at(), stored_bias.at(), int(rows * hidden / 8)];
            file.run("gelu_forward", (3, 1), 256, 0, arguments);
            let arguments = vec![
                stored_grad.at(),
                again.at(),
                parts.at(),
                stored_x.at(),
                stored_bias.at(),
                int(rows),
            ];
            file.run("gelu_backward", (hidden.div_ceil(256), blocks), 256, 0, arguments);

            let (mut want, mut want_grad, mut want_sum) = (vec![], vec![], vec![0.0; hidden]);
            for i in 0..rows * hidden {
                let z = f64::from(x[i]) + f64::from(bias[i % hidden]);
                let phi = normal_distribution(z);
                want.push(z * phi);
                let slope = phi + z * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
                want_grad.push(f64::from(grad[i]) * slope);
                want_sum[i % hidden] += want_grad[i];
            }
            let most = if single { 1e-6 } else { 4e-3 };
            let got = |buffer| read(single, buffer, rows * hidden);
            assert_near("GELU", &want, &got(&y), most);
            assert_eq!(got(&y), got(&again), "computed once more");
            assert_near("its gradient", &want_grad, &got(&stored_grad), most);
            let sums = added(&read(true, &parts, blocks * hidden), hidden, 0, hidden);
            assert_near("the bias's", &want_sum, &narrow(&sums), 1e-5);
        }
    }
}

#[test]
fn parts_are_added_up() {
    let file = File::load(&Source::sums());
    let (parts, stride, columns) = (21, 75, 70);
    let values = random(parts * stride, 4);
    let (from, to) = (file.of(&values), file.room(columns));
    // As `Piece` in sums.cu.
    let mut pieces: Vec<u32> = Vec::new();
    for column in (0..columns).step_by(32) {
        for address in [from.at() + 4 * column as u64, to.at() + 4 * column as u64] {
            pieces.extend([address as u32, (address >> 32) as u32]);
        }
        pieces.extend([parts as u32, stride as u32, 32.min(columns - column) as u32, 0]);
    }
    let list = Buffer::of(&file.gpu, &pieces).unwrap();
    file.run("sums", (columns.div_ceil(32), 1), 256, 0, vec![list.at()]);
    assert_near("sums", &added(&values, stride, 0, columns), &read(true, &to, columns), 1e-6);
}

#[test]
fn cross_entropy_of_soft_labels() {
    for (rows, classes) in [(5, 3), (9, 100)] {
        let file = File::load(&Source::loss());
        let mut logits = random(rows * classes, 5);
        // A class that loses by far, with a share of nothing.
        logits[1] = -500.0;
        let mut shares: Vec<f32> = random(rows * classes, 6).iter().map(|v| v.abs()).collect();
        shares[1] = 0.0;
        for row in shares.chunks_exact_mut(classes) {
            let sum: f32 = row.iter().sum();
            for share in row {
                *share /= sum;
            }
        }
        let [on_logits, on_shares] = [&logits, &shares].map(|values| file.of(values));
        let (gradient, losses) = (file.room(rows * classes), file.room(rows));
        let weight = 0.25;
        let mut arguments = vec![gradient.at(), losses.at(), on_logits.at(), on_shares.at()];
        arguments.extend([int(rows), int(classes), real(weight)]);
        file.run("cross_entropy", (rows.div_ceil(8), 1), 256, 0, arguments);
        let (mut want, mut want_gradient) = (vec![], vec![]);
        for (logits, shares) in logits.chunks_exact(classes).zip(shares.chunks_exact(classes)) {
            let sum: f64 = logits.iter().map(|&v| f64::from(v).exp()).sum();
            let all: f64 = shares.iter().copied().map(f64::from).sum();
            let rows =
                logits.iter().zip(shares).map(|(&v, &s)| (f64::from(v) - sum.ln(), f64::from(s)));
            let rows: Vec<_> = rows.collect();
            want.push(
                -rows.iter().map(|(log, share)| share * log).sum::<f64>() * f64::from(weight),
            );
            want_gradient.extend(
                rows.iter().map(|(log, share)| (log.exp() * all - share) * f64::from(weight)),
            );
        }
        assert_near("losses", &want, &read(true, &losses, rows), 1e-6);
        assert_near("their gradient", &want_gradient, &read(true, &gradient, rows * classes), 1e-6);
    }
}
