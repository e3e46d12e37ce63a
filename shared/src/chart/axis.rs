//! Maps values to positions: an axis's range, its ticks and their labels.

use plotters::coord::{ranged1d::Ranged, types::RangedCoordf64};

use super::{
    canvas::SUB,
    figure::{Axis, Placing, Scale, Span},
    ticks,
};

/// An axis prepared for a number of ticks.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    /// The ends of the axis; their decimal logarithms on a logarithmic one.
    low: f64,
    high: f64,
    placing: Placing,
    /// Values and their labels.
    pub ticks: Vec<(f64, String)>,
}

impl Ruler {
    /// A ruler with about `wanted` ticks.
    pub(super) fn new(axis: &Axis, wanted: usize) -> Self {
        match &axis.scale {
            Scale::Percent => {
                let step = match wanted {
                    0..3 => 50.0,
                    3..5 => 25.0,
                    _ => 20.0,
                };
                Self::round(0.0, 100.0, step)
            }
            Scale::Linear { low, high } => {
                let (low, high, step) = ticks::nice(*low, *high, wanted);
                Self::round(low, high, step)
            }
            Scale::Log { low, high } => Self::log(*low, *high, wanted),
            Scale::Places(names) => Self {
                placing: Placing::Slots,
                low: -0.5,
                high: names.len().max(1) as f64 - 0.5,
                ticks: names
                    .iter()
                    .enumerate()
                    .map(|(at, name)| (at as f64, name.clone()))
                    .collect(),
            },
        }
    }

    fn round(low: f64, high: f64, step: f64) -> Self {
        let ticks = ticks::ticks(low, high, step);
        Self {
            low,
            high,
            placing: Placing::Linear,
            ticks: ticks.into_iter().map(|at| (at, ticks::tick_text(at, step))).collect(),
        }
    }

    fn log(low: f64, high: f64, wanted: usize) -> Self {
        let (low, high, ticks) = ticks::logarithmic(low, high, wanted);
        let text = |at: f64| (at, ticks::tick_text(at, at));
        Self {
            low: libm::log10(low),
            high: libm::log10(high),
            placing: Placing::Log,
            ticks: ticks.into_iter().map(text).collect(),
        }
    }

    /// The axis from pixel `from` (lowest value) to `to` (highest).
    pub(super) fn span(&self, from: f64, to: f64) -> Span {
        let (from, to) = (from as f32, to as f32);
        Span { from, to, low: self.low, high: self.high, scale: self.placing }
    }

    /// The pixel of `value` on an axis from pixel `from` (lowest value) to `to` (highest).
    pub(super) fn place(&self, value: f64, from: f64, to: f64) -> f64 {
        let value = if self.placing == Placing::Log { libm::log10(value) } else { value };
        let range = RangedCoordf64::from(self.low..self.high);
        let limit = ((from * SUB).round() as i32, (to * SUB).round() as i32);
        f64::from(range.map(&value, limit)) / SUB
    }

    /// Pixels from one value to the next whole one.
    pub(super) fn unit(&self, from: f64, to: f64) -> f64 {
        (to - from).abs() / (self.high - self.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale) -> Axis {
        Axis { label: String::new(), scale }
    }

    #[test]
    fn percent_goes_from_0_to_100() {
        let ruler = Ruler::new(&axis(Scale::Percent), 6);
        let texts: Vec<_> = ruler.ticks.iter().map(|tick| tick.1.as_str()).collect();
        assert_eq!(texts, ["0", "20", "40", "60", "80", "100"]);
        assert!((ruler.place(50.0, 10.0, 110.0) - 60.0).abs() < 0.06);
        assert!((ruler.place(25.0, 110.0, 10.0) - 85.0).abs() < 0.06, "an upward axis");
    }

    #[test]
    fn decades_are_equally_long_and_pixels_become_values_again() {
        let ruler = Ruler::new(&axis(Scale::Log { low: 1.0, high: 100.0 }), 6);
        assert!((ruler.place(10.0, 0.0, 200.0) - 100.0).abs() < 0.06);
        let texts: Vec<_> = ruler.ticks.iter().map(|tick| tick.1.as_str()).collect();
        assert_eq!(texts, ["1", "2", "5", "10", "20", "50", "100"]);
        let value = ruler.span(0.0, 200.0).value(100.0).expect("a number");
        assert!((value - 10.0).abs() < 1e-9, "{value}");
        let linear = Ruler::new(&axis(Scale::Percent), 6).span(110.0, 10.0);
        assert_eq!((linear.value(85.0), linear.value(500.0)), (Some(25.0), Some(0.0)));
        assert_eq!(Ruler::new(&axis(Scale::Places(vec![])), 6).span(0.0, 1.0).value(0.5), None);
    }

    #[test]
    fn places_stand_in_the_middle_of_equal_parts() {
        let ruler = Ruler::new(&axis(Scale::Places(vec!["0".into(), "10".into()])), 6);
        assert!((ruler.place(0.0, 0.0, 200.0) - 50.0).abs() < 0.06);
        assert!((ruler.place(1.0, 0.0, 200.0) - 150.0).abs() < 0.06);
        assert!((ruler.unit(0.0, 200.0) - 100.0).abs() < 1e-9);
    }
}
