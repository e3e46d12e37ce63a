//! The fixed two-dimensional sine-cosine position table of MAE.

/// The table for `grid` x `grid` patches, after a row of zeros for the CLS token: `(1 + grid * grid) * width` numbers.
///
/// The first half of a row encodes the column, the second half the row of the patch, each as `width / 4` sines and then
/// `width / 4` cosines of `place / 10000^(i / (width / 4))`. Panics unless 4 divides `width`.
pub fn sin_cos_table(width: usize, grid: usize) -> Vec<f32> {
    assert!(width.is_multiple_of(4), "the width of the sine-cosine table is a multiple of 4");
    let quarter = width / 4;
    let mut table = vec![0.0; width];
    table.reserve(grid * grid * width);
    for row in 0..grid {
        for column in 0..grid {
            for place in [column, row] {
                let angle = |i: usize| place as f64 * 10_000f64.powf(-(i as f64) / quarter as f64);
                table.extend((0..quarter).map(|i| angle(i).sin() as f32));
                table.extend((0..quarter).map(|i| angle(i).cos() as f32));
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_hand() {
        let table = sin_cos_table(8, 2);
        assert_eq!(table.len(), 5 * 8);
        assert_eq!(table[..8], [0.0; 8], "the CLS token");
        assert_eq!(table[8..16], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0], "patch (0, 0)");
        // Patch in row 1, column 0: the column's half as before, the row's half with angles 1 and 1 / 100.
        let third = [0.0, 0.0, 1.0, 1.0, 0.841_471, 0.009_999_83, 0.540_302_3, 0.999_95];
        for (got, want) in table[24..32].iter().zip(third) {
            assert!((got - want).abs() < 1e-6, "{got} {want}");
        }
        // Patch in row 0, column 1: the other way round.
        assert_eq!(table[16..20], table[28..32]);
    }
}
