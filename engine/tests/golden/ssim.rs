//! Structural similarity against its published definition in `PyTorch`.

use shared::ssim::{Edges, ssim, ssim_map};

use crate::{case::Case, defences::assert_near};

#[test]
fn maps_and_means_agree() {
    for case in Case::all("ssim") {
        let (a, b) = (case.image("a"), case.image("b"));
        let red = |image: &shared::Rgb8| -> Vec<f64> {
            image.data().chunks_exact(3).map(|pixel| f64::from(pixel[0]) / 255.0).collect()
        };
        for (edges, key) in [(Edges::Within, "within"), (Edges::Repeated, "repeated")] {
            let map = ssim_map(&red(&a), &red(&b), a.width(), a.height(), edges);
            // Variances are small differences of squares here, and sums of squares there.
            assert_near(&format!("{}: {key}", case.name()), &map, &case.doubles(key), 1e-11);
        }
        assert_near(case.name(), &[ssim(&a, &b).unwrap()], &case.doubles("mean"), 1e-12);
    }
}
