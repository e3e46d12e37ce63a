//! Numbers, times and sizes as a person reads them.

use shared::{Ratio, study::FieldError};

/// A whole number with commas: `12,500`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number as a person writes it: a large whole number with commas, any other without an exponent or superfluous digits.
pub fn number(value: f64) -> String {
    if value.fract() == 0.0 && value >= 1000.0 { count(value as u64) } else { value.to_string() }
}

/// A class by number and name: `3 cat`; `class 3` if it has no name or the name is the number.
pub fn class(number: usize, names: &[String]) -> String {
    match name_of(number, names) {
        Some(name) => format!("{number} {name}"),
        None => format!("class {number}"),
    }
}

/// A class's name to follow its number in a sentence: ` (cat)`, or nothing.
pub fn class_name(number: u32, names: &[String]) -> String {
    name_of(number as usize, names).map(|name| format!(" ({name})")).unwrap_or_default()
}

fn name_of(number: usize, names: &[String]) -> Option<&String> {
    names.get(number).filter(|name| **name != number.to_string())
}

/// A number of things: `1 run`, `12 runs`.
pub fn things(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

/// Bytes in decimal units: `488 kB`, `1.2 GB`.
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    if unit == 0 || scaled >= 99.95 {
        format!("{scaled:.0} {}", UNITS[unit])
    } else {
        format!("{scaled:.1} {}", UNITS[unit])
    }
}

/// A rounded duration: `40 s`, `8 min`, `1.5 h`, `3 days`.
pub fn duration(seconds: f64) -> String {
    if seconds < 59.5 {
        format!("{:.0} s", seconds.max(1.0))
    } else if seconds < 3570.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 36.0 * 3600.0 {
        format!("{:.1} h", seconds / 3600.0)
    } else {
        format!("{:.0} days", seconds / 86_400.0)
    }
}

/// How long before `now` something happened; both in Unix milliseconds.
pub fn ago(then: u64, now: u64) -> String {
    let seconds = now.saturating_sub(then) / 1000;
    match seconds {
        0..45 => "just now".into(),
        45..3570 => format!("{} min ago", (seconds + 30) / 60),
        3570..84_600 => format!("{} h ago", (seconds + 1800) / 3600),
        _ => things((seconds + 43_200) / 86_400, "day ago", "days ago"),
    }
}

/// Reads tags separated by commas.
pub fn tags(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
}

/// A share in percent: `93.0 %`.
pub fn percent(ratio: Ratio) -> String {
    ratio.percent().map_or_else(|| "–".into(), |percent| format!("{percent:.1} %"))
}

/// A share's 95 % interval in percent: `91.2–94.5`.
pub fn interval(ratio: Ratio) -> String {
    ratio.wilson95().map_or_else(String::new, |interval| {
        format!("{:.1}–{:.1}", interval.low * 100.0, interval.high * 100.0)
    })
}

/// The first eight digits of a hash, enough to tell two apart.
pub fn short_hash(hash: &str) -> String {
    hash.chars().take(8).collect()
}

/// The first message for the field at `path`, or for a field below it when `path` ends with a dot.
pub fn message_at(errors: &[FieldError], path: &str) -> Option<String> {
    let below = path.ends_with('.');
    errors
        .iter()
        .find(|error| error.field == path || (below && error.field.starts_with(path)))
        .map(|error| error.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([things(1, "run", "runs"), things(0, "run", "runs")], ["1 run", "0 runs"]);
    }

    #[test]
    fn a_class_is_not_named_by_its_number_twice() {
        let names = ["cat".to_owned(), "1".to_owned()];
        assert_eq!([0, 1, 2].map(|at| class(at, &names)), ["0 cat", "class 1", "class 2"]);
        assert_eq!([0, 1, 2].map(|at| class_name(at, &names)), [" (cat)", "", ""]);
    }

    #[test]
    fn bytes_keep_two_or_three_digits() {
        assert_eq!(
            [bytes(0), bytes(999), bytes(1000), bytes(488_200)],
            ["0 B", "999 B", "1.0 kB", "488 kB"]
        );
        assert_eq!([bytes(999_600), bytes(1_240_000_000)], ["1.0 MB", "1.2 GB"]);
    }

    #[test]
    fn durations_grow_through_their_units() {
        let told = [0.2, 40.0, 59.6, 480.0, 3600.0, 5400.0, 260_000.0].map(duration);
        assert_eq!(told, ["1 s", "40 s", "1 min", "8 min", "1.0 h", "1.5 h", "3 days"]);
    }

    #[test]
    fn times_are_told_from_now() {
        let now = 1_000_000_000_000;
        let told = [3, 60, 3_540, 3_600, 80_000, 90_000, 200_000].map(|s| ago(now - s * 1000, now));
        assert_eq!(
            told,
            [
                "just now",
                "1 min ago",
                "59 min ago",
                "1 h ago",
                "22 h ago",
                "1 day ago",
                "2 days ago"
            ]
        );
        assert_eq!(ago(now + 5_000, now), "just now");
    }

    #[test]
    fn tags_are_read_between_commas() {
        assert_eq!(tags(" a b, ,c,"), ["a b", "c"]);
        assert!(tags(" ").is_empty());
    }

    #[test]
    fn shares_by_hand() {
        let ratio = Ratio { hits: 93, total: 100 };
        assert_eq!((percent(ratio), interval(ratio)), ("93.0 %".into(), "86.3–96.6".into()));
        assert_eq!(percent(Ratio { hits: 0, total: 0 }), "–");
    }

    #[test]
    fn messages_are_found_at_their_field() {
        let errors = [
            FieldError::new("attack.trigger.ratio", "too high"),
            FieldError::new("name", "missing"),
        ];
        assert_eq!(message_at(&errors, "name").as_deref(), Some("missing"));
        assert_eq!(message_at(&errors, "attack.").as_deref(), Some("too high"));
        assert_eq!(message_at(&errors, "attack"), None);
    }
}
