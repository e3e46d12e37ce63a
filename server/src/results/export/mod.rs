//! Tables of results as files: the selected runs, or groups of them, one format a file.
//!
//! | file | holds |
//! |---|---|
//! | `columns` | the columns of a table, in order, and what they hold |
//! | `choose` | which columns a table of runs and a table of groups have |
//! | `fields` | the columns as plain values, several for a ratio or a mean |
//! | `csv`, `json`, `parquet` | files for programs, of `fields` |
//! | `words` | the columns as a reader wants them: rounded, with the interval beside the number |
//! | `latex`, `text` | files for readers, of `words` |

mod buffer;
mod choose;
mod columns;
mod csv;
mod fields;
mod json;
mod latex;
mod parquet;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::{fmt, io, str::FromStr};

use thiserror::Error;

use self::{buffer::Buffer, columns::Head};

/// Bytes of the largest file. It is made in memory.
pub const MOST_BYTES: usize = 256 << 20;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values by RFC 4180.
    Csv,
    /// An array of objects, one a row.
    Json,
    /// Apache Parquet with typed columns.
    Parquet,
    /// A `tabular` of LaTeX in the style of the package `booktabs`.
    Latex,
    /// An aligned table for terminals.
    Text,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Json, Self::Parquet, Self::Latex, Self::Text];

    /// File extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Parquet => "parquet",
            Self::Latex => "tex",
            Self::Text => "txt",
        }
    }

    /// Content type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Latex => "application/x-tex",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    /// Whether it is for readers instead of programs.
    pub fn is_for_readers(self) -> bool {
        matches!(self, Self::Latex | Self::Text)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|format| format.extension() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::extension).join(", ");
            format!("a table of results can be {names}, not {text:?}")
        })
    }
}

/// A table cannot be written.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The file would be larger than [`MOST_BYTES`].
    #[error(
        "the file would be larger than {} MiB; narrow the filter, or name fewer columns",
        MOST_BYTES >> 20
    )]
    TooLarge,
    /// The writer of the format failed, which is a bug.
    #[error("the {0} file cannot be written: {1}")]
    Writer(Format, String),
}

/// A table: columns of equal length, and what it was made from. It borrows the table of all runs.
#[derive(Clone, Debug)]
pub struct Export<'t> {
    heads: Vec<Head<'t>>,
    rows: usize,
    filter: Option<String>,
    /// What the numbers are.
    note: String,
}

impl Export<'_> {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The table as a file; the same bytes for the same runs.
    ///
    /// # Errors
    /// When the file would be larger than [`MOST_BYTES`].
    pub fn file(&self, format: Format) -> Result<Vec<u8>, ExportError> {
        let mut buffer = Buffer::new(MOST_BYTES);
        let written = match format {
            Format::Csv => csv::write(self, &mut buffer),
            Format::Json => json::write(self, &mut buffer),
            Format::Parquet => parquet::write(self, &mut buffer).map_err(io::Error::other),
            Format::Latex => latex::write(self, &mut buffer),
            Format::Text => text::write(self, &mut buffer),
        };
        match written {
            Err(_) if buffer.is_full() => Err(ExportError::TooLarge),
            Err(error) => Err(ExportError::Writer(format, error.to_string())),
            Ok(()) => Ok(buffer.into_bytes()),
        }
    }

    /// The origin of the table in one line: program, filter, what the numbers are.
    fn origin(&self) -> String {
        let filter = self
            .filter
            .as_deref()
            .map_or_else(|| "all runs".to_owned(), |filter| format!("filter: {filter}"));
        let origin = format!("{}; {filter}; {}", program(), self.note);
        origin.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
    }
}

/// The program's name and version.
fn program() -> String {
    format!("maskdoor {}", crate::VERSION)
}
