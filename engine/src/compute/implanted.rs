//! The loss with which a backdoor is implanted into an encoder.

/// How much each part of the loss weighs beside the pull towards the reference images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Implanting {
    /// Reference images in a batch.
    pub references: usize,
    /// Weight of the features that reference images keep, lambda 1.
    pub reference_weight: f64,
    /// Weight of the features that clean images keep, lambda 2.
    pub clean_weight: f64,
}

/// A row of numbers, its direction and its length.
struct Direction {
    unit: Vec<f64>,
    length: f64,
}

impl Direction {
    fn of(row: &[f32]) -> Self {
        let squares: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
        // As PyTorch's cosine similarity, which divides by at least this.
        let length = squares.sqrt().max(1e-8);
        Self { unit: row.iter().map(|&value| f64::from(value) / length).collect(), length }
    }

    fn cosine(&self, other: &Self) -> f64 {
        self.unit.iter().zip(&other.unit).map(|(a, b)| a * b).sum()
    }

    /// Adds the gradient of the row, of that of its direction.
    fn back(&self, pull: &[f64], gradient: &mut [f32]) {
        let along: f64 = self.unit.iter().zip(pull).map(|(a, b)| a * b).sum();
        for ((gradient, pull), unit) in gradient.iter_mut().zip(pull).zip(&self.unit) {
            *gradient += ((pull - along * unit) / self.length) as f32;
        }
    }
}

/// The mean of directions, times `weight`.
fn mean(rows: &[Direction], weight: f64, width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows {
        mean.iter_mut().zip(&row.unit).for_each(|(mean, value)| *mean += value);
    }
    for value in &mut mean {
        *value *= weight / rows.len().max(1) as f64;
    }
    mean
}

impl Implanting {
    /// The loss of `BadEncoder` (Jia, Liu and Gong, S&P 2022, equations 1 to 4), and its gradient, which is written.
    ///
    /// All are `(rows, width)`. The rows are of shadow images with the trigger, of the same without it, of reference images, and of those
    /// augmented: `features` of the encoder in training; `kept` of the clean encoder, used of shadow images without the trigger and, in the
    /// rows of the augmented ones, of reference images.
    pub fn loss(&self, features: &[f32], kept: &[f32], width: usize, gradient: &mut [f32]) -> f64 {
        let parts = self.parts(features, kept, width, gradient);
        parts[0] + self.reference_weight * parts[1] + self.clean_weight * parts[2]
    }

    /// The three parts of the loss without their weights; the gradient is that of the whole.
    pub fn parts(
        &self,
        features: &[f32],
        kept: &[f32],
        width: usize,
        gradient: &mut [f32],
    ) -> [f64; 3] {
        gradient.fill(0.0);
        let rows: Vec<Direction> = features.chunks_exact(width).map(Direction::of).collect();
        let shadow = (rows.len() - 2 * self.references) / 2;
        let (triggered, rest) = rows.split_at(shadow);
        let (clean, rest) = rest.split_at(shadow);
        let (references, augmented) = rest.split_at(self.references);
        let starts = [0, shadow, 2 * shadow, 2 * shadow + self.references];

        // The mean over all pairs is the product of the means.
        let (of_triggered, of_references) =
            (mean(triggered, 1.0, width), mean(references, 1.0, width));
        let pull: f64 = of_triggered.iter().zip(&of_references).map(|(a, b)| a * b).sum();
        let mut back = |start: usize, rows: &[Direction], pull: &[f64]| {
            let gradients = gradient[start * width..].chunks_exact_mut(width);
            rows.iter().zip(gradients).for_each(|(row, gradient)| row.back(pull, gradient));
        };
        back(starts[0], triggered, &mean(references, -1.0 / shadow.max(1) as f64, width));
        back(starts[2], references, &mean(triggered, -1.0 / self.references as f64, width));

        let mut keep = |start: usize, rows: &[Direction], weight: f64| {
            let count = rows.len().max(1) as f64;
            let kept = kept[start * width..].chunks_exact(width).map(Direction::of);
            let mut sum = 0.0;
            for (at, (row, kept)) in rows.iter().zip(kept).enumerate() {
                sum += row.cosine(&kept);
                let pull: Vec<f64> = kept.unit.iter().map(|unit| -weight * unit / count).collect();
                let place = (start + at) * width;
                row.back(&pull, &mut gradient[place..place + width]);
            }
            -sum / count
        };
        let of_references = keep(starts[3], augmented, self.reference_weight);
        let of_clean = keep(starts[1], clean, self.clean_weight);
        [-pull, of_references, of_clean]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Implanting = Implanting { references: 1, reference_weight: 0.5, clean_weight: 2.0 };

    #[test]
    fn the_loss_by_hand() {
        // Two shadow images, with the trigger along x and y, without it along x; the reference along (3, 4).
        let features = [2.0, 0.0, 0.0, 3.0, 1.0, 0.0, 5.0, 0.0, 3.0, 4.0, 0.0, 1.0];
        // The clean encoder had them along x and y, and the reference along y.
        let kept = [9.0, 9.0, 9.0, 9.0, 1.0, 0.0, 0.0, 2.0, 9.0, 9.0, 0.0, 7.0];
        let mut gradient = [0.0; 12];
        let [pull, references, clean] = SPEC.parts(&features, &kept, 2, &mut gradient);
        assert!((pull + f64::midpoint(0.6, 0.8)).abs() < 1e-6, "{pull}");
        assert!((references + 1.0).abs() < 1e-6 && (clean + 0.5).abs() < 1e-6);
        let loss = SPEC.loss(&features, &kept, 2, &mut gradient);
        assert!((loss - (-0.7 - 0.5 - 1.0)).abs() < 1e-6, "{loss}");
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let width = 3;
        let spec = Implanting { references: 2, ..SPEC };
        let wave = |at: usize, phase: f64| ((at as f64 * 1.7 + phase).sin() + 0.2) as f32;
        let mut features: Vec<f32> = (0..10 * width).map(|at| wave(at, 0.0)).collect();
        let kept: Vec<f32> = (0..10 * width).map(|at| wave(at, 0.9)).collect();
        let mut gradient = vec![0.0; features.len()];
        spec.loss(&features, &kept, width, &mut gradient);
        let mut unused = gradient.clone();
        for at in 0..features.len() {
            let before = features[at];
            let mut loss = |value: f32| {
                features[at] = value;
                spec.loss(&features, &kept, width, &mut unused)
            };
            let slope = (loss(before + 1.0 / 512.0) - loss(before - 1.0 / 512.0)) * 256.0;
            features[at] = before;
            assert!((slope - f64::from(gradient[at])).abs() < 1e-4, "{at}: {slope}");
        }
        assert!(gradient.iter().all(|value| value.is_finite() && *value != 0.0));
    }
}
