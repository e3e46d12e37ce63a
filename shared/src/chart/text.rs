//! Estimated widths of texts, and the formatting of shares.

use crate::metric::Ratio;

/// Estimated width of `text` at `size` pixels in a common sans-serif font, from classes of letters. It is the same on every
/// machine, and rather too wide than too narrow.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

fn em(letter: char) -> f64 {
    match letter {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'I' => 0.31,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | '·' => 0.39,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.92,
        'A'..='Z' | '×' | '—' => 0.69,
        _ => 0.6,
    }
}

/// Breaks a text at spaces into lines of at most `limit` pixels; a longer word is not broken.
pub(super) fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= limit => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Cuts a text to `limit` pixels, with an ellipsis if it was cut.
pub(super) fn cut(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if width(&short, size) + em(letter) * size + size > limit {
            break;
        }
        short.push(letter);
    }
    format!("{}…", short.trim_end())
}

/// A share for display: `44.3 %`, or a dash if nothing was counted.
pub fn percent_text(ratio: Ratio) -> String {
    ratio.percent().map_or_else(|| "–".into(), |percent| format!("{percent:.1} %"))
}

/// The 95 % Wilson interval of a share: `42.1–46.5`, in percent, or empty if nothing was counted.
pub fn interval_text(ratio: Ratio) -> String {
    ratio.wilson95().map_or_else(String::new, |interval| {
        format!("{:.1}–{:.1}", interval.low * 100.0, interval.high * 100.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_by_hand() {
        assert!((width("mi", 10.0) - 12.3).abs() < 1e-9);
        assert!((width("", 10.0)).abs() < 1e-9);
    }

    #[test]
    fn lines_keep_the_limit_and_every_word() {
        let text = "bars are means over seeds and whiskers are deviations";
        let lines = wrap(text, 11.0, 120.0);
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| width(line, 11.0) <= 120.0), "{lines:?}");
        assert_eq!(lines.join(" "), text);
    }

    #[test]
    fn a_long_text_is_cut_visibly() {
        assert_eq!(cut("short", 11.0, 100.0), "short");
        let long = cut("a very long name of a study that nobody can read", 11.0, 100.0);
        assert!(long.ends_with('…') && width(&long, 11.0) <= 100.0, "{long}");
    }

    #[test]
    fn shares_as_text() {
        let share = Ratio { hits: 8, total: 10 };
        assert_eq!(percent_text(share), "80.0 %");
        assert_eq!(interval_text(share), "49.0–94.3");
        assert_eq!(percent_text(Ratio { hits: 0, total: 0 }), "–");
    }
}
