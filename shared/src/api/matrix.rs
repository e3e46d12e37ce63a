//! Attacks against defences: what a request asks for, and the means to draw.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Mean, PlotAxis};

/// What the cells of a matrix of attacks and defences show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MatrixShows {
    /// AUROC, beside it that of the same labels without the trigger.
    #[default]
    Auroc,
    /// TPR at 1 % FPR, beside it that of the same labels without the trigger.
    #[serde(rename = "tpr_at_1")]
    TprAt1,
    /// TPR at 5 % FPR, beside it that of the same labels without the trigger.
    #[serde(rename = "tpr_at_5")]
    TprAt5,
    /// ASR before and after the defence.
    Asr,
    /// CA before and after the defence.
    Ca,
    /// RA before and after the defence.
    Ra,
    /// PL1 of an encoder, beside it the mean cosine of its clean features.
    Pl1,
}

/// The second value of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// The control: the same images and labels without the trigger.
    Control,
    /// The value before the defence.
    Before,
    /// The mean cosine of clean features.
    Cosine,
}

impl MatrixShows {
    /// All of them, the default first.
    pub const ALL: [Self; 7] =
        [Self::Auroc, Self::TprAt1, Self::TprAt5, Self::Asr, Self::Ca, Self::Ra, Self::Pl1];

    /// The name in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auroc => "auroc",
            Self::TprAt1 => "tpr_at_1",
            Self::TprAt5 => "tpr_at_5",
            Self::Asr => "asr",
            Self::Ca => "ca",
            Self::Ra => "ra",
            Self::Pl1 => "pl1",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Auroc => "AUROC",
            Self::TprAt1 => "TPR at 1 % FPR",
            Self::TprAt5 => "TPR at 5 % FPR",
            Self::Asr => "ASR before and after",
            Self::Ca => "CA before and after",
            Self::Ra => "RA before and after",
            Self::Pl1 => "PL1 of encoders",
        }
    }

    /// The unit; empty for an area and for PL1.
    pub fn unit(self) -> &'static str {
        if matches!(self, Self::Auroc | Self::Pl1) { "" } else { "%" }
    }

    /// The names of the metrics of a cell: its value, then its second value.
    pub fn metrics(self) -> [&'static str; 2] {
        match self {
            Self::Auroc => ["auroc", "control_auroc"],
            Self::TprAt1 => ["tpr_at_1", "control_tpr_at_1"],
            Self::TprAt5 => ["tpr_at_5", "control_tpr_at_5"],
            Self::Asr => ["asr_after", "asr_before"],
            Self::Ca => ["ca_after", "ca_before"],
            Self::Ra => ["ra_after", "ra_before"],
            Self::Pl1 => ["pl1", "clean_cosine"],
        }
    }

    /// The second value of each cell.
    pub fn beside(self) -> Beside {
        match self {
            Self::Auroc | Self::TprAt1 | Self::TprAt5 => Beside::Control,
            Self::Asr | Self::Ca | Self::Ra => Beside::Before,
            Self::Pl1 => Beside::Cosine,
        }
    }
}

impl FromStr for MatrixShows {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|shows| shows.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            format!("{text:?} is not what a matrix shows; there are {names}")
        })
    }
}

/// A cell of a matrix: the means over the runs with the same row and column that have the metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MatrixCell {
    /// Index of its row.
    pub row: u32,
    /// Index of its column.
    pub column: u32,
    /// The mean of the metric; shares are in percent.
    pub value: Mean,
    /// The mean of the second value: of the control, before the defence, or of the clean features' cosine. `None` where no run has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Mean>,
}

/// The numbers of a matrix of attacks and defences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MatrixData {
    /// What the cells show.
    pub shows: MatrixShows,
    /// The rows from the top, as slots.
    pub rows: PlotAxis,
    /// The columns from the left, as slots.
    pub columns: PlotAxis,
    /// Number of defences' runs among those selected.
    pub runs: u64,
    /// How many of them have the metric.
    pub drawn: u64,
    /// The settings that differ between the runs of some cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub over: Vec<String>,
    /// The cells that have a value, row by row.
    pub cells: Vec<MatrixCell>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for shows in MatrixShows::ALL {
            assert_eq!(shows.as_str().parse(), Ok(shows));
            assert_eq!(serde_json::to_value(shows).expect("a name"), shows.as_str());
        }
        let error = "f1".parse::<MatrixShows>().expect_err("no metric");
        assert!(
            error.ends_with("there are auroc, tpr_at_1, tpr_at_5, asr, ca, ra, pl1"),
            "{error}"
        );
    }
}
