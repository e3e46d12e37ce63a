//! The square of an image's patches to which most attention goes.

/// The column and the row of the upper left patch of the square of `size` patches with the largest sum; the first of equal ones. `map` has the
/// patches row by row, `columns` in a row.
pub fn heaviest(map: &[f64], columns: usize, size: usize) -> (usize, usize) {
    let mass = |column: usize, row: usize| -> f64 {
        (0..size).flat_map(|y| &map[(row + y) * columns + column..][..size]).sum()
    };
    let mut best = ((0, 0), f64::NEG_INFINITY);
    for row in 0..=columns - size {
        for column in 0..=columns - size {
            let mass = mass(column, row);
            if mass > best.1 {
                best = ((column, row), mass);
            }
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::heaviest;

    #[test]
    fn by_hand() {
        let map = [0.0, 0.0, 1.0, 0.0, 5.0, 0.0, 2.0, 3.0, 4.0];
        assert_eq!(heaviest(&map, 3, 1), (1, 1));
        // The sums are 5, 6, 10 and 12.
        assert_eq!(heaviest(&map, 3, 2), (1, 1));
        assert_eq!(heaviest(&map, 3, 3), (0, 0));
        assert_eq!(heaviest(&[1.0; 4], 2, 1), (0, 0), "the first of equal ones");
    }
}
