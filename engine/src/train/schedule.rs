//! The learning rate of each step: a linear warm-up from 0, half a cosine down, then the floor.

use std::f64::consts::PI;

/// A learning-rate schedule in three parts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Highest learning rate, at the end of the warm-up.
    pub peak: f64,
    /// Lowest learning rate, at the end of the cosine and after it.
    pub floor: f64,
    /// Epochs of warm-up.
    pub warmup: f64,
    /// Total number of epochs.
    pub epochs: f64,
}

impl Schedule {
    /// The schedule of a recipe: the peak is `base_lr * batch_size / 256` (Goyal et al. 2017).
    pub fn new(
        base_lr: f64,
        min_lr: f64,
        batch_size: u32,
        warmup_epochs: u32,
        epochs: u32,
    ) -> Self {
        Self {
            peak: base_lr * f64::from(batch_size) / 256.0,
            floor: min_lr,
            warmup: f64::from(warmup_epochs),
            epochs: f64::from(epochs),
        }
    }

    /// The learning rate after `epoch` epochs, which may be fractional.
    pub fn at(&self, epoch: f64) -> f64 {
        if epoch < self.warmup {
            self.peak * epoch / self.warmup
        } else if epoch < self.epochs {
            let part = (epoch - self.warmup) / (self.epochs - self.warmup);
            self.floor + (self.peak - self.floor) * 0.5 * (1.0 + (PI * part).cos())
        } else {
            self.floor
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts_by_hand() {
        let schedule = Schedule::new(1.5e-3, 1e-5, 128, 6, 60);
        let peak = 7.5e-4;
        let expected = [
            (0.0, 0.0),
            (3.0, peak / 2.0),
            (6.0, peak),
            (33.0, f64::midpoint(peak, 1e-5)),
            (19.5, 1e-5 + (peak - 1e-5) * 0.853_553_390_593_273_8),
            (60.0, 1e-5),
            (70.0, 1e-5),
        ];
        for (epoch, lr) in expected {
            assert!(
                (schedule.at(epoch) - lr).abs() < 1e-15,
                "epoch {epoch}: {}",
                schedule.at(epoch)
            );
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the cosine of 0 is 1")]
    fn without_warmup_it_begins_at_the_peak() {
        assert_eq!(Schedule::new(1.0, 0.0, 256, 0, 10).at(0.0), 1.0);
    }
}
