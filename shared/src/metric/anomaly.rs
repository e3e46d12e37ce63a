//! The anomaly index: how far a number lies from the others.

/// Factor that makes the median absolute deviation of normal numbers their standard deviation.
const CONSISTENT: f64 = 1.4826;

/// The median; of an even number of values, the mean of the two in the middle. `None` without a value. The values are numbers.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some(f64::midpoint(sorted[low], sorted[high]))
}

/// For each value its distance from the median in units of 1.4826 times the median absolute deviation (Hampel 1974; as an index of
/// backdoored classes: Wang et al. 2019), positive above the median. `None` when more than half of the values are equal, because the
/// deviation is 0, and when a value is not finite.
pub fn anomaly_index(values: &[f64]) -> Option<Vec<f64>> {
    if !values.iter().all(|value| value.is_finite()) {
        return None;
    }
    let centre = median(values)?;
    let distances: Vec<f64> = values.iter().map(|value| (value - centre).abs()).collect();
    let deviation = CONSISTENT * median(&distances)?;
    (deviation > 0.0).then(|| values.iter().map(|value| (value - centre) / deviation).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_as_numpy_gives_it() {
        // Made with numpy 2.4.6: median 59.5, 1.4826 x median absolute deviation 5.1891.
        let values = [12.0, 55.0, 60.0, 58.0, 61.0, 57.0, 70.0, 64.0, 59.0, 66.0];
        let expected = [
            9.153_803_164_325_22,
            0.867_202_405_041_336_7,
            0.096_355_822_782_370_75,
            0.289_067_468_347_112_2,
            0.289_067_468_347_112_2,
            0.481_779_113_911_853_7,
            2.023_472_278_429_785_4,
            0.867_202_405_041_336_7,
            0.096_355_822_782_370_75,
            1.252_625_696_170_819_5,
        ];
        assert_eq!(median(&values), Some(59.5));
        let index = anomaly_index(&values).unwrap();
        for (index, expected) in index.iter().zip(expected) {
            assert!((index.abs() - expected).abs() < 1e-12, "{index} {expected}");
        }
        assert!(index[0] < 0.0 && index[6] > 0.0);
    }

    #[test]
    fn equal_values_have_no_index() {
        assert_eq!(anomaly_index(&[1.0, 1.0, 1.0, 9.0]), None);
        assert_eq!(anomaly_index(&[1.0, f64::NAN, 3.0]), None);
        assert_eq!((anomaly_index(&[]), median(&[])), (None, None));
    }
}
