//! Labels as shares of all classes: smoothed, and mixed between two images.

use candle_core::{D, Result, Tensor};

/// What each image of a batch is to be classified as.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Number of classes.
    pub classes: usize,
    /// `(images, classes)`; each row sums to 1.
    pub shares: Vec<f32>,
}

impl Targets {
    /// Shares of the labels: `1 - smoothing` for the class, and `smoothing` spread over all classes (Szegedy et al. 2016). With a
    /// `lambda` below 1, image `i` has that share of its own label and the rest of the label of image `n - 1 - i`, as its pixels
    /// (Zhang et al. 2018, timm's batch mode).
    pub fn new(labels: &[u32], classes: usize, smoothing: f64, lambda: f64) -> Self {
        let spread = (smoothing / classes as f64) as f32;
        let own = (1.0 - smoothing) as f32 + spread;
        let lambda = lambda as f32;
        let mut shares = vec![0.0; labels.len() * classes];
        for ((row, &label), &other) in
            shares.chunks_exact_mut(classes).zip(labels).zip(labels.iter().rev())
        {
            for (class, share) in row.iter_mut().enumerate() {
                let of = |label: u32| if class == label as usize { own } else { spread };
                *share = of(label) * lambda + of(other) * (1.0 - lambda);
            }
        }
        Self { classes, shares }
    }

    /// The rows of some of its images.
    pub fn rows(&self, images: std::ops::Range<usize>) -> &[f32] {
        &self.shares[images.start * self.classes..images.end * self.classes]
    }
}

/// Mean over the images of `-sum(share * log softmax(logits))`, for `logits` and `shares` of `(images, classes)`.
///
/// # Errors
/// When the sizes do not fit.
pub fn soft_cross_entropy(logits: &Tensor, shares: &[f32]) -> Result<Tensor> {
    let shares = Tensor::from_slice(shares, logits.shape(), logits.device())?;
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    let losses = shifted.broadcast_sub(&log_sum)?.mul(&shares.to_dtype(logits.dtype())?)?;
    losses.sum(D::Minus1)?.mean_all()?.neg()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::model::cross_entropy;

    #[test]
    fn shares_by_hand() {
        let plain = Targets::new(&[1, 0], 2, 0.0, 1.0);
        assert_eq!(plain.shares, [0.0, 1.0, 1.0, 0.0]);
        // Smoothing .2 over 4 classes: .05 each and .85 for the class; mixed 3 : 1 with the image at the other end.
        let mixed = Targets::new(&[2, 0], 4, 0.2, 0.75);
        let want = [0.25, 0.05, 0.65, 0.05, 0.65, 0.05, 0.25, 0.05];
        for (got, want) in mixed.shares.iter().zip(want) {
            assert!((got - want).abs() < 1e-6, "{:?}", mixed.shares);
        }
        assert_eq!(mixed.rows(1..2).len(), 4);
    }

    #[test]
    fn hard_targets_give_the_plain_cross_entropy() {
        let logits = Tensor::new(&[[0.3f32, -1.0, 2.0], [1000.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let targets = Targets::new(&[2, 1], 3, 0.0, 1.0);
        let soft = soft_cross_entropy(&logits, &targets.shares).unwrap();
        let hard = cross_entropy(&logits, &[2, 1]).unwrap();
        let value = |tensor: Tensor| tensor.to_scalar::<f32>().unwrap();
        let (soft, hard) = (value(soft), value(hard));
        assert!((soft - hard).abs() < 1e-4 * hard, "{soft} {hard}");
    }
}
