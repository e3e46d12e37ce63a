//! A matrix of features in double precision.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::DefenceError;

/// Features `(images, width)`, all of them finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    values: Vec<f64>,
    width: usize,
}

impl Features {
    /// Features of `width` numbers for each image. Panics when the numbers are no whole rows.
    ///
    /// # Errors
    /// When one is not finite.
    pub fn new(values: Vec<f64>, width: usize) -> Result<Self, DefenceError> {
        assert!(width > 0 && values.len().is_multiple_of(width), "whole rows of {width} numbers");
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(DefenceError::NotFinite { what: "features", image: at / width }),
            None => Ok(Self { values, width }),
        }
    }

    /// As [`Features::new`], from what an encoder computes.
    ///
    /// # Errors
    /// When one is not finite.
    pub fn of_encoder(values: &[f32], width: usize) -> Result<Self, DefenceError> {
        Self::new(values.iter().map(|&value| f64::from(value)).collect(), width)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.values.len() / self.width
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Numbers per image.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The features of image `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.width)
    }

    /// The rows of these images.
    pub fn select(&self, images: &[usize]) -> Self {
        let values = images.iter().flat_map(|&i| self.row(i)).copied().collect();
        Self { values, width: self.width }
    }

    /// Each row divided by its length; a row of zeros stays.
    pub fn normalised(&self) -> Self {
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.width) {
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            if length > 0.0 {
                for value in row {
                    *value /= length;
                }
            }
        }
        Self { values, width: self.width }
    }

    /// The mean row. Panics without rows.
    pub fn mean(&self) -> Vec<f64> {
        assert!(!self.is_empty(), "the mean of no images");
        let mut mean = vec![0.0; self.width];
        for row in self.rows() {
            add(&mut mean, row, 1.0);
        }
        let n = self.len() as f64;
        for sum in &mut mean {
            *sum /= n;
        }
        mean
    }

    /// The rows less `centre`.
    pub fn minus(&self, centre: &[f64]) -> Self {
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.width) {
            add(row, centre, -1.0);
        }
        Self { values, width: self.width }
    }

    /// `M^T M` of the matrix `M` of the rows: `(width, width)`, symmetric. Each entry is summed in the order of the rows, whatever the
    /// number of threads.
    pub fn gram(&self) -> Vec<f64> {
        let width = self.width;
        let mut gram = vec![0.0; width * width];
        gram.par_chunks_mut(width).enumerate().for_each(|(i, sums)| {
            for row in self.rows() {
                add(&mut sums[i..], &row[i..], row[i]);
            }
        });
        for i in 0..width {
            for j in 0..i {
                gram[i * width + j] = gram[j * width + i];
            }
        }
        gram
    }

    /// The images sorted by their features, number by number. Sums in this order do not depend on the order of the images.
    pub fn sorted(&self, mut images: Vec<usize>) -> Vec<usize> {
        images.sort_by(|&a, &b| self.compare(a, b).then(a.cmp(&b)));
        images
    }

    /// The order of two images by their features.
    pub(super) fn compare(&self, a: usize, b: usize) -> Ordering {
        let pairs = self.row(a).iter().zip(self.row(b));
        pairs
            .map(|(a, b)| a.total_cmp(b))
            .find(|&o| o != Ordering::Equal)
            .unwrap_or(Ordering::Equal)
    }
}

/// `sum += factor * row`.
pub(super) fn add(sum: &mut [f64], row: &[f64], factor: f64) {
    for (sum, value) in sum.iter_mut().zip(row) {
        *sum += factor * value;
    }
}

/// The scalar product.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The squared distance.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_gram_and_order_by_hand() {
        let features = Features::new(vec![3.0, 1.0, 1.0, 5.0, 1.0, 2.0], 2).unwrap();
        assert_eq!(features.sorted(vec![0, 1, 2]), [2, 1, 0]);
        let three = features.mean();
        assert!((three[0] - 5.0 / 3.0).abs() < 1e-15 && (three[1] - 8.0 / 3.0).abs() < 1e-15);
        assert_eq!(features.gram(), [11.0, 10.0, 10.0, 30.0]);
        let one = features.select(&[1]).normalised();
        assert!((one.row(0)[0] - 1.0 / 26f64.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let error = Features::of_encoder(&[1.0, 2.0, f32::NAN, 0.0], 2).unwrap_err();
        assert_eq!(error, DefenceError::NotFinite { what: "features", image: 1 });
    }
}
