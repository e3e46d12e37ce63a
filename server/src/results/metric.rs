//! What a run is measured by.

use std::borrow::Cow;

use shared::Ratio;

/// Which values are better, seen by the owner of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither end is better.
    Neither,
}

/// What a metric is, whatever its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// What a column is called: `"Clean accuracy"`.
    pub title: Cow<'static, str>,
    /// The unit of its numbers; `"%"` for a ratio.
    pub unit: Cow<'static, str>,
    /// Which values are better.
    pub direction: Direction,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A share as it was counted; its number is in percent.
    Ratio(Ratio),
    /// A number; one that is not finite counts as missing.
    Real(f64),
}

impl Measure {
    /// The number, a ratio in percent; `None` where nothing was counted or the number is not
    /// finite.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Ratio(ratio) => ratio.percent(),
            Self::Real(number) => number.is_finite().then_some(number),
        }
    }

    /// How it is kept.
    pub fn kind(self) -> MeasureKind {
        match self {
            Self::Ratio(_) => MeasureKind::Ratio,
            Self::Real(_) => MeasureKind::Real,
        }
    }
}

/// A metric of a run, under its name in [`Row::metrics`](super::Row::metrics).
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// What it is.
    pub info: Info,
    /// Its value.
    pub measure: Measure,
}

impl Metric {
    /// One of [`KNOWN`] with its value; `None` for another name, whose [`Info`] the run kind has to
    /// bring.
    pub fn known(name: &str, measure: Measure) -> Option<Self> {
        info(name).map(|info| Self { info, measure })
    }
}

/// What is measured: how a metric's numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// Hits of a total, shown in percent.
    Ratio,
    /// A number.
    Real,
}

/// A metric that every table knows from the start.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name in expressions.
    pub name: &'static str,
    /// What a column is called.
    pub title: &'static str,
    /// The unit of its numbers.
    pub unit: &'static str,
    /// Which values are better.
    pub direction: Direction,
    /// What is measured.
    pub measure: MeasureKind,
}

/// The metrics of the run kinds of this program. A run kind may bring others in its rows.
pub const KNOWN: [Known; 7] = {
    use Direction::{Higher, Lower};
    use MeasureKind::{Ratio, Real};
    const fn known(
        name: &'static str,
        title: &'static str,
        unit: &'static str,
        direction: Direction,
        measure: MeasureKind,
    ) -> Known {
        Known { name, title, unit, direction, measure }
    }
    [
        known("ca", "Clean accuracy", "%", Higher, Ratio),
        known("asr", "Attack success rate", "%", Lower, Ratio),
        known("ra", "Robust accuracy", "%", Higher, Ratio),
        known("top5", "Top-5 clean accuracy", "%", Higher, Ratio),
        known("loss", "Loss", "nats", Lower, Real),
        known("images_per_second", "Images per second", "images/s", Higher, Real),
        known("seconds", "Duration", "s", Lower, Real),
    ]
};

/// What a metric of [`KNOWN`] is.
pub fn info(name: &str) -> Option<Info> {
    let known = KNOWN.iter().find(|known| known.name == name)?;
    Some(Info { title: known.title.into(), unit: known.unit.into(), direction: known.direction })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_percentages_are_whole() {
        for hits in 0..=100 {
            let number = Measure::Ratio(Ratio { hits, total: 100 }).number();
            assert_eq!(number, Some(f64::from(hits)));
        }
        assert_eq!(Measure::Ratio(Ratio { hits: 0, total: 0 }).number(), None);
        assert_eq!(Measure::Real(f64::INFINITY).number(), None);
    }

    #[test]
    fn names_are_unique_and_ratios_are_in_percent() {
        for (at, known) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..at].iter().all(|other| other.name != known.name), "{}", known.name);
            assert_eq!(known.unit == "%", known.measure == MeasureKind::Ratio, "{}", known.name);
        }
        assert_eq!(info("asr").map(|info| info.direction), Some(Direction::Lower));
        assert_eq!(info("asrr"), None);
    }
}
