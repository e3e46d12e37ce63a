//! An array of objects, one a row.

use std::io::{self, Write};

use super::{Export, fields::Scalar};

/// Writes the rows, one a line. What is missing is `null`; times are Unix milliseconds.
pub(super) fn write(export: &Export<'_>, out: &mut impl Write) -> io::Result<()> {
    let fields = export.fields();
    let names: Vec<_> =
        fields.iter().map(|field| serde_json::to_string(&field.name)).collect::<Result<_, _>>()?;
    out.write_all(b"[")?;
    for row in 0..export.rows() {
        out.write_all(if row == 0 { b"\n{" } else { b",\n{" })?;
        for (at, (field, name)) in fields.iter().zip(&names).enumerate() {
            write!(out, "{}{name}:", if at == 0 { "" } else { "," })?;
            match field.value(row) {
                Scalar::Missing => out.write_all(b"null")?,
                Scalar::Text(text) => serde_json::to_writer(&mut *out, &text)?,
                Scalar::Switch(on) => write!(out, "{on}")?,
                Scalar::Number(number) => serde_json::to_writer(&mut *out, &number)?,
                Scalar::Whole(number) => write!(out, "{number}")?,
            }
        }
        out.write_all(b"}")?;
    }
    out.write_all(b"\n]\n")
}
