//! The metrics of runs.

use std::borrow::Cow;

use shared::Ratio;

/// Which values are better, from the view of the model's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Higher values are better.
    Higher,
    /// Lower values are better.
    Lower,
    /// Neither direction is better.
    Neither,
}

/// The description of a metric, independent of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The column's title: `"Clean accuracy"`.
    pub title: Cow<'static, str>,
    /// The unit of its numbers; `"%"` for a ratio.
    pub unit: Cow<'static, str>,
    /// Which values are better.
    pub direction: Direction,
}

/// A measured value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// A ratio of counts; its number is in percent.
    Ratio(Ratio),
    /// A number; one that is not finite counts as missing.
    Real(f64),
}

impl Measure {
    /// The number, a ratio in percent; `None` if nothing was counted or the number is not
    /// finite.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Ratio(ratio) => ratio.percent(),
            Self::Real(number) => number.is_finite().then_some(number),
        }
    }

    /// How it is stored.
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
    /// Its description.
    pub info: Info,
    /// Its value.
    pub measure: Measure,
}

impl Metric {
    /// One of [`KNOWN`] with its value; `None` for any other name, whose [`Info`] the run kind must
    /// provide.
    pub fn known(name: &str, measure: Measure) -> Option<Self> {
        info(name).map(|info| Self { info, measure })
    }
}

/// How a metric's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// Hits of a total, shown in percent.
    Ratio,
    /// A number.
    Real,
}

/// A predefined metric.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its name in expressions.
    pub name: &'static str,
    /// The column's title.
    pub title: &'static str,
    /// The unit of its numbers.
    pub unit: &'static str,
    /// Which values are better.
    pub direction: Direction,
    /// How its numbers are stored.
    pub measure: MeasureKind,
}

/// The metrics of the built-in run kinds. A run kind may have others in its rows.
pub const KNOWN: [Known; 42] = {
    use Direction::{Higher, Lower, Neither};
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
        known("other_asr", "Non-source attack success rate", "%", Lower, Ratio),
        known("lowest_asr", "Lowest attack success rate of several backdoors", "%", Lower, Ratio),
        known("psnr", "PSNR of the trigger", "dB", Neither, Real),
        known("ssim", "SSIM of the trigger", "", Neither, Real),
        known("trigger_cropped", "Share of the trigger within the crop", "", Neither, Real),
        known(
            "trigger_visible",
            "Share of the trigger visible under crop and mask",
            "",
            Neither,
            Real,
        ),
        known("trigger_seen", "Views with some of the trigger", "%", Neither, Ratio),
        known("redrawn", "Trigger redrawn by the decoder", "", Neither, Real),
        known("auroc", "AUROC of the defence", "", Higher, Real),
        known("control_auroc", "AUROC without the trigger", "", Neither, Real),
        known(
            "control_tpr_at_1",
            "Found at 1 % false alarms without the trigger",
            "%",
            Neither,
            Ratio,
        ),
        known(
            "control_tpr_at_5",
            "Found at 5 % false alarms without the trigger",
            "%",
            Neither,
            Ratio,
        ),
        known("tpr_at_1", "Poisons found at 1 % false alarms", "%", Higher, Ratio),
        known("tpr_at_5", "Poisons found at 5 % false alarms", "%", Higher, Ratio),
        known("found", "Poisons flagged", "%", Higher, Ratio),
        known("false_alarms", "Clean images flagged", "%", Lower, Ratio),
        known("clean_cosine", "Mean cosine of clean features", "", Neither, Real),
        known("pl1", "Smallest trigger (PL1)", "of the image", Neither, Real),
        known("encoder_flagged", "Encoder flagged", "%", Neither, Ratio),
        known("ca_before", "Clean accuracy without the defence", "%", Higher, Ratio),
        known("asr_before", "Attack success rate without the defence", "%", Lower, Ratio),
        known("ca_after", "Clean accuracy with the defence", "%", Higher, Ratio),
        known("asr_after", "Attack success rate with the defence", "%", Lower, Ratio),
        known("ra_before", "Robust accuracy without the defence", "%", Higher, Ratio),
        known("ra_after", "Robust accuracy with the defence", "%", Higher, Ratio),
        known("filter_ca_p", "p of the filter's change of CA (McNemar)", "", Neither, Real),
        known("filter_asr_p", "p of the filter's change of ASR (McNemar)", "", Neither, Real),
        known("filter_ra_p", "p of the filter's change of RA (McNemar)", "", Neither, Real),
        known("repair_ca_p", "p of the repair's change of CA (McNemar)", "", Neither, Real),
        known("repair_asr_p", "p of the repair's change of ASR (McNemar)", "", Neither, Real),
        known("repair_ra_p", "p of the repair's change of RA (McNemar)", "", Neither, Real),
        known("kept", "Training images kept", "%", Neither, Ratio),
        known(
            "retrain_ca_p",
            "p of the change of CA by training again (McNemar)",
            "",
            Neither,
            Real,
        ),
        known(
            "retrain_asr_p",
            "p of the change of ASR by training again (McNemar)",
            "",
            Neither,
            Real,
        ),
        known(
            "retrain_ra_p",
            "p of the change of RA by training again (McNemar)",
            "",
            Neither,
            Real,
        ),
        known("loss", "Loss", "nats", Lower, Real),
        known("images_per_second", "Images per second", "images/s", Higher, Real),
        known("seconds", "Duration", "s", Lower, Real),
    ]
};

/// The description of a metric of [`KNOWN`].
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
