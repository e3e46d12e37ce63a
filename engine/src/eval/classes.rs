//! Matching a classifier's classes with those of a data set.

use std::collections::HashMap;

use shared::{Rgb8, api::ClassMatching};

use crate::{
    compute::Classify,
    data::{augment::Normalisation, composed},
};

/// Classes that a message shows of a table.
const SHOWN: usize = 5;

/// Finds a data set's classes among the `count` classes of a classifier: for each class of the data set, the classifier's. `names` are
/// the classifier's own; there may be none.
///
/// Names match when they are equal in NFC; every class has to match exactly one. Names that are merely alike do not: a wrong match
/// gives an attack success of 0 or 100 % where the truth is the other.
///
/// # Errors
/// A message with the names that differ, when they do not match, or when the order was asked for and a name contradicts it.
pub fn matched(
    matching: &ClassMatching,
    names: &[String],
    count: usize,
    dataset: &[String],
) -> Result<Vec<usize>, String> {
    let names = match matching {
        ClassMatching::List { names } => names,
        _ => names,
    };
    if count != dataset.len() {
        return Err(format!(
            "the classifier has {count} classes and the data set {}; they must be the same",
            dataset.len()
        ));
    }
    if let ClassMatching::List { names } = matching
        && names.len() != count
    {
        return Err(format!(
            "the list has {} names; the classifier has {count} classes",
            names.len()
        ));
    }
    if *matching == ClassMatching::Order {
        // A name of another class, and even one that is like it, contradicts the order.
        let contradicts = |at: &usize| {
            names.get(*at).is_some_and(|own| {
                [composed, alike].iter().any(|form| {
                    let own = form(own);
                    own != form(&dataset[*at]) && dataset.iter().any(|name| form(name) == own)
                })
            })
        };
        return match (0..count).find(contradicts) {
            None => Ok((0..count).collect()),
            Some(at) => Err(format!(
                "the order contradicts the names: the classifier's class {at} is {:?}, the data set's is {:?}. {}",
                names[at],
                dataset[at],
                both(names, dataset)
            )),
        };
    }
    if let Some(order) = by_name(names, dataset, composed) {
        return Ok(order);
    }
    let why = if names.is_empty() {
        "the classifier does not name its classes.".to_owned()
    } else {
        let but_alike = match by_name(names, dataset, alike) {
            Some(_) => " They are the same but for case, `_`, `-`, blanks or what follows a comma.",
            None => "",
        };
        let both = both(names, dataset);
        format!("the classifier's classes do not have the data set's names. {both}.{but_alike}")
    };
    Err(format!(
        "{why} If it was trained with the data set's classes in this order, match them by order (`--classes order`); otherwise list the \
         names of its classes as the data set has them, one per line (`--classes FILE`)"
    ))
}

/// The first classes whose names differ, side by side.
fn both(names: &[String], dataset: &[String]) -> String {
    let differ =
        |(_, (own, theirs)): &(usize, (&String, &String))| composed(own) != composed(theirs);
    let row =
        |(at, (own, theirs)): (usize, (&String, &String))| format!("{at}: {own:?} / {theirs:?}");
    let rows: Vec<String> = names.iter().zip(dataset).enumerate().filter(differ).map(row).collect();
    let more = rows.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let rows = rows[..rows.len().min(SHOWN)].join(", ");
    format!("Classifier / data set: {rows}{more}")
}

/// The place of each class of the data set among `names`; `None` if one is missing or occurs twice.
fn by_name(names: &[String], dataset: &[String], key: fn(&str) -> String) -> Option<Vec<usize>> {
    let places: HashMap<String, usize> = names.iter().map(|name| key(name)).zip(0..).collect();
    let mut order: Vec<usize> =
        dataset.iter().map(|name| places.get(&key(name)).copied()).collect::<Option<_>>()?;
    let found = order.clone();
    order.sort_unstable();
    order.iter().copied().eq(0..names.len()).then_some(found)
}

/// What names that are taken for each other easily have in common. `ImageNet` lists several names for one class.
fn alike(name: &str) -> String {
    let first = name.split(',').next().unwrap_or_default();
    composed(first).trim().to_lowercase().replace(['_', '-'], " ")
}

