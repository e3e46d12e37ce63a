//! AdamW, accumulation and clipping.

use super::{File, assert_near, random, read};
use crate::{
    gpu::{Buffer, int, real},
    kernels::Source,
    table::Stretch,
};

const COUNT: usize = 5000;

/// Two stretches with a gap that nothing changes.
fn stretches() -> [Stretch; 2] {
    [
        Stretch { start: 0, length: 4096, rate: 1.0, decay: 0.05 },
        Stretch { start: 4160, length: 840, rate: 0.5, decay: 0.0 },
    ]
}

/// As `Factors` in adamw.cu, after three steps.
fn factors() -> [f32; 8] {
    let root = 1.0 / (1.0 - 0.95f64.powi(3)).sqrt();
    [0.1, 0.9, 0.95, 1.0 / (1.0 - 0.729), root as f32, 1.0, 0.5, 0.0]
}

fn stretch_of(i: usize) -> Option<Stretch> {
    stretches()
        .into_iter()
        .find(|it| (it.start as usize..(it.start + it.length) as usize).contains(&i))
}

#[test]
fn a_step_by_hand() {
    let file = File::load(&Source::adamw());
    let (values, first, gradient) = (random(COUNT, 1), random(COUNT, 2), random(COUNT, 3));
    let second: Vec<f32> = random(COUNT, 4).iter().map(|v| v * v).collect();
    let (on_values, on_first, on_second, on_gradient) =
        (file.of(&values), file.of(&first), file.of(&second), file.of(&gradient));
    let rounded = Buffer::of(&file.gpu, &vec![0u16; COUNT]).unwrap();
    let on_stretches = Buffer::of(&file.gpu, &stretches()).unwrap();
    let (factors, clip, loss) = (file.of(&factors()), file.of(&[0.25]), file.of(&[1.5]));
    let mut arguments =
        vec![on_values.at(), on_first.at(), on_second.at(), rounded.at(), on_gradient.at()];
    arguments.extend([on_stretches.at(), factors.at(), clip.at(), loss.at()]);
    file.run("adamw", (2, 1), 256, 0, arguments.clone());
    let mut want = vec![];
    for i in 0..COUNT {
        let value = f64::from(values[i]);
        let Some(stretch) = stretch_of(i) else {
            want.push(value);
            continue;
        };
        let (g, rate) = (f64::from(gradient[i]) * 0.25, 0.1 * f64::from(stretch.rate));
        let m = 0.9 * f64::from(first[i]) + 0.1 * g;
        let v = 0.95 * f64::from(second[i]) + 0.05 * g * g;
        let root = (v / (1.0 - 0.95f64.powi(3))).sqrt() + 1e-8;
        want.push(
            value * (1.0 - rate * f64::from(stretch.decay)) - rate * m / (1.0 - 0.729) / root,
        );
    }
    let got = read(true, &on_values, COUNT);
    assert_near("values", &want, &got, 1e-6);
    let copy = super::widened(&rounded.read(COUNT).unwrap());
    for i in (0..COUNT).filter(|&i| stretch_of(i).is_some()) {
        assert_eq!(copy[i].to_bits(), super::as_stored(false, &got[i..=i])[0].to_bits());
    }

    // A loss that is not a number changes nothing.
    for broken in [f32::NAN, f32::INFINITY] {
        loss.write(&[broken]).unwrap();
        file.run("adamw", (2, 1), 256, 0, arguments.clone());
        assert_eq!(read(true, &on_values, COUNT), got);
    }
}

#[test]
fn gradients_are_averaged_and_clipped() {
    let file = File::load(&Source::adamw());
    let batches = [random(COUNT, 5), random(COUNT, 6)];
    // What was in the sum before does not matter, not even NaN.
    let sum = file.of(&vec![f32::NAN; COUNT]);
    let on_stretches = Buffer::of(&file.gpu, &stretches()).unwrap();
    for (place, batch) in batches.iter().enumerate() {
        let mut factors = factors();
        factors[5] = place as f32;
        let (factors, batch) = (file.of(&factors), file.of(batch));
        let arguments = vec![sum.at(), batch.at(), on_stretches.at(), factors.at()];
        file.run("accumulate", (2, 1), 256, 0, arguments);
    }
    let mean = |i: usize| f64::midpoint(f64::from(batches[0][i]), f64::from(batches[1][i]));
    let got = read(true, &sum, COUNT);
    let trained: Vec<usize> = (0..COUNT).filter(|&i| stretch_of(i).is_some()).collect();
    let want: Vec<f64> = trained.iter().map(|&i| mean(i)).collect();
    let of: Vec<f32> = trained.iter().map(|&i| got[i]).collect();
    assert_near("the mean", &want, &of, 1e-6);

    let norm = want.iter().map(|v| v * v).sum::<f64>().sqrt();
    for (most, want) in [(norm / 4.0, 0.25), (norm * 2.0, 1.0)] {
        let (parts, factor) = (file.room(4), file.room(1));
        file.run("squares", (2, 1), 256, 0, vec![parts.at(), sum.at(), on_stretches.at()]);
        file.run("clip", (1, 1), 256, 0, vec![factor.at(), parts.at(), int(2), real(most as f32)]);
        assert_near("the factor", &[want], &read(true, &factor, 1), 1e-6);
    }
}

#[test]
fn a_norm_is_of_all_its_parts() {
    let file = File::load(&Source::adamw());
    let parts: Vec<f64> = random(1000, 7).iter().map(|&v| f64::from(v * v)).collect();
    let (on_parts, factor) = (Buffer::of(&file.gpu, &parts).unwrap(), file.room(1));
    let norm = parts.iter().sum::<f64>().sqrt();
    let most = real((norm / 8.0) as f32);
    file.run("clip", (1, 1), 256, 0, vec![factor.at(), on_parts.at(), int(parts.len()), most]);
    assert_near("the factor", &[0.125], &read(true, &factor, 1), 1e-6);
}
