//! A classifier's classes as those of a data set.

use std::collections::HashMap;

use candle_core::Result;
use shared::Rgb8;

use crate::{compute::Classify, data::augment::Normalisation};

/// Which class of a classifier stands for each class of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassOrder {
    /// Found by name: the classifier's class for each class of the data set.
    Named(Vec<usize>),
    /// As many classes, taken in their order.
    Assumed,
}

impl ClassOrder {
    /// Finds the data set's classes among those of a classifier of `count` classes, which are called `names`, or by no name at all.
    /// Names are compared without regard to case, and with `_`, `-` and space alike; of names with commas (several words
    /// for one thing, as `ImageNet`'s are) the first word is enough where not all are the same.
    ///
    /// # Errors
    /// A sentence with both counts, when the names are others and the counts are, too.
    pub fn find(
        names: &[String],
        count: usize,
        dataset: &[String],
    ) -> std::result::Result<Self, String> {
        if names.len() == dataset.len() {
            let found = by_name(names, dataset, key).or_else(|| by_name(names, dataset, first_key));
            if let Some(order) = found {
                return Ok(Self::Named(order));
            }
        }
        if count == dataset.len() {
            return Ok(Self::Assumed);
        }
        Err(format!(
            "the classifier has {count} classes and the data set {}; it is to have the same ones",
            dataset.len()
        ))
    }
}

/// The place of each class of the data set among `names`; `None` where one is missing or is there twice.
fn by_name(names: &[String], dataset: &[String], key: fn(&str) -> String) -> Option<Vec<usize>> {
    let places: HashMap<String, usize> = names.iter().map(|name| key(name)).zip(0..).collect();
    let mut order: Vec<usize> =
        dataset.iter().map(|name| places.get(&key(name)).copied()).collect::<Option<_>>()?;
    let found = order.clone();
    order.sort_unstable();
    order.iter().copied().eq(0..names.len()).then_some(found)
}

fn key(name: &str) -> String {
    let alike = name.trim().to_lowercase();
    alike.replace(['_', '-'], " ")
}

fn first_key(name: &str) -> String {
    key(name.split(',').next().unwrap_or_default())
}

/// A classifier whose classes come in the data set's order.
pub struct InOrder<'a> {
    /// The classifier.
    pub classifier: &'a dyn Classify,
    /// Its class for each class of the data set.
    pub order: &'a [usize],
}

impl Classify for InOrder<'_> {
    fn side(&self) -> usize {
        self.classifier.side()
    }

    fn classes(&self) -> usize {
        self.order.len()
    }

    fn normalisation(&self) -> Normalisation {
        self.classifier.normalisation()
    }

    fn view(&self, image: &Rgb8) -> Rgb8 {
        self.classifier.view(image)
    }

    fn scores(&self, images: &[f32]) -> Result<Vec<f32>> {
        let scores = self.classifier.scores(images)?;
        let rows = scores.chunks_exact(self.classifier.classes());
        Ok(rows.flat_map(|row| self.order.iter().map(|&class| row[class])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(
        names: &[&str],
        count: usize,
        dataset: &[&str],
    ) -> std::result::Result<ClassOrder, String> {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        ClassOrder::find(&owned(names), count, &owned(dataset))
    }

    #[test]
    fn classes_are_found_by_name() {
        let order = find(&["Sea_Lion", "fire-truck", "CAT"], 3, &["cat", "sea lion", "fire truck"]);
        assert_eq!(order, Ok(ClassOrder::Named(vec![2, 0, 1])));
        let words =
            find(&["goldfish, Carassius auratus", "tench, Tinca tinca"], 2, &["tench", "goldfish"]);
        assert_eq!(words, Ok(ClassOrder::Named(vec![1, 0])));
    }

    #[test]
    fn other_names_are_taken_in_order_where_there_are_as_many() {
        for names in [&["LABEL_0", "LABEL_1"][..], &["cat", "cat"], &["cat", "cow"], &[]] {
            assert_eq!(find(names, 2, &["cat", "dog"]), Ok(ClassOrder::Assumed), "{names:?}");
        }
        let error = find(&["a", "b", "c"], 3, &["a", "b"]).unwrap_err();
        assert!(error.starts_with("the classifier has 3 classes and the data set 2"), "{error}");
    }
}
