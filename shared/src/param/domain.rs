//! [`Domain`]: the values that a setting takes.

use super::value::{Value, is_whole};
use crate::device::DeviceWish;

/// The values that a setting takes.
#[derive(Clone, Copy, Debug)]
pub enum Domain {
    /// Whole numbers from `low` to `high`.
    Whole {
        /// Smallest.
        low: u64,
        /// Largest.
        high: u64,
    },
    /// Whole numbers from 1, or the word `all`.
    Limit,
    /// Numbers.
    Real {
        /// Lower end.
        low: f64,
        /// Whether the lower end is excluded.
        above: bool,
        /// Upper end.
        high: f64,
        /// Whether the upper end is excluded.
        below: bool,
        /// Increment of an arrow key.
        step: f64,
    },
    /// On or off.
    Switch,
    /// One of some names.
    Choice(&'static [Choice]),
    /// A name defined by the data folder (a data set, a key image, an imported checkpoint); `none` means no name.
    Name {
        /// Whether it may be omitted.
        optional: bool,
    },
    /// A device, or a number of GPUs: see [`DeviceWish`].
    Device,
    /// A structured value, written as JSON.
    Structure,
}

/// One of the names that a setting takes.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The name in files.
    pub name: &'static str,
    /// The name shown in pages.
    pub title: &'static str,
}

/// Maximum length of a name in characters.
pub const NAME_LENGTH: usize = 200;

/// The word for "no limit".
pub const ALL: &str = "all";
/// The word for "no name".
pub const NONE: &str = "none";

impl Domain {
    /// The amount that an arrow key adds to a number.
    pub fn step(&self) -> f64 {
        match self {
            Self::Real { step, .. } => *step,
            _ => 1.0,
        }
    }

    /// Smallest and largest number, if it takes numbers.
    pub fn range(&self) -> Option<(f64, f64)> {
        match *self {
            Self::Whole { low, high } => Some((low as f64, high as f64)),
            Self::Real { low, high, .. } => Some((low, high)),
            Self::Limit => Some((1.0, f64::from(u32::MAX))),
            _ => None,
        }
    }

    /// Checks whether the setting takes a value.
    ///
    /// # Errors
    /// The values that it takes instead.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let refused = |takes: String| Err(format!("{takes}, not {value}"));
        match (*self, value) {
            (Self::Whole { low, high }, Value::Number(number)) => {
                if is_whole(*number) && (low as f64..=high as f64).contains(number) {
                    return Ok(());
                }
                refused(self.takes())
            }
            (Self::Limit, Value::Number(number)) => {
                if is_whole(*number) && (1.0..=f64::from(u32::MAX)).contains(number) {
                    return Ok(());
                }
                refused("takes at least 1 image".into())
            }
            (Self::Limit, Value::Text(text)) if text == ALL => Ok(()),
            (Self::Real { low, above, high, below, .. }, Value::Number(number)) => {
                let from = if above { *number > low } else { *number >= low };
                let to = if below { *number < high } else { *number <= high };
                if from && to { Ok(()) } else { refused(self.takes()) }
            }
            (Self::Name { .. }, Value::Text(text)) if text.chars().count() > NAME_LENGTH => {
                Err(format!("takes a name of at most {NAME_LENGTH} characters"))
            }
            (Self::Device, value) => value.to_string().parse::<DeviceWish>().map(drop),
            (Self::Switch, Value::Switch(_))
            | (Self::Name { .. } | Self::Structure, Value::Text(_)) => Ok(()),
            (Self::Choice(choices), Value::Text(text))
                if choices.iter().any(|choice| choice.name == text) =>
            {
                Ok(())
            }
            _ => refused(self.takes()),
        }
    }

    /// The values that it takes, as a predicate: `takes 1 to 64`.
    pub fn takes(&self) -> String {
        match *self {
            Self::Whole { low, high } => format!("takes {low} to {high}"),
            Self::Limit => format!("takes a number of images, or {ALL}"),
            Self::Real { low, above: false, high, below: false, .. } => {
                format!("takes {low} to {high}")
            }
            Self::Real { low, above, high, below, .. } => {
                let from = if above { "above" } else { "at least" };
                let to = if below { "below" } else { "at most" };
                format!("takes a number {from} {low} and {to} {high}")
            }
            Self::Switch => "takes true or false".into(),
            Self::Choice(choices) => {
                let names: Vec<_> = choices.iter().map(|choice| choice.name).collect();
                format!("takes {}", names.join(", "))
            }
            Self::Name { optional: false } => "takes a name".into(),
            Self::Name { optional: true } => format!("takes a name, or {NONE}"),
            Self::Device => DeviceWish::TAKES.into(),
            Self::Structure => "takes JSON".into(),
        }
    }

    /// Parses a value as written on the command line.
    ///
    /// # Errors
    /// The values that it takes instead.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let value = match self {
            Self::Whole { .. } | Self::Real { .. } => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                _ => return Err(format!("{}, not {text}", self.takes())),
            },
            Self::Limit => text.parse().map_or_else(|_| text.into(), Value::Number),
            Self::Switch => match text {
                "true" | "on" | "yes" => true.into(),
                "false" | "off" | "no" => false.into(),
                _ => return Err(format!("{}, not {text}", self.takes())),
            },
            Self::Choice(_) | Self::Name { .. } | Self::Device | Self::Structure => text.into(),
        };
        self.check(&value)?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Domain =
        Domain::Real { low: 0.0, above: true, high: 1.0, below: false, step: 0.1 };

    #[test]
    fn ends_are_taken_or_not() {
        assert_eq!(SHARE.parse("1"), Ok(Value::Number(1.0)));
        assert_eq!(SHARE.parse("0"), Err("takes a number above 0 and at most 1, not 0".into()));
        assert_eq!(SHARE.parse("NaN"), Err("takes a number above 0 and at most 1, not NaN".into()));
        let whole = Domain::Whole { low: 2, high: 4 };
        assert_eq!(whole.parse("4"), Ok(Value::Number(4.0)));
        assert_eq!(whole.parse("5"), Err("takes 2 to 4, not 5".into()));
        assert_eq!(whole.parse("2.5"), Err("takes 2 to 4, not 2.5".into()));
    }

    #[test]
    fn words() {
        assert_eq!(Domain::Limit.parse("all"), Ok("all".into()));
        assert_eq!(Domain::Limit.parse("0"), Err("takes at least 1 image, not 0".into()));
        assert!(Domain::Limit.parse("some").is_err());
        assert_eq!(Domain::Switch.parse("on"), Ok(true.into()));
        let choice = Domain::Choice(&[Choice { name: "lars", title: "LARS" }]);
        assert_eq!(choice.parse("sgd"), Err("takes lars, not sgd".into()));
    }
}
