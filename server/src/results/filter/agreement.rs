//! Tests that filters agree with cel's own interpreter, and with a slow evaluation that handles missing
//! values, on random tables and expressions.

use std::collections::BTreeMap;

use cel::{Context, Program};
use proptest::prelude::*;
use serde_json::json;

use super::Filter;
use crate::results::{
    Row, Table,
    samples::{probe, real},
    value::Value,
};

/// The columns of the random tables, all with dots, so that cel's `has` accepts them.
const NUMBERS: [&str; 4] = ["a.number", "b.deep.number", "m.first", "m.second"];
const TEXT: &str = "a.text";
const SWITCH: &str = "a.on";
const TEXTS: [&str; 5] = ["", "a", "ab", "ba", "é"];

/// An expression that can be formatted as text and evaluated the slow way.
#[derive(Clone, Debug)]
enum Expression {
    Compare(Sum, &'static str, Sum),
    Among(Sum, Vec<f64>),
    TextIs(&'static str, &'static str),
    TextAmong(Vec<&'static str>),
    Function(&'static str, &'static str),
    On,
    OnIs(bool),
    Has(&'static str),
    Not(Box<Expression>),
    Both(Box<Expression>, Box<Expression>),
    Either(Box<Expression>, Box<Expression>),
    If(Box<Expression>, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Debug)]
enum Sum {
    Number(f64),
    Column(&'static str),
    Two(Box<Sum>, char, Box<Sum>),
}

/// The values of a row by name.
type Known = BTreeMap<&'static str, Value>;

impl Sum {
    fn written(&self) -> String {
        match self {
            Self::Number(number) => format!("{number:?}"),
            Self::Column(name) => (*name).to_owned(),
            Self::Two(a, sign, b) => format!("({} {sign} {})", a.written(), b.written()),
        }
    }

    fn slowly(&self, row: &Known) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Column(name) => match row.get(name)? {
                Value::Number(number) => Some(*number),
                _ => None,
            },
            Self::Two(a, sign, b) => {
                let (a, b) = (a.slowly(row)?, b.slowly(row)?);
                let number = match sign {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                };
                number.is_finite().then_some(number)
            }
        }
    }
}

impl Expression {
    fn written(&self) -> String {
        match self {
            Self::Compare(a, sign, b) => format!("{} {sign} {}", a.written(), b.written()),
            Self::Among(a, list) => format!("{} in {list:?}", a.written()),
            Self::TextIs(sign, text) => format!("{TEXT} {sign} {text:?}"),
            Self::TextAmong(texts) => format!("{TEXT} in {texts:?}"),
            Self::Function(name, text) => format!("{TEXT}.{name}({text:?})"),
            Self::On => SWITCH.to_owned(),
            Self::OnIs(on) => format!("{SWITCH} == {on}"),
            Self::Has(name) => format!("has({name})"),
            Self::Not(a) => format!("!({})", a.written()),
            Self::Both(a, b) => format!("({} && {})", a.written(), b.written()),
            Self::Either(a, b) => format!("({} || {})", a.written(), b.written()),
            Self::If(a, b, c) => {
                format!("({} ? {} : {})", a.written(), b.written(), c.written())
            }
        }
    }

    fn slowly(&self, row: &Known) -> bool {
        let text = match row.get(TEXT) {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        };
        let on = match row.get(SWITCH) {
            Some(Value::Switch(on)) => Some(*on),
            _ => None,
        };
        match self {
            Self::Compare(a, sign, b) => match (a.slowly(row), b.slowly(row)) {
                (Some(a), Some(b)) => signed(sign, a.partial_cmp(&b).expect("finite")),
                _ => false,
            },
            Self::Among(a, list) => a.slowly(row).is_some_and(|a| list.contains(&a)),
            Self::TextIs(sign, other) => {
                text.is_some_and(|text| signed(sign, text.as_str().cmp(other)))
            }
            Self::TextAmong(texts) => text.is_some_and(|text| texts.contains(&text.as_str())),
            Self::Function(name, other) => text.is_some_and(|text| match *name {
                "startsWith" => text.starts_with(other),
                "endsWith" => text.ends_with(other),
                // The patterns consist of plain letters.
                _ => text.contains(other),
            }),
            Self::On => on == Some(true),
            Self::OnIs(wanted) => on == Some(*wanted),
            Self::Has(name) => row.contains_key(name),
            Self::Not(a) => !a.slowly(row),
            Self::Both(a, b) => a.slowly(row) && b.slowly(row),
            Self::Either(a, b) => a.slowly(row) || b.slowly(row),
            Self::If(a, b, c) => {
                if a.slowly(row) {
                    b.slowly(row)
                } else {
                    c.slowly(row)
                }
            }
        }
    }
}

fn signed(sign: &str, order: std::cmp::Ordering) -> bool {
    match sign {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

fn small() -> impl Strategy<Value = f64> {
    // Halves are exact, so that both sides compute the same result.
    (-4..=4i8).prop_map(|half| f64::from(half) / 2.0)
}

fn sum() -> impl Strategy<Value = Sum> {
    let leaf = prop_oneof![
        small().prop_map(Sum::Number),
        prop::sample::select(&NUMBERS[..]).prop_map(Sum::Column),
    ];
    leaf.prop_recursive(2, 4, 2, |inner| {
        let sign = prop::sample::select(vec!['+', '-', '*', '/']);
        (inner.clone(), sign, inner)
            .prop_map(|(a, sign, b)| Sum::Two(Box::new(a), sign, Box::new(b)))
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    let sign = || prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let text = || prop::sample::select(&TEXTS[..]);
    let function = prop::sample::select(vec!["startsWith", "endsWith", "contains", "matches"]);
    let names: Vec<_> = NUMBERS.into_iter().chain([TEXT, SWITCH]).collect();
    let leaf = prop_oneof![
        4 => (sum(), sign(), sum()).prop_map(|(a, sign, b)| Expression::Compare(a, sign, b)),
        1 => (sum(), prop::collection::vec(small(), 0..4))
            .prop_map(|(a, list)| Expression::Among(a, list)),
        1 => (sign(), text()).prop_map(|(sign, text)| Expression::TextIs(sign, text)),
        1 => prop::collection::vec(text(), 0..3).prop_map(Expression::TextAmong),
        1 => (function, text()).prop_map(|(name, text)| Expression::Function(name, text)),
        1 => Just(Expression::On),
        1 => any::<bool>().prop_map(Expression::OnIs),
        1 => prop::sample::select(names).prop_map(Expression::Has),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Expression::Not),
            (boxed(), boxed()).prop_map(|(a, b)| Expression::Both(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Expression::Either(a, b)),
            (boxed(), boxed(), boxed()).prop_map(|(a, b, c)| Expression::If(a, b, c)),
        ]
    })
}

/// The values of a row; each is missing with the given chance in percent.
fn known(missing: u8) -> impl Strategy<Value = Known> {
    let there = move || (0..100u8).prop_map(move |chance| chance >= missing);
    let numbers = prop::collection::vec((there(), small()), NUMBERS.len());
    let text = (there(), prop::sample::select(&TEXTS[..]));
    (numbers, text, (there(), any::<bool>())).prop_map(|(numbers, text, on)| {
        let numbers = NUMBERS.into_iter().zip(numbers);
        let mut known: Known = numbers
            .filter(|(_, (there, _))| *there)
            .map(|(name, (_, number))| (name, number.into()))
            .collect();
        known.extend(text.0.then(|| (TEXT, text.1.into())));
        known.extend(on.0.then(|| (SWITCH, on.1.into())));
        known
    })
}

fn row(at: usize, known: &Known) -> Row {
    let mut row = probe(at as u64 + 1, 0.0, 0, 0);
    for (name, value) in known {
        match value {
            Value::Number(number) if name.starts_with("m.") => {
                row.metrics.insert((*name).to_owned(), real(*number));
            }
            value => {
                row.settings.insert((*name).to_owned(), value.clone());
            }
        }
    }
    row
}

/// A table of the rows, after a row that has every column.
fn table(rows: &[Known]) -> Table {
    let mut table = Table::new();
    let mut all: Known = NUMBERS.into_iter().map(|name| (name, 1.0.into())).collect();
    all.insert(TEXT, "a".into());
    all.insert(SWITCH, true.into());
    for (at, known) in std::iter::once(&all).chain(rows).enumerate() {
        table.insert(&row(at, known)).expect("fits");
    }
    table
}

/// Whether each of the rows is selected.
fn chosen(table: &Table, rows: &[Known], expression: &str) -> Vec<bool> {
    let filter = Filter::new(expression, table).unwrap_or_else(|e| panic!("{expression}: {e}"));
    let runs = filter.select(table).runs();
    (0..rows.len()).map(|at| runs.contains(&row(at + 1, &Known::new()).run)).collect()
}

/// The result of cel's interpreter for a row; `None` if it fails.
fn interpreted(program: &Program, known: &Known) -> Option<bool> {
    let mut variables = json!({"a": {}, "b": {"deep": {}}, "m": {}});
    for (name, value) in known {
        let value = match value {
            Value::Number(number) => json!(number),
            Value::Text(text) => json!(&text[..]),
            Value::Switch(on) => json!(on),
        };
        let pointer = format!("/{}", name.replace('.', "/"));
        let (parent, field) = pointer.rsplit_once('/').expect("a dot");
        variables.pointer_mut(parent).expect("there")[field] = value;
    }
    let mut context = Context::default();
    for (name, value) in variables.as_object().expect("an object") {
        context.add_variable(name.clone(), value).expect("a value");
    }
    match program.execute(&context) {
        Ok(cel::Value::Bool(holds)) => Some(holds),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn filters_agree_with_a_slow_evaluation(
        expression in expression(),
        rows in prop::collection::vec(known(30), 1..12),
    ) {
        let slow: Vec<_> = rows.iter().map(|row| expression.slowly(row)).collect();
        let text = expression.written();
        prop_assert_eq!(chosen(&table(&rows), &rows, &text), slow, "{}", text);
    }

    #[test]
    fn filters_agree_with_the_interpreter_of_cel(
        expression in expression(),
        rows in prop::collection::vec(known(0), 1..12),
    ) {
        let text = expression.written();
        let program = Program::compile(&text).expect("CEL");
        let ours = chosen(&table(&rows), &rows, &text);
        for (known, ours) in rows.iter().zip(ours) {
            // On a division by zero, CEL continues with infinity, while for us the number is
            // missing.
            if !text.contains('/') {
                prop_assert_eq!(Some(ours), interpreted(&program, known), "{} of {:?}", text, known);
            }
        }
    }

    /// Any input is either accepted or refused, without a panic.
    #[test]
    fn any_text_is_answered(
        parts in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "[", "]", "{", "}", "!", "-", "+", "/", "%", "a.number", "a.text", "a.on", "kind", "studies",
            "1", "2.5", "\"x\"", "\"", "'", "&&", "||", "==", "<", "in", " ", ",", "?", ":", ".", "has(", ".matches(",
            ".contains(", "null", "true", "1u", "0x", "b'", "\n", "//", "é", "🦀", "&", "=", "\\", "`", "@", "state",
        ]), 0..24),
    ) {
        let text = parts.concat();
        let table = table(&[]);
        match Filter::new(&text, &table) {
            Ok(filter) => prop_assert!(filter.select(&table).len() <= 1),
            Err(error) => prop_assert!(text.get(error.span.clone()).is_some() && error.column > 0),
        }
    }
}
