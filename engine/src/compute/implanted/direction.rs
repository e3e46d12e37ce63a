//! Directions of features.

/// A row of numbers, its direction and its length.
pub(super) struct Direction {
    pub(super) unit: Vec<f64>,
    length: f64,
}

impl Direction {
    pub(super) fn of(row: &[f32]) -> Self {
        let squares: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
        // As PyTorch's cosine similarity, which divides by at least this.
        let length = squares.sqrt().max(1e-8);
        Self { unit: row.iter().map(|&value| f64::from(value) / length).collect(), length }
    }

    pub(super) fn cosine(&self, other: &Self) -> f64 {
        self.unit.iter().zip(&other.unit).map(|(a, b)| a * b).sum()
    }

    /// Adds the gradient of the row, of that of its direction.
    pub(super) fn back(&self, pull: &[f64], gradient: &mut [f32]) {
        let along: f64 = self.unit.iter().zip(pull).map(|(a, b)| a * b).sum();
        for ((gradient, pull), unit) in gradient.iter_mut().zip(pull).zip(&self.unit) {
            *gradient += ((pull - along * unit) / self.length) as f32;
        }
    }
}

/// Adds `weight` times a row to another.
pub(super) fn add(to: &mut [f64], row: &[f64], weight: f64) {
    to.iter_mut().zip(row).for_each(|(to, value)| *to += weight * value);
}

/// The mean of directions, times `weight`.
pub(super) fn mean(rows: &[Direction], weight: f64, width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    for row in rows {
        add(&mut mean, &row.unit, 1.0);
    }
    for value in &mut mean {
        *value *= weight / rows.len().max(1) as f64;
    }
    mean
}
