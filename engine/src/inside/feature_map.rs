//! CLS features of clean and triggered images in two dimensions, by principal components.

use shared::{Rgb8, Trigger, api::Split};

use crate::{
    EngineError,
    compute::Encode,
    data::{DataError, Index, augment::eval_transform},
    defence::{Features, eigen::Eigen},
    stop::Watch,
    train::features::features,
};

/// An image on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Its index among the validation images.
    pub image: usize,
    /// Its true class.
    pub class: u32,
    /// Whether it has the trigger.
    pub triggered: bool,
    /// Its first two principal components.
    pub at: [f64; 2],
}

/// A map of features.
#[derive(Clone, Debug, PartialEq)]
pub struct MappedFeatures {
    /// The images without the trigger, then those of classes other than the target with it.
    pub points: Vec<Placed>,
    /// The components' shares of the variance.
    pub explained: [f64; 2],
    /// Mean cosine of the features of other classes to the mean of the target class's, without the trigger and with it; `None` where the
    /// target class or all others have no image.
    pub towards: Option<[f64; 2]>,
}

/// The features of the first `per_class` validation images of each class, without the trigger, and but for the target class with it.
///
/// # Errors
/// When an image cannot be read or a feature is not finite; [`DataError::Stopped`] when the watch stops the work.
pub fn map_features(
    encoder: &dyn Encode,
    index: &Index,
    trigger: &Trigger,
    target_class: u32,
    per_class: usize,
    watch: &mut dyn Watch,
) -> Result<MappedFeatures, EngineError> {
    let side = encoder.spec().image_size as usize;
    let labels = index.labels(Split::Test);
    let images = first_of_each(&labels, index.classes.len(), per_class);
    let others: Vec<usize> =
        images.iter().copied().filter(|&image| labels[image] != target_class).collect();
    let mut of = |images: &[usize], change: &(dyn Fn(Rgb8) -> Rgb8 + Sync)| {
        let image =
            |i: usize| Ok(eval_transform(&change(index.load(Split::Test, images[i], side)?), side));
        let rows = features(encoder, images.len(), &image, "features", watch)?;
        if watch.stopped() {
            return Err(EngineError::from(DataError::Stopped));
        }
        Ok(rows)
    };
    let mut rows = of(&images, &|image| image)?;
    rows.extend(of(&others, &|image| trigger.applied(&image))?);
    let all = Features::of_encoder(&rows, encoder.width())
        .map_err(|error| EngineError::Order(error.to_string()))?;
    let (places, explained) = projected(&all);
    let shown = images.iter().map(|&image| (image, false));
    let shown = shown.chain(others.iter().map(|&image| (image, true)));
    let place = |((image, triggered), at)| Placed { image, class: labels[image], triggered, at };
    let points: Vec<Placed> = shown.zip(places).map(place).collect();
    let towards = towards(&all, &points, target_class);
    Ok(MappedFeatures { points, explained, towards })
}

/// The first `count` images of each class, in order.
pub(super) fn first_of_each(labels: &[u32], classes: usize, count: usize) -> Vec<usize> {
    let mut taken = vec![0; classes];
    let mut take = |&image: &usize| {
        let taken = &mut taken[labels[image] as usize];
        *taken += 1;
        *taken <= count
    };
    (0..labels.len()).filter(|image| take(image)).collect()
}

/// The first two principal components of each row, and their shares of the variance. A component's sign is free; as in scikit-learn's
/// `svd_flip`, its loading of the largest absolute value is positive. All zero without rows.
fn projected(features: &Features) -> (Vec<[f64; 2]>, [f64; 2]) {
    if features.is_empty() {
        return (Vec::new(), [0.0; 2]);
    }
    let centred = features.minus(&features.mean());
    let eigen = Eigen::of(centred.gram(), features.width());
    let total: f64 = eigen.values.iter().map(|value| value.max(0.0)).sum();
    let mut places = vec![[0.0; 2]; features.len()];
    let mut explained = [0.0; 2];
    for k in 0..features.width().min(2) {
        let vector = eigen.vector(k);
        let largest = vector.iter().copied().fold(0.0, |most: f64, loading| {
            if loading.abs() > most.abs() { loading } else { most }
        });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        for (place, row) in places.iter_mut().zip(centred.rows()) {
            place[k] = sign * row.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>();
        }
        explained[k] = if total > 0.0 { eigen.values[k].max(0.0) / total } else { 0.0 };
    }
    (places, explained)
}

