//! Estimated widths of texts, and the formatting of shares.

use crate::metric::Ratio;

/// Width of `text` at `size` pixels in Inter, the font of pages and figures; most of the fonts that stand in for it are narrower.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

/// Advance widths of the letters from space to tilde in Inter Regular 4.1, in hundredths of the font's size.
const ADVANCES: [u8; 95] = [
    29, 29, 47, 64, 65, 99, 65, 30, 37, 37, 51, 67, 29, 46, 29, 37, 64, 41, 61, 62, 65, 60, 63, 57,
    62, 63, 29, 31, 67, 67, 67, 52, 97, 69, 66, 74, 73, 61, 60, 75, 75, 27, 58, 68, 57, 91, 76, 77,
    64, 77, 65, 65, 65, 75, 69, 99, 69, 68, 63, 37, 37, 37, 48, 46, 33, 57, 62, 58, 62, 59, 38, 62,
    60, 25, 25, 55, 25, 88, 60, 60, 62, 62, 38, 53, 33, 60, 57, 82, 55, 57, 56, 43, 34, 43, 67,
];
/// Of any other letter: those that figures use, such as `±`, `≥` and Greek letters, are at most this wide.
const OTHER: u8 = 70;

fn em(letter: char) -> f64 {
    let place = (letter as usize).checked_sub(' ' as usize);
    let hundredths = place.and_then(|place| ADVANCES.get(place)).copied().unwrap_or(match letter {
        '—' | '…' => 100,
        '·' => 30,
        _ => OTHER,
    });
    f64::from(hundredths) / 100.0
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
        assert!((width("mi", 10.0) - 11.3).abs() < 1e-9);
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