/// A classifier with its classes in the data set's order.
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

    fn scores(&self, images: &[f32]) -> candle_core::Result<Vec<f32>> {
        let scores = self.classifier.scores(images)?;
        let rows = scores.chunks_exact(self.classifier.classes());
        Ok(rows.flat_map(|row| self.order.iter().map(|&class| row[class])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn find(
        matching: &ClassMatching,
        names: &[&str],
        dataset: &[&str],
    ) -> Result<Vec<usize>, String> {
        matched(matching, &owned(names), names.len().max(2), &owned(dataset))
    }

    fn named(names: &[&str], dataset: &[&str]) -> Result<Vec<usize>, String> {
        find(&ClassMatching::Names, names, dataset)
    }

    #[test]
    fn classes_are_found_by_name() {
        assert_eq!(named(&["fox", "owl", "cat"], &["cat", "fox", "owl"]), Ok(vec![2, 0, 1]));
        assert_eq!(named(&["a", "A", "b", "B"], &["A", "B", "a", "b"]), Ok(vec![1, 3, 0, 2]));
        assert_eq!(named(&["0", "2", "10"], &["0", "10", "2"]), Ok(vec![0, 2, 1]));
        assert_eq!(named(&["tea", "cafe\u{301}"], &["caf\u{e9}", "tea"]), Ok(vec![1, 0]));
    }

    #[test]
    fn names_that_are_alike_are_not_the_same() {
        for (names, dataset) in [
            (&["Cat", "dog"][..], &["cat", "dog"][..]),
            (&["sea_lion", "owl"], &["owl", "sea lion"]),
            (&["dog ", "cat"], &["cat", "dog"]),
            (&["tench, Tinca tinca", "crane"], &["crane", "tench"]),
        ] {
            let error = named(names, dataset).unwrap_err();
            assert!(error.contains("They are the same but for case"), "{error}");
            assert!(error.contains(&format!("{:?} / {:?}", names[0], dataset[0])), "{error}");
        }
    }

    #[test]
    fn other_names_are_refused_with_both_lists() {
        for names in [&["LABEL_0", "LABEL_1"][..], &["cat", "cat"], &["cat", "cow"]] {
            let error = named(names, &["cat", "dog"]).unwrap_err();
            let differs = format!("1: {:?} / \"dog\". If it was", names[1]);
            assert!(error.contains(&differs) && error.contains("`--classes order`"), "{error}");
        }
        let error = named(&[], &["cat", "dog"]).unwrap_err();
        assert!(
            error.starts_with("the classifier does not name its classes. If it was"),
            "{error}"
        );
        let error = named(&["a", "b", "c"], &["a", "b"]).unwrap_err();
        assert!(error.starts_with("the classifier has 3 classes and the data set 2"), "{error}");
    }

    #[test]
    fn the_order_is_taken_only_where_no_name_contradicts_it() {
        let ordered =
            |names: &[&str], dataset: &[&str]| find(&ClassMatching::Order, names, dataset);
        assert_eq!(ordered(&["LABEL_0", "LABEL_1"], &["cat", "dog"]), Ok(vec![0, 1]));
        assert_eq!(ordered(&[], &["cat", "dog"]), Ok(vec![0, 1]));
        assert_eq!(ordered(&["cat", "cow"], &["cat", "dog"]), Ok(vec![0, 1]));
        for (names, dataset) in [
            (&["0", "1", "2"][..], &["0", "2", "1"][..]),
            (&["x", "a", "A"], &["x", "A", "a"]),
            (&["x", "Dog", "Cat"], &["x", "cat", "dog"]),
        ] {
            let error = ordered(names, dataset).unwrap_err();
            let begins = format!(
                "the order contradicts the names: the classifier's class 1 is {:?}, the data set's is {:?}",
                names[1], dataset[1]
            );
            assert!(error.starts_with(&begins), "{error}");
        }
    }

    #[test]
    fn a_list_names_the_classes() {
        let list = |names: &[&str]| ClassMatching::List { names: owned(names) };
        let found = find(&list(&["dog", "cat"]), &["LABEL_0", "LABEL_1"], &["cat", "dog"]);
        assert_eq!(found, Ok(vec![1, 0]));
        let error = find(&list(&["dog"]), &["LABEL_0", "LABEL_1"], &["cat", "dog"]).unwrap_err();
        assert_eq!(error, "the list has 1 names; the classifier has 2 classes");
    }
}
