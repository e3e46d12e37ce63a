//! How many numbers fall into each of equal intervals.

/// Share of the numbers that may lie beyond each end: a few far ones would leave one bin for all others.
const BEYOND: f64 = 0.005;

/// Intervals of equal width, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Bins {
    edges: Vec<f64>,
}

impl Bins {
    /// `count` bins over these numbers but for half a percent at each end, or around a number that is the same throughout. `None` without finite
    /// numbers or bins.
    pub fn of(numbers: impl Iterator<Item = f64>, count: usize) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.filter(|number| number.is_finite()).collect();
        if numbers.is_empty() || count == 0 {
            return None;
        }
        numbers.sort_by(f64::total_cmp);
        let beyond = (BEYOND * numbers.len() as f64) as usize;
        let (mut low, mut high) = (numbers[beyond], numbers[numbers.len() - 1 - beyond]);
        if high - low <= f64::EPSILON * low.abs().max(high.abs()) {
            let half = if low == 0.0 { 0.5 } else { 0.5 * low.abs() };
            (low, high) = (low - half, low + half);
        }
        let edge = |at: usize| low + (high - low) * at as f64 / count as f64;
        Some(Self { edges: (0..=count).map(edge).collect() })
    }

    /// Their edges, one more than there are bins.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// How many of these numbers are in each bin, the lower edge included. Numbers beyond the outermost edges count in the outermost bins.
    pub fn count(&self, numbers: impl Iterator<Item = f64>) -> Vec<u32> {
        let bins = self.edges.len() - 1;
        let mut counts = vec![0; bins];
        for number in numbers.filter(|number| !number.is_nan()) {
            let above = self.edges.partition_point(|&edge| edge <= number);
            counts[above.saturating_sub(1).min(bins - 1)] += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_hand() {
        let numbers = [0.0, 0.5, 1.0, 1.0, 2.0, 3.9, 4.0];
        let bins = Bins::of(numbers.into_iter(), 4).expect("numbers");
        assert_eq!(bins.edges(), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(
            bins.count(numbers.into_iter()),
            [2, 2, 1, 2],
            "the last edge is in the last bin"
        );
        assert_eq!(bins.count([-9.0, 9.0, f64::NAN].into_iter()), [1, 0, 0, 1]);
    }

    #[test]
    fn a_few_far_numbers_do_not_stretch_the_bins() {
        let numbers = (0..=1000).map(f64::from).chain([1e9, -1e9]);
        let bins = Bins::of(numbers.clone(), 10).expect("numbers");
        let (first, last) = (bins.edges()[0], bins.edges()[10]);
        assert_eq!((first, last), (4.0, 996.0));
        assert_eq!(bins.count(numbers).iter().sum::<u32>(), 1003);
    }

    #[test]
    fn equal_numbers_have_bins_around_them() {
        for number in [0.0, 3.0, -2.0, 1e-12] {
            let bins = Bins::of([number; 3].into_iter(), 2).expect("numbers");
            assert!(bins.edges()[0] < number && number < bins.edges()[2], "{number}");
            assert_eq!(bins.count([number; 3].into_iter()).iter().sum::<u32>(), 3);
        }
        assert_eq!(Bins::of([f64::NAN].into_iter(), 4), None);
        assert_eq!(Bins::of([1.0].into_iter(), 0), None);
    }
}
