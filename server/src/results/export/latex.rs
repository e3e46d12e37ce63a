//! A `tabular` of LaTeX in the style of the package `booktabs`.

use std::io::{self, Write};

use shared::latex::{escape, number};

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
