//! Confusion matrices.

use serde::{Deserialize, Serialize};

use super::Ratio;

/// A confusion matrix: how many images of each class were classified as each class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Confusion {
    /// `rows[true class][predicted class]`, in images; as many rows as columns.
    pub rows: Vec<Vec<u32>>,
    /// Images of each true class whose scores are all NaN, so that no class was predicted; empty if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<u32>,
}

impl Confusion {
    /// Counts true classes against predictions, image by image; `None` is an image without a prediction. Panics if a class
    /// is not below `classes`, or the lengths differ.
    pub fn count(labels: &[u32], predicted: &[Option<u32>], classes: usize) -> Self {
        assert!(labels.len() == predicted.len(), "one prediction for each image");
        let mut rows = vec![vec![0; classes]; classes];
        let mut undecided = vec![0; classes];
        for (&label, prediction) in labels.iter().zip(predicted) {
            match prediction {
                Some(class) => rows[label as usize][*class as usize] += 1,
                None => undecided[label as usize] += 1,
            }
        }
        if undecided.iter().all(|&images| images == 0) {
            undecided.clear();
        }
        Self { rows, undecided }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.rows.len()
    }

    /// Images of a true class.
    pub fn images(&self, class: usize) -> u32 {
        let decided: u32 = self.rows.get(class).into_iter().flatten().sum();
        decided + self.undecided.get(class).copied().unwrap_or(0)
    }

    /// Images of a true class that were classified as `predicted`, among all of that class.
    pub fn taken_for(&self, class: usize, predicted: usize) -> Ratio {
        let hits = self.rows.get(class).and_then(|row| row.get(predicted)).copied().unwrap_or(0);
        Ratio { hits, total: self.images(class) }
    }

    /// Sum over the classes of [`taken_for`](Self::taken_for), each with `predicted(class)`; classes for which that is `None` are
    /// skipped.
    pub(super) fn sum(&self, predicted: impl Fn(usize) -> Option<usize>) -> Ratio {
        let parts = (0..self.classes())
            .filter_map(|class| predicted(class).map(|predicted| self.taken_for(class, predicted)));
        parts.fold(Ratio { hits: 0, total: 0 }, |sum, part| Ratio {
            hits: sum.hits + part.hits,
            total: sum.total + part.total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_true_classes() {
        let labels = [0, 0, 1, 1, 2];
        let predicted = [Some(0), Some(2), Some(0), None, Some(2)];
        let confusion = Confusion::count(&labels, &predicted, 3);
        assert_eq!(confusion.rows, [[1, 0, 1], [1, 0, 0], [0, 0, 1]]);
        assert_eq!(confusion.undecided, [0, 1, 0]);
        assert_eq!((confusion.images(0), confusion.images(1)), (2, 2));
        assert_eq!(confusion.taken_for(1, 0), Ratio { hits: 1, total: 2 });
        assert_eq!(confusion.sum(Some), Ratio { hits: 2, total: 5 });
    }

    #[test]
    fn a_matrix_survives_json_and_names_the_undecided_only_where_there_are_some() {
        let all = Confusion::count(&[0, 1], &[Some(1), Some(1)], 2);
        let text = serde_json::to_string(&all).expect("JSON");
        assert_eq!(text, r#"{"rows":[[0,1],[0,1]]}"#);
        let some = Confusion::count(&[0, 1], &[Some(1), None], 2);
        for confusion in [all, some] {
            let text = serde_json::to_string(&confusion).expect("JSON");
            assert_eq!(serde_json::from_str::<Confusion>(&text).expect("JSON"), confusion);
        }
    }
}
