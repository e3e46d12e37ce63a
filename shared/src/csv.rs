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

/// Any texts as one, separated by commas: those with a comma or a quotation mark are quoted. [`listed`] reads it.
pub fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted = |text: &T| {
        let text = text.as_ref();
        if text.is_empty() || text.contains([',', '"']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    texts.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// The texts of such a list.
pub fn listed(list: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let (text, after) = first(rest);
        texts.push(text);
        rest = after;
    }
    texts
}

/// The first text of a list, and what follows its comma.
fn first(list: &str) -> (String, &str) {
    let Some(quoted) = list.strip_prefix('"') else {
        let (text, rest) = list.split_once(',').unwrap_or((list, ""));
        return (text.to_owned(), rest);
    };
    let mut text = String::new();
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('"') {
        text.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                text.push('"');
                rest = after;
            }
            None => return (text, after.strip_prefix(',').unwrap_or(after)),
        }
    }
    // The closing quotation mark is missing.
    text.push_str(rest);
    (text, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_quotes_what_it_must() {
        let texts = ["a", "b, c", "say \"x\"", ""];
        assert_eq!(list(&texts), "a,\"b, c\",\"say \"\"x\"\"\",\"\"");
        assert_eq!(listed("a,b"), ["a", "b"]);
        assert_eq!(listed("\"open, end"), ["open, end"]);
        assert_eq!(listed(""), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn a_list_is_read_as_it_was_written(texts: Vec<String>) {
            prop_assert_eq!(listed(&list(&texts)), texts);
        }

        #[test]
        fn any_text_is_some_list(text: String) {
            listed(&text);
        }
    }

    #[test]
    fn cells_are_quoted_where_they_must() {
        let rows = [["name", "ca (%)"], ["plain", "1.5"], ["a, \"b\"", "-2"], ["=SUM(A1)", ""]];
        assert_eq!(
            csv(rows.map(|row| row.map(str::to_owned))),
            "name,ca (%)\r\nplain,1.5\r\n\"a, \"\"b\"\"\",-2\r\n'=SUM(A1),\r\n"
        );
    }
}
