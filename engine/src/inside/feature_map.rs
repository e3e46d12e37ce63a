//! CLS features of clean and triggered images in two dimensions.

use std::collections::{HashMap, hash_map::Entry};

use shared::{
    Rgb8, Trigger,
    api::{Projection, Split},
    metric::Goal,
};

use super::tsne::embed;
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
    /// Its place.
    pub at: [f64; 2],
}

/// A map of features.
#[derive(Clone, Debug, PartialEq)]
pub struct MappedFeatures {
    /// The images without the trigger, then those of classes other than the target with it; all of them with all-to-all.
    pub points: Vec<Placed>,
    /// The components' shares of the variance, if the places are principal components.
    pub explained: Option<[f64; 2]>,
    /// Mean cosine of the features of other classes to the mean of the target class's, without the trigger and with it. With all-to-all, each
    /// class's target is the next one. `None` where the target class or all others have no image.
    pub towards: Option<[f64; 2]>,
}

/// The features of the first `per_class` validation images of each class, without the trigger, and with it but for a class that is its own
/// target.
///
/// # Errors
/// When an image cannot be read or a feature is not finite; [`DataError::Stopped`] when the watch stops the work.
pub fn map_features(
    encoder: &dyn Encode,
    index: &Index,
    trigger: &Trigger,
    goal: &Goal,
    per_class: usize,
    projection: Projection,
    watch: &mut dyn Watch,
) -> Result<MappedFeatures, EngineError> {
    let side = encoder.spec().image_size as usize;
    let labels = index.labels(Split::Test);
    let images = first_of_each(&labels, index.classes.len(), per_class);
    let others: Vec<usize> =
        images.iter().copied().filter(|&image| goal.moves(labels[image])).collect();
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
    let (components, shares) = projected(&all);
    let (places, explained) = match projection {
        Projection::Pca => (components, Some(shares)),
        Projection::Tsne { perplexity } => {
            (embed(&all, &components, perplexity, watch).places, None)
        }
    };
    if watch.stopped() {
        return Err(EngineError::from(DataError::Stopped));
    }
    let shown = images.iter().map(|&image| (image, false));
    let shown = shown.chain(others.iter().map(|&image| (image, true)));
    let place = |((image, triggered), at)| Placed { image, class: labels[image], triggered, at };
    let points: Vec<Placed> = shown.zip(places).map(place).collect();
    let towards = towards(&all, &points, goal);
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

/// Mean cosines, without and with the trigger, of images to the mean of the clean features of the class that the attacker wants them to get.
fn towards(features: &Features, points: &[Placed], goal: &Goal) -> Option<[f64; 2]> {
    let length = |row: &[f64]| row.iter().map(|value| value * value).sum::<f64>().sqrt();
    let cosine = |row: &[f64], mean: &[f64]| {
        let product: f64 = row.iter().zip(mean).map(|(a, b)| a * b).sum();
        let lengths = length(row) * length(mean);
        if lengths > 0.0 { product / lengths } else { 0.0 }
    };
    // The mean of each class that is a target and has clean images.
    let mut means: HashMap<u32, Vec<f64>> = HashMap::new();
    for target in points.iter().map(|point| goal.target_of(point.class)) {
        if let Entry::Vacant(place) = means.entry(target) {
            let of_target = |&i: &usize| !points[i].triggered && points[i].class == target;
            let rows: Vec<usize> = (0..points.len()).filter(of_target).collect();
            if !rows.is_empty() {
                place.insert(features.select(&rows).mean());
            }
        }
    }
    let mean_of = |triggered: bool| {
        let of = points.iter().enumerate();
        let of = of.filter(|(_, point)| point.triggered == triggered && goal.moves(point.class));
        let cosines: Vec<f64> = of
            .filter_map(|(i, point)| {
                Some(cosine(features.row(i), means.get(&goal.target_of(point.class))?))
            })
            .collect();
        (!cosines.is_empty()).then(|| cosines.iter().sum::<f64>() / cosines.len() as f64)
    };
    Some([mean_of(false)?, mean_of(true)?])
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
        let [before, after] = towards(&features, &points, &0.into()).unwrap();
        assert!(before.abs() < 1e-12 && (after - 0.5f64.sqrt()).abs() < 1e-12);
        assert_eq!(towards(&features, &points, &7.into()), None, "no image of the target class");
    }

    #[test]
    fn with_all_to_all_each_class_moves_towards_the_next_by_hand() {
        // Three classes on the axes; with the trigger, class 0 lies on the axis of 1, class 1 on the diagonal of 1 and 2, class 2 stays.
        let rows = [
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
            [0.0, 1.0, 0.0],
            [0.0, 1.0, 1.0],
            [0.0, 0.0, 1.0],
        ];
        let features = Features::new(rows.concat(), 3).unwrap();
        let point = |at: u32| Placed { image: 0, class: at % 3, triggered: at >= 3, at: [0.0; 2] };
        let points: Vec<Placed> = (0..6).map(point).collect();
        let [before, after] = towards(&features, &points, &Goal::AllToAll { classes: 3 }).unwrap();
        assert!(before.abs() < 1e-12, "{before}");
        assert!((after - (1.0 + 0.5f64.sqrt()) / 3.0).abs() < 1e-12, "{after}");
        // Of a fourth class there is no image: class 2 has no mean to move towards.
        let [_, after] = towards(&features, &points, &Goal::AllToAll { classes: 4 }).unwrap();
        assert!((after - f64::midpoint(1.0, 0.5f64.sqrt())).abs() < 1e-12, "{after}");
    }

    #[test]
    fn each_class_gives_its_first_images() {
        assert_eq!(first_of_each(&[0, 0, 1, 0, 1, 2], 3, 2), [0, 1, 2, 4, 5]);
    }
}
