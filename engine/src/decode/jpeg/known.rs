//! Tables of earlier files: those of one data set mostly were written by one program, with the same codes.

use std::{collections::VecDeque, rc::Rc};

use super::huffman::Spec;

/// The tables that were asked for last, with what they were made of.
pub(super) struct Known<T>(VecDeque<(Vec<u8>, Rc<T>)>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Known<T> {
    /// As many as the largest number of tables in a file.
    const MOST: usize = 4;

    /// The table of these codes. Nothing where they make none.
    pub fn get(&mut self, spec: Spec<'_>, make: impl Fn(Spec<'_>) -> Option<T>) -> Option<Rc<T>> {
        let same = |key: &[u8]| key.strip_prefix(spec.counts) == Some(spec.symbols);
        let place = self.0.iter().position(|(key, _)| same(key));
        let entry = match place.and_then(|place| self.0.remove(place)) {
            Some(entry) => entry,
            None => ([spec.counts, spec.symbols].concat(), Rc::new(make(spec)?)),
        };
        let table = entry.1.clone();
        self.0.truncate(Self::MOST - 1);
        self.0.push_front(entry);
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn tables_are_made_once_and_those_of_long_ago_again() {
        let (mut known, made) = (Known::default(), Cell::new(0));
        let mut get = |count: u8, symbol: u8| {
            let mut counts = [0; 16];
            counts[1] = count;
            let make = |spec: Spec<'_>| {
                made.set(made.get() + 1);
                (spec.symbols[0] < 9).then(|| (spec.counts[1], spec.symbols[0]))
            };
            let table = known.get(Spec { counts: &counts, symbols: &[symbol] }, make);
            (table.as_deref().copied(), made.get())
        };
        assert_eq!(get(1, 1), (Some((1, 1)), 1));
        assert_eq!(get(1, 2), (Some((1, 2)), 2), "other symbols");
        assert_eq!(get(2, 1), (Some((2, 1)), 3), "other counts");
        assert_eq!(get(1, 1), (Some((1, 1)), 3));
        assert_eq!(get(1, 9), (None, 4));
        assert_eq!(get(1, 3), (Some((1, 3)), 5));
        assert_eq!(get(1, 4), (Some((1, 4)), 6));
        assert_eq!(get(1, 1), (Some((1, 1)), 6), "asked for again since");
        assert_eq!(get(1, 2), (Some((1, 2)), 7), "four were asked for since");
    }
}
