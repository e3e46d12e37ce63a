//! Tables of earlier files: those of one data set mostly were written by one program, with the same codes.

use std::{collections::VecDeque, rc::Rc};

use super::huffman::Spec;

/// The last tables, with what they were made of.
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
        if let Some((_, table)) = self.0.iter().find(|(key, _)| same(key)) {
            return Some(table.clone());
        }
        let table = Rc::new(make(spec)?);
        self.0.truncate(Self::MOST - 1);
        self.0.push_front(([spec.counts, spec.symbols].concat(), table.clone()));
        Some(table)
    }
}
