//! Filter expressions as text: their conditions, and what may come at the cursor.

use shared::api::ResultColumn;

/// Most proposals at a time.
const MOST: usize = 10;
/// The comparisons that a value can follow.
const COMPARISONS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];

/// The conditions that `&&` joins at the outermost level.
pub fn conjuncts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0usize;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), '\\') => {
                push(&mut parts, letter);
                if let Some(escaped) = letters.next() {
                    push(&mut parts, escaped);
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(letter),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.saturating_sub(1),
            // Together they bind less than `&&`, so the text is one condition.
            (None, '|') if depth == 0 => return vec![text.trim().to_owned()],
            (None, '&') if depth == 0 && letters.peek() == Some(&'&') => {
                letters.next();
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        push(&mut parts, letter);
    }
    let trimmed = parts.iter().map(|part| part.trim().to_owned());
    trimmed.filter(|part| !part.is_empty()).collect()
}

fn push(parts: &mut [String], letter: char) {
    if let Some(last) = parts.last_mut() {
        last.push(letter);
    }
}

/// The expression without one of its conditions.
pub fn without(text: &str, at: usize) -> String {
    let mut parts = conjuncts(text);
    if at < parts.len() {
        parts.remove(at);
    }
    parts.join(" && ")
}

/// Something that may come at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// What is written.
    pub text: String,
    /// What it is.
    pub title: String,
}

/// What may come at the cursor, and from which byte on it replaces the text before the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposals {
    /// The first byte that is replaced.
    pub from: usize,
    /// The proposals.
    pub items: Vec<Proposal>,
}

/// What may follow `before`, the text before the cursor: values after a comparison, else names of columns.
pub fn proposals(before: &str, columns: &[ResultColumn]) -> Proposals {
    if let Some((column, from)) = compared(before, columns) {
        let begun = before[from..].trim_start_matches('"').to_lowercase();
        let fits = |value: &&String| {
            value.trim_matches('"').to_lowercase().starts_with(&begun)
                && value.as_str() != &before[from..]
        };
        let items = column
            .values
            .iter()
            .filter(fits)
            .take(MOST)
            .map(|value| Proposal { text: value.clone(), title: column.title.clone() });
        return Proposals { from, items: items.collect() };
    }
    if before.matches('"').count() % 2 == 1 {
        return Proposals::default();
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    let from = before.rfind(|letter| !is_name(letter)).map_or(0, |at| at + 1);
    let begun = before[from..].to_lowercase();
    if begun.is_empty() || begun.starts_with(|letter: char| letter.is_ascii_digit()) {
        return Proposals::default();
    }
    let place = |column: &&ResultColumn| {
        let (name, title) = (column.name.to_lowercase(), column.title.to_lowercase());
        if name == begun {
            None
        } else if name.starts_with(&begun) {
            Some(0)
        } else if name.contains(&begun) {
            Some(1)
        } else {
            title.contains(&begun).then_some(2)
        }
    };
    let mut found: Vec<_> = columns.iter().filter(|column| place(column).is_some()).collect();
    found.sort_by_key(place);
    let items = found.into_iter().take(MOST);
    let item =
        |column: &ResultColumn| Proposal { text: column.name.clone(), title: column.title.clone() };
    Proposals { from, items: items.map(item).collect() }
}

/// The column that the text compares last with something, and the first byte of that.
fn compared<'c>(before: &str, columns: &'c [ResultColumn]) -> Option<(&'c ResultColumn, usize)> {
    let (at, sign) = COMPARISONS
        .iter()
        .filter_map(|sign| Some((before.rfind(sign)?, *sign)))
        .max_by_key(|(at, sign)| (at + sign.len(), sign.len()))?;
    let after = &before[at + sign.len()..];
    let value = after.trim_start();
    // A value that has ended: `a == 1 && b`, `a == "x" `.
    let quoted = value.strip_prefix('"');
    let ended = match quoted {
        Some(text) => text.contains('"'),
        None => value.contains(|letter: char| letter.is_whitespace() || letter == '&'),
    };
    if ended {
        return None;
    }
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
    let left = before[..at].trim_end();
    let name = &left[left.rfind(|letter| !is_name(letter)).map_or(0, |at| at + 1)..];
    let column = columns.iter().find(|column| column.name == name)?;
    Some((column, before.len() - value.len()))
}

#[cfg(test)]
mod tests {
    use shared::api::ColumnKind;

    use super::*;

    fn columns() -> Vec<ResultColumn> {
        let column = |name: &str, title: &str, values: &[&str]| ResultColumn {
            name: name.into(),
            title: title.into(),
            unit: String::new(),
            kind: ColumnKind::Setting,
            number: false,
            runs: 1,
            distinct: values.len() as u64,
            values: values.iter().map(ToString::to_string).collect(),
        };
        vec![
            column("attack.trigger.kind", "Trigger", &["\"blended\"", "\"patched\""]),
            column("attack.trigger.ratio", "Blend ratio", &["0.1", "0.15", "0.3"]),
            column("ratio", "Something", &[]),
        ]
    }

    fn texts(before: &str) -> (usize, Vec<String>) {
        let Proposals { from, items } = proposals(before, &columns());
        (from, items.into_iter().map(|item| item.text).collect())
    }

    #[test]
    fn conditions_are_taken_apart() {
        assert_eq!(conjuncts("a == 1 && b > 2"), ["a == 1", "b > 2"]);
        assert_eq!(conjuncts("a in [1, 2] && (b || c && d)"), ["a in [1, 2]", "(b || c && d)"]);
        assert_eq!(conjuncts("a == \"x && \\\"y\" && b"), ["a == \"x && \\\"y\"", "b"]);
        assert_eq!(conjuncts("a || b && c"), ["a || b && c"]);
        assert!(conjuncts("  ").is_empty() && conjuncts("&&").is_empty());
        assert_eq!(without("a && b && c", 1), "a && c");
        assert_eq!(without("a || b", 0), "");
    }

    #[test]
    fn names_that_begin_so_come_first() {
        let (from, found) = texts("ca > 1 && rat");
        assert_eq!((from, found), (10, vec!["ratio".into(), "attack.trigger.ratio".into()]));
        assert_eq!(texts("blend").1, ["attack.trigger.ratio"], "by its title");
        assert_eq!(texts("").1, [""; 0]);
        assert_eq!(texts("1").1, [""; 0]);
        assert_eq!(texts("ratio").1, ["attack.trigger.ratio"], "complete");
    }

    #[test]
    fn values_follow_a_comparison() {
        assert_eq!(
            texts("attack.trigger.ratio >= "),
            (24, vec!["0.1".into(), "0.15".into(), "0.3".into()])
        );
        assert_eq!(texts("attack.trigger.ratio >= 0.1").1, ["0.15"]);
        let (from, found) = texts("ca > 1 && attack.trigger.kind == \"bl");
        assert_eq!((from, found), (33, vec!["\"blended\"".into()]));
        assert_eq!(texts("attack.trigger.kind == \"blended\" ").1, [""; 0]);
        assert_eq!(texts("attack.trigger.kind == \"blended\" && rat").1.len(), 2);
        assert_eq!(texts("note == \"rat").1, [""; 0], "inside a text");
    }
}
