//! Eigenvalues and eigenvectors of symmetric matrices: Householder's reduction to three diagonals, then QL steps with implicit shifts
//! (Golub and Van Loan 2013, sections 8.3.1 and 8.3.3).

use super::features::{add, dot};

/// Eigenvalues and eigenvectors of a symmetric matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigen {
    /// The eigenvalues, the largest first.
    pub values: Vec<f64>,
    /// The eigenvectors of length 1, one a row in the order of the values: `(n, n)`. The sign of each is free.
    pub vectors: Vec<f64>,
}

impl Eigen {
    /// Decomposes the symmetric matrix `a` of `n` rows, all of it finite.
    pub fn of(mut a: Vec<f64>, n: usize) -> Self {
        assert_eq!(a.len(), n * n, "a square matrix");
        let (mut diagonal, mut beside, mut rows) = tridiagonal(&mut a, n);
        ql(&mut diagonal, &mut beside, &mut rows, n);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| diagonal[j].total_cmp(&diagonal[i]));
        Self {
            values: order.iter().map(|&i| diagonal[i]).collect(),
            vectors: order.iter().flat_map(|&i| &rows[i * n..(i + 1) * n]).copied().collect(),
        }
    }

    /// The eigenvector with this place.
    pub fn vector(&self, i: usize) -> &[f64] {
        let n = self.values.len();
        &self.vectors[i * n..(i + 1) * n]
    }

    /// The matrix with the same eigenvectors and the eigenvalues `value(old)`: `(n, n)`.
    pub fn mapped(&self, value: impl Fn(f64) -> f64) -> Vec<f64> {
        let n = self.values.len();
        let mut matrix = vec![0.0; n * n];
        for (i, &old) in self.values.iter().enumerate() {
            let (new, vector) = (value(old), self.vector(i));
            for (sums, &entry) in matrix.chunks_exact_mut(n).zip(vector) {
                add(sums, vector, new * entry);
            }
        }
        matrix
    }

    /// The share of the largest eigenvalue up to which an eigenvalue counts as 0.
    pub const NEGLIGIBLE: f64 = 1e-12;

    /// The pseudo-inverse.
    pub fn pseudo_inverse(&self) -> Vec<f64> {
        let largest = self.values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
        let least = Self::NEGLIGIBLE * largest;
        self.mapped(|value| if value.abs() > least { 1.0 / value } else { 0.0 })
    }
}

/// Reduces `a` to a matrix with three diagonals, `T = Q^T A Q`: its diagonal, the diagonal beside it, and the rows of `Q^T`.
fn tridiagonal(a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut reflections: Vec<(usize, Vec<f64>)> = Vec::new();
    let mut beside = vec![0.0; n];
    for k in 0..n.saturating_sub(1) {
        // The reflection that turns the part of column k below the diagonal into a multiple of the first unit vector.
        let mut v: Vec<f64> = a[k * n + k + 1..(k + 1) * n].to_vec();
        let length = dot(&v, &v).sqrt();
        let scaled = if v[0] > 0.0 { -length } else { length };
        beside[k] = scaled;
        v[0] -= scaled;
        let norm = dot(&v, &v);
        if norm == 0.0 {
            continue;
        }
        let root = (2.0 / norm).sqrt();
        for value in &mut v {
            *value *= root;
        }
        let rest = k + 1;
        let mut p: Vec<f64> = (rest..n).map(|i| dot(&a[i * n + rest..(i + 1) * n], &v)).collect();
        let half = 0.5 * dot(&p, &v);
        add(&mut p, &v, -half);
        for i in rest..n {
            let row = &mut a[i * n + rest..(i + 1) * n];
            add(row, &p, -v[i - rest]);
            add(row, &v, -p[i - rest]);
        }
        reflections.push((rest, v));
    }
    let diagonal = (0..n).map(|i| a[i * n + i]).collect();
    let mut rows = vec![0.0; n * n];
    for i in 0..n {
        rows[i * n + i] = 1.0;
    }
    // Q = H_1 H_2 ...: the last reflection first changes the unit matrix.
    for (rest, v) in reflections.iter().rev() {
        let mut product = vec![0.0; n - rest];
        for i in *rest..n {
            add(&mut product, &rows[i * n + rest..(i + 1) * n], v[i - rest]);
        }
        for i in *rest..n {
            add(&mut rows[i * n + rest..(i + 1) * n], &product, -v[i - rest]);
        }
    }
    (diagonal, beside, transposed(&rows, n))
}

fn transposed(matrix: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| matrix[at % n * n + at / n]).collect()
}

