//! Soft labels, as shares of all classes: smoothed, and mixed between two images.

/// The soft labels of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    /// Number of classes.
    pub classes: usize,
    /// `(images, classes)`; each row sums to 1.
    pub shares: Vec<f32>,
}

impl Targets {
    /// Shares of the labels: `1 - smoothing` for the class, and `smoothing` spread over all classes (Szegedy et al. 2016). With a
    /// `lambda` below 1, image `i` has that share of its own label and the rest of the label of image `n - 1 - i`, like its pixels
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

/// The mean over the images of `-sum(share * log softmax(logits))`, for `logits` and `shares` of `(images, classes)`. Writes the
/// gradient of `weight` times the mean into `gradient`, of the same shape.
pub fn soft_cross_entropy(
    logits: &[f32],
    shares: &[f32],
    classes: usize,
    weight: f64,
    gradient: &mut [f32],
) -> f64 {
    let images = (logits.len() / classes) as f64;
    let mut loss = 0.0;
    let rows = logits.chunks_exact(classes).zip(shares.chunks_exact(classes));
    for ((logits, shares), gradient) in rows.zip(gradient.chunks_exact_mut(classes)) {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = |logit: f32| f64::from(logit) - f64::from(largest);
        let sum: f64 = logits.iter().map(|&logit| shifted(logit).exp()).sum();
        let all: f64 = shares.iter().copied().map(f64::from).sum();
        for ((&logit, &share), gradient) in logits.iter().zip(shares).zip(gradient) {
            let (log, share) = (shifted(logit) - sum.ln(), f64::from(share));
            // A class with a share of 0 adds nothing, however unlikely it is.
            loss -= if share == 0.0 { 0.0 } else { share * log };
            *gradient = ((log.exp() * all - share) * weight / images) as f32;
        }
    }
    loss / images
}

#[cfg(test)]
mod tests {
    use super::*;

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
    #[expect(clippy::float_cmp, reason = "these numbers are exact")]
    fn the_loss_and_its_gradient_by_hand() {
        // ln 2, and 1000 for the class that loses by 1000: their mean.
        let targets = Targets::new(&[1, 1], 2, 0.0, 1.0);
        let mut gradient = [0.0; 4];
        let logits = [0.0, 0.0, 1000.0, 0.0];
        let loss = soft_cross_entropy(&logits, &targets.shares, 2, 1.0, &mut gradient);
        assert!((loss - f64::midpoint(2f64.ln(), 1000.0)).abs() < 1e-9, "{loss}");
        assert_eq!(gradient, [0.25, -0.25, 0.5, -0.5]);
    }

    #[test]
    fn the_gradient_is_the_slope() {
        let shares = Targets::new(&[2, 0], 3, 0.1, 0.7).shares;
        let (mut logits, mut gradient) = ([0.3f32, -1.0, 2.0, 0.5, 0.25, -0.5], [0.0; 6]);
        soft_cross_entropy(&logits, &shares, 3, 0.5, &mut gradient);
        let loss = |logits: &[f32]| soft_cross_entropy(logits, &shares, 3, 1.0, &mut [0.0; 6]);
        for i in 0..6 {
            let before = logits[i];
            logits[i] = before + 1.0 / 1024.0;
            let above = loss(&logits);
            logits[i] = before - 1.0 / 1024.0;
            let slope = 0.5 * (above - loss(&logits)) * 512.0;
            logits[i] = before;
            assert!((slope - f64::from(gradient[i])).abs() < 1e-6, "{slope} {}", gradient[i]);
        }
    }
}
