//! The table of a figure.

use std::borrow::Cow;

/// A header and its rows; every row is as long as the header. A figure that is a table itself has it for LaTeX, too.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub header: Vec<Cow<'static, str>>,
    pub rows: Vec<Vec<String>>,
    pub latex: Option<String>,
}

impl Table {
    /// An empty table with these headings; units are in parentheses.
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self { header: header.iter().map(|&name| name.into()).collect(), ..Self::default() }
    }

    /// The table as CSV.
    pub(super) fn csv(&self) -> String {
        let header: Vec<String> = self.header.iter().map(ToString::to_string).collect();
        crate::csv::csv(std::iter::once(&header).chain(&self.rows))
    }
}

/// A number with up to `decimals` decimals; `None` gives an empty cell.
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
    fn numbers_lose_their_idle_zeros() {
        assert_eq!(number(Some(44.300), 4), "44.3");
        assert_eq!(number(Some(100.0), 4), "100");
        assert_eq!(number(Some(0.0), 0), "0");
        assert_eq!(number(None, 4), "");
    }
}
