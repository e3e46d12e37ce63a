//! Tables as text for spreadsheets.

/// Formats rows of cells according to RFC 4180, with CR LF line endings.
pub fn csv<R: AsRef<[String]>>(rows: impl IntoIterator<Item = R>) -> String {
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.as_ref().iter().map(|cell| quoted(cell)).collect();
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    }
    text
}

/// Quotes cells that would break the line, and defuses cells that a spreadsheet would run as a formula.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '@', '\t'])
        || (cell.starts_with('-') && cell.parse::<f64>().is_err());
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must() {
        let rows = [["name", "ca (%)"], ["plain", "1.5"], ["a, \"b\"", "-2"], ["=SUM(A1)", ""]];
        assert_eq!(
            csv(rows.map(|row| row.map(str::to_owned))),
            "name,ca (%)\r\nplain,1.5\r\n\"a, \"\"b\"\"\",-2\r\n'=SUM(A1),\r\n"
        );
    }
}
