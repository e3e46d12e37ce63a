//! Comma-separated values.

use std::io::{self, Write};

use shared::csv::csv;

use super::{
    Export,
    fields::{Field, Scalar},
};

/// Rows that are formatted at a time.
const BLOCK: usize = 1_000;

/// Writes the names of the fields, then the rows. What is missing is empty; times are Unix milliseconds.
pub(super) fn write(export: &Export<'_>, out: &mut impl Write) -> io::Result<()> {
    let fields = export.fields();
    let names: Vec<_> = fields.iter().map(|field| field.name.clone()).collect();
    out.write_all(csv([names]).as_bytes())?;
    for from in (0..export.rows()).step_by(BLOCK) {
        let block = from..(from + BLOCK).min(export.rows());
        let row = |row| fields.iter().map(|field| cell(field, row)).collect::<Vec<_>>();
        out.write_all(csv(block.map(row)).as_bytes())?;
    }
    Ok(())
}

fn cell(field: &Field<'_>, row: usize) -> String {
    match field.value(row) {
        Scalar::Missing => String::new(),
        Scalar::Text(text) => text.into_owned(),
        Scalar::Switch(on) => on.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Whole(number) => number.to_string(),
    }
}
