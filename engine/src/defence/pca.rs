//! Principal components.

use super::{Features, eigen::Eigen, features::dot};

/// The features less their mean in their first `dimensions` principal directions, or in all if there are fewer. Panics without images.
pub fn reduced(features: &Features, dimensions: usize) -> Features {
    let kept = dimensions.min(features.width()).max(1);
    let centred = features.minus(&features.mean());
    let eigen = Eigen::of(centred.gram(), features.width());
    let coordinates =
        centred.rows().flat_map(|row| (0..kept).map(|k| dot(row, eigen.vector(k)))).collect();
    Features::new(coordinates, kept).expect("products of finite features")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::defence::testing::{Reference, assert_near};

    #[test]
    fn variances_as_scikit_learn_gives_them() {
        let reference = Reference::read();
        for class in 0..5 {
            let low = reduced(&reference.features.select(&reference.members(class)), 2);
            let path = format!("/activation_clustering_pca2/{class}/explained_variance");
            let expected = reference.numbers(&path);
            for (k, expected) in expected.into_iter().enumerate() {
                let squares: f64 = low.rows().map(|row| row[k] * row[k]).sum();
                assert_near(squares / (low.len() - 1) as f64, expected, 1e-9);
            }
        }
    }
}
