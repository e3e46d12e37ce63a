//! Escaped text, and tables.

/// A text in which no character means anything to HTML, within elements and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A cell of a table.
pub(super) enum Cell {
    /// A text.
    Text(String),
    /// A number or a text of digits, at the right.
    Digits(String),
    /// A share in percent with the ends of its interval, and a bar of its class from 0 to 100.
    Share { class: &'static str, value: f64, interval: Option<(f64, f64)> },
    /// Nothing was measured.
    Missing,
}

/// A table that scrolls sideways where it is wider than the page. Columns of which the first row has digits or a share align
/// at the right.
pub(super) fn table(head: &[String], rows: &[Vec<Cell>]) -> String {
    let right = |at: usize| {
        let mut cells = rows.iter().map(|row| &row[at]);
        cells.any(|cell| matches!(cell, Cell::Digits(_) | Cell::Share { .. }))
    };
    let head = head.iter().enumerate().map(|(at, title)| {
        let class = if right(at) { " class=\"right\"" } else { "" };
        format!("<th scope=\"col\"{class}>{}</th>", escape(title))
    });
    let rows =
        rows.iter().map(|row| format!("<tr>{}</tr>\n", row.iter().map(cell).collect::<String>()));
    format!(
        "<div class=\"wide\" tabindex=\"0\"><table><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
        head.collect::<String>(),
        rows.collect::<String>()
    )
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("<td>{}</td>", escape(text)),
        Cell::Digits(text) => format!("<td class=\"right\">{}</td>", escape(text)),
        Cell::Missing => "<td></td>".into(),
        &Cell::Share { class, value, interval } => {
            let (low, high) = interval.unwrap_or((value, value));
            let ends = interval.map_or_else(String::new, |(low, high)| {
                format!(" <span class=\"ends\">{low:.1}–{high:.1}</span>")
            });
            let at = |share: f64| share.clamp(0.0, 100.0);
            format!(
                "<td class=\"right share\"><b class=\"{class}\">{value:.1}</b>{ends}<i class=\"bar {class}\" \
                 style=\"--v:{:.2}%;--l:{:.2}%;--h:{:.2}%\"></i></td>",
                at(value),
                at(low),
                at(high)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(
            escape("<script>alert(\"a\" & 'b')</script>"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn a_share_has_its_interval_as_text_and_bar() {
        let share = Cell::Share { class: "clean", value: 61.0, interval: Some((-1.0, 62.54)) };
        let table = table(&["CA".into()], &[vec![share]]);
        assert!(
            table.contains("<b class=\"clean\">61.0</b> <span class=\"ends\">-1.0–62.5</span>")
        );
        assert!(table.contains("--v:61.00%;--l:0.00%;--h:62.54%"), "{table}");
    }
}
