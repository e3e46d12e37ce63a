//! Texts and numbers for LaTeX.

/// A number with a minus sign instead of a hyphen. A date has no sign.
pub fn number(text: &str) -> String {
    text.strip_prefix('-').map_or_else(|| text.to_owned(), |digits| format!("$-${digits}"))
}

/// A text in which no character means anything to LaTeX.
pub fn escape(text: &str) -> String {
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
        assert_eq!((number("-1.5"), number("2")), ("$-$1.5".into(), "2".into()));
    }
}
