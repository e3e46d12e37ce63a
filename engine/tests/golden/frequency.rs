//! Cosine transforms and spectra of images against scipy.

use engine::defence::frequency::{dct, spectrum};

use crate::{
    case::{Case, assert_close},
    defences::assert_near,
};

#[test]
fn transforms_and_spectra_agree() {
    for case in Case::all("frequency") {
        let image = case.image("image");
        let transforms: Vec<f64> = (0..3)
            .flat_map(|channel| {
                let pixels = image.data().chunks_exact(3);
                let values: Vec<f64> = pixels.map(|pixel| f64::from(pixel[channel])).collect();
                dct(&values, image.width())
            })
            .collect();
        assert_near(case.name(), &transforms, &case.doubles("transform"), 1e-12);
        let expected: Vec<f32> =
            case.doubles("spectrum").into_iter().map(|value| value as f32).collect();
        assert_close(case.name(), &spectrum(&image), &expected, 1e-6);
    }
}