/// Makes the matrix with these diagonals diagonal by rotations, and applies them to `rows`.
fn ql(diagonal: &mut [f64], beside: &mut [f64], rows: &mut [f64], n: usize) {
    let size = diagonal.iter().chain(&*beside).fold(0.0f64, |most, value| most.max(value.abs()));
    let negligible = f64::EPSILON * size;
    for first in 0..n {
        // Three steps a value are usual.
        for step in 0.. {
            let is_zero = |&i: &usize| i + 1 == n || beside[i].abs() <= negligible;
            let last = (first..n).find(is_zero).unwrap_or(first);
            if last == first {
                break;
            }
            assert!(step < 100, "QL steps converge for finite matrices");
            sweep(diagonal, beside, rows, (first, last), n);
        }
    }
}

/// One implicit QL step on the rows `first` to `last`, with Wilkinson's shift.
fn sweep(
    diagonal: &mut [f64],
    beside: &mut [f64],
    rows: &mut [f64],
    (first, last): (usize, usize),
    n: usize,
) {
    let ratio = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let root = ratio.hypot(1.0);
    let shift = beside[first] / (ratio + root.copysign(ratio));
    let mut g = diagonal[last] - diagonal[first] + shift;
    let (mut sin, mut cos, mut moved) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let (f, b) = (sin * beside[i], cos * beside[i]);
        let r = f.hypot(g);
        beside[i + 1] = r;
        if r == 0.0 {
            // The matrix falls into two parts here.
            diagonal[i + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sin, cos) = (f / r, g / r);
        g = diagonal[i + 1] - moved;
        let r = (diagonal[i] - g) * sin + 2.0 * cos * b;
        moved = sin * r;
        diagonal[i + 1] = g + moved;
        g = cos * r - b;
        let (upper, lower) = rows.split_at_mut((i + 1) * n);
        for (x, y) in upper[i * n..].iter_mut().zip(&mut lower[..n]) {
            (*x, *y) = (cos * *x - sin * *y, sin * *x + cos * *y);
        }
    }
    diagonal[first] -= moved;
    beside[first] = g;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(a: &[f64], n: usize) {
        let eigen = Eigen::of(a.to_vec(), n);
        let size = a.iter().fold(1e-300f64, |most, value| most.max(value.abs())) * n as f64;
        assert!(eigen.values.windows(2).all(|pair| pair[0] >= pair[1]));
        for i in 0..n {
            let v = eigen.vector(i);
            for row in 0..n {
                let product = dot(&a[row * n..(row + 1) * n], v);
                assert!((product - eigen.values[i] * v[row]).abs() < 1e-13 * size, "{a:?}");
            }
            for j in 0..n {
                let expected = f64::from(u8::from(i == j));
                assert!((dot(v, eigen.vector(j)) - expected).abs() < 1e-12 * n as f64, "{a:?}");
            }
        }
        let again = eigen.mapped(|value| value);
        assert!(again.iter().zip(a).all(|(a, b)| (a - b).abs() < 1e-13 * size * n as f64));
    }

    #[test]
    fn two_by_two_by_hand() {
        let eigen = Eigen::of(vec![2.0, 1.0, 1.0, 2.0], 2);
        assert!((eigen.values[0] - 3.0).abs() < 1e-15 && (eigen.values[1] - 1.0).abs() < 1e-15);
        assert!((eigen.vector(0)[0] - eigen.vector(0)[1]).abs() < 1e-15);
        let inverse = eigen.pseudo_inverse();
        let expected = [2.0 / 3.0, -1.0 / 3.0, -1.0 / 3.0, 2.0 / 3.0];
        assert!(inverse.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{inverse:?}");
    }

    #[test]
    fn matrices_of_small_rank_and_none() {
        check(&[0.0; 16], 4);
        check(&[7.0], 1);
        check(&[1.0; 49], 7);
        check(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 3);
        assert_eq!(Eigen::of(vec![4.0, 0.0, 0.0, 0.0], 2).pseudo_inverse(), [0.25, 0.0, 0.0, 0.0]);
    }

    proptest! {
        #[test]
        fn values_and_vectors_belong_together(
            n in 1usize..24, entries in prop::collection::vec(-3.0f64..3.0, 24 * 24), rank in 1usize..24
        ) {
            let mut a = vec![0.0; n * n];
            for k in 0..rank.min(n) {
                let v = &entries[k * 24..k * 24 + n];
                for i in 0..n {
                    add(&mut a[i * n..(i + 1) * n], v, v[i] * if k % 3 == 2 { -1.0 } else { 1.0 });
                }
            }
            check(&a, n);
        }
    }
}
