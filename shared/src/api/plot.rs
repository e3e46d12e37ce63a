//! A plot of the table of results: what a request asks for, and the numbers to draw.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::RunId;

/// What a mark of a plot stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PlotKind {
    /// A run.
    #[default]
    Runs,
    /// The mean over the runs with the same x and colour.
    Means,
    /// A cell of a grid: the mean of the metric `colour` over the runs with the same x and y.
    Heat,
}

impl PlotKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Runs, Self::Means, Self::Heat];

    /// The name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Means => "means",
            Self::Heat => "heat",
        }
    }
}

impl FromStr for PlotKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::as_str, text, "plot")
    }
}

/// How an axis places its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PlotScale {
    /// `Even` for texts, switches and settings with few values, otherwise `Linear`.
    #[default]
    Auto,
    /// In proportion.
    Linear,
    /// In proportion to the logarithm; values that are not above 0 are left out.
    Log,
    /// A slot for each value.
    Even,
}

impl PlotScale {
    /// All scales.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Linear, Self::Log, Self::Even];

    /// The name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Linear => "linear",
            Self::Log => "log",
            Self::Even => "even",
        }
    }
}

impl FromStr for PlotScale {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        named(&Self::ALL, Self::as_str, text, "scale")
    }
}

fn named<T: Copy>(
    all: &[T],
    name: fn(T) -> &'static str,
    text: &str,
    what: &str,
) -> Result<T, String> {
    all.iter().copied().find(|&one| name(one) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|&one| name(one)).collect();
        format!("{text:?} is not a {what}; there are {}", names.join(", "))
    })
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Something that each run has, such as its kind or its state.
    Run,
    /// A setting.
    Setting,
    /// A metric.
    Metric,
}

/// A column of the table of results, and what it holds in the selected runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultColumn {
    /// Its name in filters: `attack.trigger.ratio`.
    pub name: String,
    /// Its title: `Blend ratio`.
    pub title: String,
    /// The unit of its numbers; may be empty.
    pub unit: String,
    /// What it is.
    pub kind: ColumnKind,
    /// Whether all its values are numbers.
    pub number: bool,
    /// Number of selected runs that have a value.
    pub runs: u64,
    /// Number of distinct values in the selected runs.
    pub distinct: u64,
    /// These values in order, as filters write them, if there are at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// The columns that have a value in some selected run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResultColumns {
    /// Number of selected runs.
    pub runs: u64,
    /// The columns: of every run, settings, metrics.
    pub columns: Vec<ResultColumn>,
}

/// An axis of a plot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlotAxis {
    /// The column's name in filters.
    pub name: String,
    /// The column's title.
    pub title: String,
    /// The unit of its numbers; may be empty.
    pub unit: String,
    /// How values are placed; never `auto`.
    pub scale: PlotScale,
    /// The slots of an even axis: a mark's place is the index of its slot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<String>,
}

impl PlotAxis {
    /// The title with the unit: `Attack success rate (%)`.
    pub fn label(&self) -> String {
        if self.unit.is_empty() {
            self.title.clone()
        } else {
            format!("{} ({})", self.title, self.unit)
        }
    }

    /// A place on the axis as text: the name of a slot, or the number with the unit.
    pub fn text(&self, place: f64) -> String {
        if self.scale == PlotScale::Even {
            return self.slots.get(place as usize).cloned().unwrap_or_default();
        }
        match self.unit.as_str() {
            "%" => format!("{place:.1} %"),
            "" => short(place),
            unit => format!("{} {unit}", short(place)),
        }
    }

    /// A place as text, a number without its unit.
    pub fn bare(&self, place: f64) -> String {
        let text = self.text(place);
        let unit = format!(" {}", self.unit);
        text.strip_suffix(&unit).unwrap_or(&text).to_owned()
    }
}

/// A number with up to four significant decimals.
fn short(number: f64) -> String {
    let decimals = if number.abs() >= 100.0 { 1 } else { 4 };
    let text = format!("{number:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

/// Runs with the same colour, or in the same panel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlotGroup {
    /// The value of the column.
    pub label: String,
    /// Number of runs drawn.
    pub runs: u64,
}

/// The marks of a plot as columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlotMarks {
    /// Places on the x axis.
    pub x: Vec<f64>,
    /// Places on the y axis.
    pub y: Vec<f64>,
    /// The mean of the metric `colour` in each cell of a grid; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value: Vec<f64>,
    /// 95 % intervals of x; empty if x has none, or with more than 1,000 marks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x_range: Vec<Option<(f64, f64)>>,
    /// 95 % intervals of y, of `value` in a grid: Wilson's for a run, Student's for a mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub range: Vec<Option<(f64, f64)>>,
    /// Index of each mark's group; empty if there is one group only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<u32>,
    /// Index of each mark's panel; empty if there is one panel only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panel: Vec<u32>,
    /// The mean of the second metric of each mark, on y's scale; empty without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Option<f64>>,
    /// Number of runs of each mean; empty for runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub count: Vec<u32>,
    /// The run of each mark; empty for means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<RunId>,
}

/// The numbers of a plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PlotData {
    /// What a mark stands for.
    pub kind: PlotKind,
    /// From left to right.
    pub x: PlotAxis,
    /// From bottom to top.
    pub y: PlotAxis,
    /// The second metric of means, on the same scale as y.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<PlotAxis>,
    /// The column that gives the colour; in a grid the metric that is averaged.
    pub colour: Option<PlotAxis>,
    /// Number of selected runs.
    pub runs: u64,
    /// How many of them are drawn: they have a value in both columns.
    pub drawn: u64,
    /// The groups of marks, which a legend names.
    pub groups: Vec<PlotGroup>,
    /// The settings that differ between the runs of some mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
    /// The column with a panel for each value, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facet: Option<PlotAxis>,
    /// The panels, in the order of these values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panels: Vec<PlotGroup>,
    /// The marks.
    pub marks: PlotMarks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_with_their_unit() {
        let mut axis = PlotAxis {
            name: "asr".into(),
            title: "Attack success rate".into(),
            unit: "%".into(),
            scale: PlotScale::Linear,
            slots: vec![],
        };
        assert_eq!(axis.label(), "Attack success rate (%)");
        assert_eq!(axis.text(93.14), "93.1 %");
        axis.unit = "s".into();
        assert_eq!(axis.text(1234.56), "1234.6 s");
        axis.unit = String::new();
        assert_eq!(
            (axis.text(0.15), axis.text(-0.0), axis.text(30.0)),
            ("0.15".into(), "0".into(), "30".into())
        );
        axis.scale = PlotScale::Even;
        axis.slots = vec!["a".into(), "b".into()];
        assert_eq!((axis.text(1.0), axis.text(2.0)), ("b".into(), String::new()));
    }

    #[test]
    fn names_are_read_back() {
        for kind in PlotKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for scale in PlotScale::ALL {
            assert_eq!(scale.as_str().parse(), Ok(scale));
        }
        let error = "dots".parse::<PlotKind>().expect_err("no kind");
        assert_eq!(error, "\"dots\" is not a plot; there are runs, means, heat");
    }
}
