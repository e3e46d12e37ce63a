//! Position tables for another image size, by MAE's `interpolate_pos_embed`.

/// The constant of the cubic kernel, as PyTorch has it.
const A: f64 = -0.75;

/// A table of `(1 + from * from) * width` numbers, the CLS token's row first, as one for a `to` x `to` grid of patches. Bicubic,
/// with aligned edges of the pixels (`align_corners=False`), without smoothing; the CLS token's row stays.
///
/// # Errors
/// When the numbers are of another grid.
pub fn interpolate_positions(table: &[f32], from: usize, to: usize) -> Result<Vec<f32>, String> {
    let rows = 1 + from * from;
    if from == 0 || to == 0 || table.is_empty() || !table.len().is_multiple_of(rows) {
        return Err(format!(
            "{} numbers are no position table of {from} x {from} patches",
            table.len()
        ));
    }
    if from == to {
        return Ok(table.to_vec());
    }
    let width = table.len() / rows;
    let taps: Vec<[(usize, f64); 4]> = (0..to).map(|place| taps(place, from, to)).collect();
    let mut out = table[..width].to_vec();
    out.reserve(to * to * width);
    for rows in &taps {
        for columns in &taps {
            for channel in 0..width {
                let mut sum = 0.0;
                for &(row, weight) in rows {
                    let at = |column: usize| table[(1 + row * from + column) * width + channel];
                    let across =
                        columns.iter().map(|&(column, weight)| f64::from(at(column)) * weight);
                    sum += weight * across.sum::<f64>();
                }
                out.push(sum as f32);
            }
        }
    }
    Ok(out)
}

/// The four places that a new place is mixed from, and their weights.
fn taps(place: usize, from: usize, to: usize) -> [(usize, f64); 4] {
    let source = (place as f64 + 0.5) * from as f64 / to as f64 - 0.5;
    let (first, t) = (source.floor(), source - source.floor());
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    let clamped = |i: usize| (first as i64 + i as i64 - 1).clamp(0, from as i64 - 1) as usize;
    std::array::from_fn(|i| (clamped(i), weights[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_by_hand() {
        // One number a patch, the row decides: 0 above 1, CLS 9. The new rows lie at -1/4, 1/4, 3/4 and 5/4.
        let table = [9.0, 0.0, 0.0, 1.0, 1.0];
        let big = interpolate_positions(&table, 2, 4).unwrap();
        assert_eq!((big.len(), big[0]), (17, 9.0));
        // Row 1/4: the taps at -1 and 0 hold 0, those at 1 and 2 hold 1: near(3/4) + far(7/4) = 0.261719 - 0.035156.
        for column in 0..4 {
            assert!((big[1 + 4 + column] - 0.226_563).abs() < 1e-6, "{}", big[5 + column]);
            assert!((big[1 + 8 + column] - 0.773_437).abs() < 1e-6, "symmetric");
        }
    }

    #[test]
    fn the_same_size_changes_nothing_and_a_constant_stays_one() {
        let table: Vec<f32> = (0..20).map(|i| i as f32).collect();
        assert_eq!(interpolate_positions(&table, 3, 3).unwrap(), table);
        let flat = interpolate_positions(&[2.0; 20], 3, 7).unwrap();
        assert!(flat.iter().all(|value| (value - 2.0).abs() < 1e-6));
        let error = interpolate_positions(&table[..19], 3, 4).unwrap_err();
        assert_eq!(error, "19 numbers are no position table of 3 x 3 patches");
    }
}
