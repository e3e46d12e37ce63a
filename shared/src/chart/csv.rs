//! The table behind a figure.

/// A heading and its rows; every row is as long as the heading.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table under these headings; units stand in brackets.
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// RFC 4180, lines ended by CR LF.
    pub(super) fn csv(&self) -> String {
        let mut text = String::new();
        let header: Vec<String> = self.header.iter().map(|&name| name.to_owned()).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let cells: Vec<_> = row.iter().map(|cell| quoted(cell)).collect();
            text.push_str(&cells.join(","));
            text.push_str("\r\n");
        }
        text
    }
}

/// Quotes what would break the line, and what a spreadsheet would run as a formula.
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

/// A number with up to `decimals` decimals; an absent one is an empty cell.
pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(String::new, |value| {
        let text = format!("{value:.decimals$}");
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must() {
        let table = Table {
            header: vec!["name", "ca (%)"],
            rows: vec![
                vec!["plain".into(), "1.5".into()],
                vec!["a, \"b\"".into(), "-2".into()],
                vec!["=SUM(A1)".into(), String::new()],
            ],
        };
        assert_eq!(
            table.csv(),
            "name,ca (%)\r\nplain,1.5\r\n\"a, \"\"b\"\"\",-2\r\n'=SUM(A1),\r\n"
        );
    }

    #[test]
    fn numbers_lose_their_idle_zeros() {
        assert_eq!(number(Some(44.300), 4), "44.3");
        assert_eq!(number(Some(100.0), 4), "100");
        assert_eq!(number(Some(0.0), 0), "0");
        assert_eq!(number(None, 4), "");
    }
}
