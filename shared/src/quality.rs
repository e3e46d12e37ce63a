//! How visible a trigger is: clean images against the same images with it.

use crate::{
    image::{Rgb8, psnr},
    metric::{Quality, Spread},
    ssim::ssim,
};

/// PSNR and SSIM of triggered against clean images; `None` without images.
///
/// # Panics
/// When the two images of a pair differ in size.
pub fn quality<'a>(pairs: impl IntoIterator<Item = (&'a Rgb8, &'a Rgb8)>) -> Option<Quality> {
    let (mut psnrs, mut ssims, mut none) = (Vec::new(), Vec::new(), true);
    for (clean, triggered) in pairs {
        none = false;
        psnrs.extend(Some(psnr(clean, triggered)).filter(|value| value.is_finite()));
        ssims.extend(ssim(clean, triggered));
    }
    (!none).then(|| Quality { psnr: mean(&psnrs), ssim: mean(&ssims), survival: None })
}

fn mean(values: &[f64]) -> Option<f64> {
    Spread::of(values).map(|spread| spread.mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_by_hand() {
        let [dark, light] = [51, 153].map(|value| Rgb8::filled(12, 12, [value; 3]));
        // An image that is not changed has no PSNR and an SSIM of 1; the other one 20 log10(255 / 102) = 7.958800 dB and 0.2401 / 0.4001.
        let quality = quality([(&dark, &dark), (&dark, &light)]).expect("two images");
        assert!((quality.psnr.expect("a change") - 7.958_800).abs() < 1e-6, "{quality:?}");
        let ssim = quality.ssim.expect("large images");
        assert!((ssim - f64::midpoint(1.0, 0.2401 / 0.4001)).abs() < 1e-9, "{quality:?}");
        assert_eq!(super::quality([]), None);
        let small = Rgb8::filled(4, 4, [0; 3]);
        assert_eq!(super::quality([(&small, &small)]), Some(Quality::default()));
    }
}
