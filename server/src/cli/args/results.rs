//! `maskdoor results`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::DataDirArg;
use crate::results::Format;

#[derive(Debug, Args)]
pub(in crate::cli) struct ResultsArgs {
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
    /// Only runs for which this expression is true, as for `maskdoor runs`.
    #[arg(long, value_name = "EXPR")]
    pub(in crate::cli) filter: Option<String>,
    /// Sorts by settings or metrics; a leading minus sign sorts in descending order.
    #[arg(long, value_name = "PATH,...", value_delimiter = ',', allow_hyphen_values = true)]
    pub(in crate::cli) sort: Vec<String>,
    /// Settings, metrics, and run, digest, kind, state, created, ended or studies [default: the settings that differ, and all metrics].
    #[arg(long, value_name = "PATH,...", value_delimiter = ',', conflicts_with = "by")]
    pub(in crate::cli) columns: Vec<String>,
    /// Groups the runs by settings: mean, deviation and interval over the others, usually the seed.
    #[arg(long, value_name = "PATH,...", value_delimiter = ',')]
    pub(in crate::cli) by: Option<Vec<String>>,
    /// Metrics to average over groups [default: ca,asr,ra].
    #[arg(long, value_name = "METRIC,...", value_delimiter = ',', requires = "by")]
    pub(in crate::cli) of: Vec<String>,
    /// Format of the file [default: by the ending of --out, or table].
    #[arg(long, value_enum)]
    pub(in crate::cli) format: Option<TableFormat>,
    /// File to write [default: prints the table].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) out: Option<PathBuf>,
}

/// The format of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TableFormat {
    Table,
    Csv,
    Json,
    Parquet,
    Tex,
}

impl From<TableFormat> for Format {
    fn from(format: TableFormat) -> Self {
        match format {
            TableFormat::Table => Self::Text,
            TableFormat::Csv => Self::Csv,
            TableFormat::Json => Self::Json,
            TableFormat::Parquet => Self::Parquet,
            TableFormat::Tex => Self::Latex,
        }
    }
}