/// Mean cosines to the mean of the target class's clean features, without and with the trigger.
fn towards(features: &Features, points: &[Placed], target_class: u32) -> Option<[f64; 2]> {
    let rows = |triggered: bool, is_target: bool| -> Vec<usize> {
        let wanted = |point: &Placed| {
            point.triggered == triggered && (point.class == target_class) == is_target
        };
        (0..points.len()).filter(|&i| wanted(&points[i])).collect()
    };
    let (target, clean, triggered) = (rows(false, true), rows(false, false), rows(true, false));
    if target.is_empty() || clean.is_empty() {
        return None;
    }
    let mean = features.select(&target).mean();
    let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
    let cosine = |row: &[f64]| {
        let product: f64 = row.iter().zip(&mean).map(|(a, b)| a * b).sum();
        let lengths = length(row) * length(&mean);
        if lengths > 0.0 { product / lengths } else { 0.0 }
    };
    let mean_of = |rows: &[usize]| {
        rows.iter().map(|&row| cosine(features.row(row))).sum::<f64>() / rows.len() as f64
    };
    Some([mean_of(&clean), mean_of(&triggered)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_as_scikit_learn_has_them() {
        // scikit-learn 1.9.1, PCA(2, svd_solver="full") of the 300 rows of features.csv.
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/reference/pca.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        let values = include_str!("../../tests/reference/features.csv").lines().skip(1);
        let values = values.flat_map(|line| line.split(',').skip(2).map(|n| n.parse().unwrap()));
        let (places, explained) = projected(&Features::new(values.collect(), 8).unwrap());
        let expected = reference["coordinates"].as_array().unwrap();
        assert_eq!(places.len(), expected.len());
        let largest = expected.iter().map(|row| number(&row[0]).abs()).fold(0.0, f64::max);
        for (place, expected) in places.iter().zip(expected) {
            for k in 0..2 {
                let expected = number(&expected[k]);
                assert!((place[k] - expected).abs() < 1e-9 * largest, "{place:?}, not {expected}");
            }
        }
        for (k, share) in explained.into_iter().enumerate() {
            let expected = number(&reference["explained_variance_ratio"][k]);
            assert!((share - expected).abs() < 1e-9, "{share}, not {expected}");
        }
    }

    #[test]
    fn features_without_spread_lie_in_one_place() {
        let (places, explained) = projected(&Features::new(vec![3.0; 8], 2).unwrap());
        assert_eq!((places, explained), (vec![[0.0; 2]; 4], [0.0; 2]));
        assert_eq!(projected(&Features::new(Vec::new(), 2).unwrap()), (Vec::new(), [0.0; 2]));
        let (places, explained) = projected(&Features::new(vec![1.0, 3.0], 1).unwrap());
        assert_eq!((places, explained), (vec![[-1.0, 0.0], [1.0, 0.0]], [1.0, 0.0]));
    }

    #[test]
    fn triggered_features_move_towards_the_target_by_hand() {
        // The target class lies on the first axis; an image of class 1 on the second moves to the diagonal.
        let features = Features::new(vec![2.0, 0.0, 0.0, 5.0, 1.0, 1.0], 2).unwrap();
        let point = |class, triggered| Placed { image: 0, class, triggered, at: [0.0; 2] };
        let points = [point(0, false), point(1, false), point(1, true)];
        let [before, after] = towards(&features, &points, 0).unwrap();
        assert!(before.abs() < 1e-12 && (after - 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(towards(&features, &points, 7), None, "no image of the target class");
    }

    #[test]
    fn each_class_gives_its_first_images() {
        assert_eq!(first_of_each(&[0, 0, 1, 0, 1, 2], 3, 2), [0, 1, 2, 4, 5]);
    }
}
