//! Blended trigger: a key image mixed over the whole image (Chen et al. 2017, "Targeted backdoor attacks on deep learning
//! systems using data poisoning"). `out = image + ratio * (key - image)` in single precision, truncated to integers:
//! the arithmetic of Pillow's `Image.blend`, equal to it on every pixel.

use serde::{Deserialize, Serialize};

use crate::{field_error::FieldError, image::Rgb8};

/// Parameters of the blended trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BlendedSpec {
    /// Share of the key image in the result, above 0 and at most 1. The published study uses 0.2, 0.3 and 0.4.
    pub ratio: f32,
    /// Key image: a built-in key's name (`stripes`, `swirl`, `noise`, `glyph`) or an uploaded one's SHA-256 in hex.
    pub key: String,
}

impl BlendedSpec {
    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            errors.push(FieldError::new(
                format!("{path}.ratio"),
                format!("the blend ratio must be above 0 and at most 1, not {}", self.ratio),
            ));
        }
        if self.key.is_empty() {
            errors.push(FieldError::new(format!("{path}.key"), "choose a key image"));
        }
        errors
    }
}

/// Mixes `key` into `image`; both have the same size.
pub(super) fn blend(image: &mut Rgb8, key: &Rgb8, ratio: f32) {
    for (pixel, &k) in image.data_mut().iter_mut().zip(key.data()) {
        let from = f32::from(*pixel);
        *pixel = (from + ratio * (f32::from(k) - from)) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blend_by_hand() {
        let mut image = Rgb8::filled(1, 1, [100, 0, 255]);
        blend(&mut image, &Rgb8::filled(1, 1, [200, 255, 0]), 0.4);
        assert_eq!(image.pixel(0, 0), [140, 102, 153]);
    }

    #[test]
    fn full_ratio_is_the_key() {
        let key = Rgb8::filled(3, 3, [9, 130, 255]);
        let mut image = Rgb8::filled(3, 3, [77, 3, 200]);
        blend(&mut image, &key, 1.0);
        assert_eq!(image, key);
    }

    #[test]
    fn ratio_above_one_is_named() {
        let errors = BlendedSpec { ratio: 1.5, key: "stripes".into() }.validate("attack.trigger");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "attack.trigger.ratio");
        assert_eq!(errors[0].message, "the blend ratio must be above 0 and at most 1, not 1.5");
        assert_eq!(BlendedSpec { ratio: f32::NAN, key: "stripes".into() }.validate("t").len(), 1);
    }
}
