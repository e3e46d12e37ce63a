//! An aligned table for terminals.

use std::io::{self, Write};

use super::{
    Export,
    words::{Beside, Words},
};
use crate::terminal::{Align, table};

/// Writes the table, and below it what the numbers are.
pub(super) fn write(export: &Export<'_>, out: &mut impl Write) -> io::Result<()> {
    let headings: Vec<_> = export.heads.iter().map(super::columns::Head::heading).collect();
    let aligned = export.heads.iter().zip(&headings).map(|(head, heading)| {
        (heading.as_str(), if head.class.is_number() { Align::Right } else { Align::Left })
    });
    let rows: Vec<Vec<String>> = (0..export.rows())
        .map(|row| export.cells(row).map(|(_, words)| cell(words)).collect())
        .collect();
    writeln!(
        out,
        "{}\n{} rows; {}",
        table(&aligned.collect::<Vec<_>>(), &rows),
        rows.len(),
        export.note
    )
}

fn cell(words: Words) -> String {
    match words.beside {
        None => words.main,
        Some(Beside::Interval(low, high)) => format!("{} ({low}–{high})", words.main),
        Some(Beside::Half(half)) => format!("{} ± {half}", words.main),
    }
}
