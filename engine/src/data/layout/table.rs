//! Tables as text: a line of column names, then a line for each row, with `;` or `,` between the fields.

use std::path::{Path, PathBuf};

use super::files;
use crate::data::DataError;

/// A table in memory.
pub struct Table {
    path: PathBuf,
    text: String,
    separator: char,
}

/// A row: its line, counted from 1, and the wanted fields.
pub struct Row<'a, const N: usize> {
    /// The line.
    pub line: usize,
    /// The fields of the wanted columns.
    pub fields: [&'a str; N],
}

impl Table {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no text.
    pub fn open(path: &Path, separator: char) -> Result<Self, DataError> {
        Ok(Self { path: path.into(), text: files::text(path)?, separator })
    }

    /// The fields of these columns in every row.
    ///
    /// # Errors
    /// When a column is missing, or a row has too few fields.
    pub fn rows<const N: usize>(&self, columns: [&str; N]) -> Result<Vec<Row<'_, N>>, DataError> {
        let mut lines = self.text.trim_start_matches('\u{feff}').lines().zip(1..);
        let (head, _) = lines.next().unwrap_or_default();
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(columns) {
            let found = head.split(self.separator).position(|name| name.trim() == column);
            *place = found
                .ok_or_else(|| self.wrong(format!("its first line names no column {column:?}")))?;
        }
        let mut rows = Vec::new();
        for (text, line) in lines.filter(|(text, _)| !text.trim().is_empty()) {
            let mut fields = [""; N];
            for ((field, place), column) in fields.iter_mut().zip(places).zip(columns) {
                let found = text.split(self.separator).nth(place).map(str::trim);
                *field = found.ok_or_else(|| {
                    self.wrong(format!("line {line} has no field in the column {column:?}"))
                })?;
            }
            rows.push(Row { line, fields });
        }
        Ok(rows)
    }

    /// An error of this file.
    pub fn wrong(&self, reason: String) -> DataError {
        DataError::Member { file: self.path.clone(), reason }
    }
}
