//! Terminal output: lines, tables and progress bars.

use std::{
    fmt::Display,
    io::{self, Write},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Prints a line on standard output. A closed pipe is not treated as an error.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a line on standard error.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// For text.
    Left,
    /// For numbers.
    Right,
}

/// An aligned table without rules: the header, then the rows. Rows are as long as the header.
pub fn table(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, (title, _))| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.chain([title.chars().count()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let mut line = String::new();
        for ((cell, &width), (_, align)) in cells.into_iter().zip(&widths).zip(head) {
            let cell = match align {
                Align::Left => format!("{cell:<width$}  "),
                Align::Right => format!("{cell:>width$}  "),
            };
            line.push_str(&cell);
        }
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(head.iter().map(|(title, _)| *title).collect())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// Progress bars on standard error; nothing is drawn if that is not a terminal.
#[derive(Debug, Default)]
pub struct Bars(MultiProgress);

impl Bars {
    /// Adds a bar of `total` parts with a name before it.
    pub fn add(&self, name: String, total: u64) -> ProgressBar {
        let bar = self.0.add(ProgressBar::new(total));
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} % {msg}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("██ "));
        }
        bar.set_prefix(name);
        bar
    }

    /// Prints a line above the bars, or a plain line on standard error if no bars are drawn.
    pub fn note(&self, line: impl Display) {
        if self.0.is_hidden() {
            note(line);
        } else {
            let _ = self.0.println(line.to_string());
        }
    }

    /// Removes all bars.
    pub fn clear(&self) {
        let _ = self.0.clear();
    }
}

/// A human-readable duration: `42 s`, `7 min 05 s`, `2 h 10 min`.
pub fn duration(seconds: f64) -> String {
    let seconds = Duration::from_secs_f64(seconds.clamp(0.0, 1e9)).as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A human-readable size: `512 B`, `4.2 MB`.
pub fn bytes(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 1000.0 {
            return if unit == "B" { format!("{size:.0} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1000.0;
    }
    format!("{size:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let head = [("name", Align::Left), ("CA %", Align::Right)];
        let rows = [vec!["a".into(), "43.1".into()], vec!["longer".into(), "9.0".into()]];
        assert_eq!(table(&head, &rows), "name    CA %\na       43.1\nlonger   9.0");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(duration(41.9), "41 s");
        assert_eq!(duration(425.0), "7 min 05 s");
        assert_eq!(duration(7800.0), "2 h 10 min");
        assert_eq!(duration(-1.0), "0 s");
        assert_eq!([0, 999, 4_200_000].map(bytes), ["0 B", "999 B", "4.2 MB"]);
    }
}
