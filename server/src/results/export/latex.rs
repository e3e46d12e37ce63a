//! A `tabular` of LaTeX in the style of the package `booktabs`.

use std::io::{self, Write};

use super::{
    Export,
    columns::Class,
    words::{Beside, Words},
};

/// Writes the table with its origin in comments. A share has its interval, and a mean half of its interval, in columns of
/// their own, so that numbers of equal decimals line up.
pub(super) fn write(export: &Export<'_>, out: &mut impl Write) -> io::Result<()> {
    let specs: String = export.heads.iter().map(|head| columns(head.class).0).collect();
    let heads: Vec<_> = export
        .heads
        .iter()
        .map(|head| match columns(head.class).1 {
            1 => escape(&head.heading()),
            wide => format!("\\multicolumn{{{wide}}}{{c}}{{{}}}", escape(&head.heading())),
        })
        .collect();
    writeln!(out, "% {}", export.origin())?;
    writeln!(out, "% Needs \\usepackage{{booktabs}}.")?;
    writeln!(out, "\\begin{{tabular}}{{{specs}}}\n\\toprule")?;
    writeln!(out, "{} \\\\\n\\midrule", heads.join(" & "))?;
    for row in 0..export.rows() {
        let cells: Vec<_> = export.cells(row).map(|(class, words)| cell(class, &words)).collect();
        writeln!(out, "{} \\\\", cells.join(" & "))?;
    }
    writeln!(out, "\\bottomrule\n\\end{{tabular}}")
}

/// The specification of a column, and how many it takes.
fn columns(class: Class) -> (&'static str, usize) {
    match class {
        Class::Text | Class::Switch => ("l", 1),
        Class::Number | Class::Whole | Class::Time => ("r", 1),
        Class::Ratio => ("r@{ }r", 2),
        Class::Mean => ("r@{ }c@{ }r", 3),
    }
}

fn cell(class: Class, words: &Words) -> String {
    let main = if class.is_number() { number(&words.main) } else { escape(&words.main) };
    match (&words.beside, columns(class).1) {
        (Some(Beside::Interval(low, high)), _) => {
            format!("{main} & ({}--{})", number(low), number(high))
        }
        (Some(Beside::Half(half)), _) => format!("{main} & $\\pm$ & {}", number(half)),
        (None, wide) => format!("{main}{}", " & ".repeat(wide - 1)).trim_end().to_owned(),
    }
}

/// A number with a minus sign instead of a hyphen. A date has no sign.
fn number(text: &str) -> String {
    text.strip_prefix('-').map_or_else(|| text.to_owned(), |digits| format!("$-${digits}"))
}

/// A text in which no character means anything to LaTeX.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            // The character itself is a command of some languages.
            '"' => escaped.push_str("\\char34{}"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', letter]),
            // After the end of a row these two begin its arguments.
            '[' | '*' => escaped.extend(['{', letter, '}']),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_means_anything() {
        let text = "50% a&b_c \\input{x} $1 #2 ~^ [1] *";
        assert_eq!(
            escape(text),
            "50\\% a\\&b\\_c \\textbackslash{}input\\{x\\} \\$1 \\#2 \\textasciitilde{}\\textasciicircum{} {[}1] {*}"
        );
        assert_eq!(escape("two\nlines"), "two lines");
    }
}
