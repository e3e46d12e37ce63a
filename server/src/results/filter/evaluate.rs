//! Evaluates a condition over columns.

use std::cmp::Ordering;

use super::plan::{Leaf, Operation, Plan, Relation, Term, Test};
use crate::results::{
    column::View,
    table::Table,
    value::{Cell, Types, Value},
};

/// Whether the condition holds, for each row of the table.
pub(super) fn evaluate(plan: &Plan, table: &Table) -> Vec<bool> {
    let views: Vec<_> = plan.columns.iter().map(|column| table.view(column)).collect();
    Evaluation { table, views: &views, rows: table.len() }.test(&plan.test)
}

struct Evaluation<'t> {
    table: &'t Table,
    /// The columns in the order of the plan.
    views: &'t [View<'t>],
    rows: usize,
}

/// The numbers of a term; NaN for missing ones.
enum Numbers {
    One(f64),
    Each(Vec<f64>),
}

impl Evaluation<'_> {
    fn test(&self, test: &Test) -> Vec<bool> {
        match test {
            Test::Constant(holds) => vec![*holds; self.rows],
            Test::All(both) => self.combine(both, |a, b| a & b),
            Test::Any(either) => self.combine(either, |a, b| a | b),
            Test::Not(test) => {
                let mut chosen = self.test(test);
                for holds in &mut chosen {
                    *holds = !*holds;
                }
                chosen
            }
            Test::Choice(tests) => {
                let mut chosen = self.test(&tests[0]);
                let (then, otherwise) = (self.test(&tests[1]), self.test(&tests[2]));
                for (holds, (then, otherwise)) in
                    chosen.iter_mut().zip(then.into_iter().zip(otherwise))
                {
                    *holds = if *holds { then } else { otherwise };
                }
                chosen
            }
            Test::OfStudy(wanted) => {
                let studies = &self.table.studies;
                let holds = studies.entries.iter().map(|entry| {
                    let mut studies = entry.iter().flat_map(|studies| studies.iter());
                    studies.any(|it| it.name == *wanted || it.id.to_string() == **wanted)
                });
                by_code(&holds.collect::<Vec<_>>(), &studies.codes)
            }
            Test::Leaf(leaf) => self.leaf(leaf),
        }
    }

    fn combine(&self, tests: &[Test; 2], combine: impl Fn(bool, bool) -> bool) -> Vec<bool> {
        let mut chosen = self.test(&tests[0]);
        let others = self.test(&tests[1]);
        chosen.iter_mut().zip(others).for_each(|(holds, other)| *holds = combine(*holds, other));
        chosen
    }

    fn leaf(&self, leaf: &Leaf) -> Vec<bool> {
        // A leaf that depends on one coded column is evaluated once for each of its values.
        if let Some(column) = leaf.only_column()
            && let View::Values(values) = &self.views[column]
        {
            let holds: Vec<_> = values.cells().map(|cell| leaf.holds(&|_| cell)).collect();
            return by_code(&holds, &values.coded.codes);
        }
        match leaf {
            Leaf::Compare { relation, left, right }
                if self.is_number(left) && self.is_number(right) =>
            {
                self.compare(*relation, left, right)
            }
            Leaf::Among { term, values } if self.is_number(term) => self.among(term, values),
            _ => self.row_by_row(leaf),
        }
    }

    fn row_by_row(&self, leaf: &Leaf) -> Vec<bool> {
        let cell = |row: usize| move |column: usize| self.views[column].cell(row);
        (0..self.rows).map(|row| leaf.holds(&cell(row))).collect()
    }

    fn is_number(&self, term: &Term) -> bool {
        term.types(&|column| self.views[column].types()) == Types::NUMBER
    }

    fn compare(&self, relation: Relation, left: &Term, right: &Term) -> Vec<bool> {
        let (left, right) = (self.numbers(left), self.numbers(right));
        // NaN, which represents missing values, has no order, so every comparison is false.
        match relation {
            Relation::Equal => {
                self.zip(left, right, |a, b| a.partial_cmp(&b).is_some_and(Ordering::is_eq))
            }
            Relation::Unequal => {
                self.zip(left, right, |a, b| a.partial_cmp(&b).is_some_and(Ordering::is_ne))
            }
            Relation::Less => self.zip(left, right, |a, b| a < b),
            Relation::LessOrEqual => self.zip(left, right, |a, b| a <= b),
            Relation::Greater => self.zip(left, right, |a, b| a > b),
            Relation::GreaterOrEqual => self.zip(left, right, |a, b| a >= b),
        }
    }

    fn zip<T: Clone>(&self, left: Numbers, right: Numbers, f: impl Fn(f64, f64) -> T) -> Vec<T> {
        match (left, right) {
            (Numbers::One(a), Numbers::One(b)) => vec![f(a, b); self.rows],
            (Numbers::One(a), Numbers::Each(b)) => b.into_iter().map(|b| f(a, b)).collect(),
            (Numbers::Each(a), Numbers::One(b)) => a.into_iter().map(|a| f(a, b)).collect(),
            (Numbers::Each(a), Numbers::Each(b)) => {
                a.into_iter().zip(b).map(|(a, b)| f(a, b)).collect()
            }
        }
    }

    fn among(&self, term: &Term, values: &[Value]) -> Vec<bool> {
        let mut wanted: Vec<f64> = values.iter().filter_map(number).collect();
        wanted.sort_by(f64::total_cmp);
        // The first that is not less is equal or greater; NaN, a missing value, is never found.
        let holds = |number: f64| {
            let at = wanted.partition_point(|&wanted| wanted < number);
            wanted.get(at).is_some_and(|&wanted| wanted <= number)
        };
        match self.numbers(term) {
            Numbers::One(number) => vec![holds(number); self.rows],
            Numbers::Each(numbers) => numbers.into_iter().map(holds).collect(),
        }
    }

    /// The numbers of a term whose values are all numbers.
    fn numbers(&self, term: &Term) -> Numbers {
        match term {
            Term::Constant(value) => Numbers::One(number(value).unwrap_or(f64::NAN)),
            Term::Column(column) => Numbers::Each(match &self.views[*column] {
                View::Values(values) => {
                    let numbers: Vec<f64> = values.cells().map(cell_number).collect();
                    values.coded.codes.iter().map(|&code| numbers[code as usize]).collect()
                }
                View::Numbers(numbers) => numbers.to_vec(),
                view => (0..self.rows).map(|row| view.number(row)).collect(),
            }),
            Term::Arithmetic { operation, left, right } => {
                let (left, right) = (self.numbers(left), self.numbers(right));
                let apply = |operation: Operation| {
                    move |a, b| {
                        let number = operation.apply(a, b);
                        if number.is_finite() { number } else { f64::NAN }
                    }
                };
                match (left, right) {
                    (Numbers::One(a), Numbers::One(b)) => Numbers::One(apply(*operation)(a, b)),
                    (left, right) => Numbers::Each(self.zip(left, right, apply(*operation))),
                }
            }
        }
    }
}

/// Expands a result for each code to each row.
fn by_code(holds: &[bool], codes: &[u32]) -> Vec<bool> {
    codes.iter().map(|&code| holds[code as usize]).collect()
}

fn number(value: &Value) -> Option<f64> {
    match Cell::of(value) {
        Cell::Number(number) => Some(number),
        _ => None,
    }
}

fn cell_number(cell: Cell<'_>) -> f64 {
    match cell {
        Cell::Number(number) => number,
        _ => f64::NAN,
    }
}
