//! Blended trigger: a key image mixed over the whole image (Chen et al. 2017, "Targeted backdoor attacks on deep learning
//! systems using data poisoning"). `out = image + ratio * (key - image)` in single precision, truncated to integers:
//! the arithmetic of Pillow's `Image.blend`, equal to it on every pixel.
//!
//! Adap-Blend (Qi et al. 2023, "Revisiting the assumption of latent separability for backdoor defenses") cuts the key into tiles: each
//! training image gets a random half of them, a test image all, at a higher ratio.

use serde::{Deserialize, Serialize};

use super::{Stage, image_stream};
use crate::{field_error::FieldError, image::Rgb8, stream::shuffle};

/// Most tiles along a side of the key.
const MOST_TILES: u32 = 16;
/// Seed of the tiles that an image gets.
const TILE_SEED: u64 = 0;

/// Parameters of the blended trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BlendedSpec {
    /// Share of the key image in the result, above 0 and at most 1. The published study uses 0.2, 0.3 and 0.4.
    pub ratio: f32,
    /// Key image: a built-in key's name (`stripes`, `swirl`, `noise`, `glyph`) or an uploaded one's SHA-256 in hex.
    pub key: String,
    /// Tiles along each side of the key, of which a training image gets a random half; 1 for the whole key.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub tiles: u32,
    /// Share of the key image in test images; defaults to `ratio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_ratio: Option<f32>,
}

fn whole() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_whole(tiles: &u32) -> bool {
    *tiles == 1
}

impl BlendedSpec {
    /// The whole key at one ratio, in training and in tests.
    pub fn new(ratio: f32, key: impl Into<String>) -> Self {
        Self { ratio, key: key.into(), tiles: whole(), test_ratio: None }
    }

    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if !(self.ratio > 0.0 && self.ratio <= 1.0) {
            errors.push(FieldError::new(
                format!("{path}.ratio"),
                format!("the blend ratio must be above 0 and at most 1, not {}", self.ratio),
            ));
        }
        if let Some(ratio) = self.test_ratio.filter(|ratio| !(*ratio > 0.0 && *ratio <= 1.0)) {
            errors.push(FieldError::new(
                format!("{path}.test_ratio"),
                format!("the blend ratio must be above 0 and at most 1, not {ratio}"),
            ));
        }
        if !(1..=MOST_TILES).contains(&self.tiles) {
            errors.push(FieldError::new(
                format!("{path}.tiles"),
                format!("takes 1 to {MOST_TILES}, not {}", self.tiles),
            ));
        }
        if self.key.is_empty() {
            errors.push(FieldError::new(format!("{path}.key"), "choose a key image"));
        }
        errors
    }
}

/// A key image ready to be mixed into images of its size.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    key: Rgb8,
    ratio: f32,
    /// Tiles along a side, of which an image gets half; 1 for all of the key.
    tiles: usize,
}

impl Overlay {
    pub fn new(spec: &BlendedSpec, key: Rgb8, stage: Stage) -> Self {
        let tiles = stage.choose(spec.tiles, Some(1)) as usize;
        Self { key, ratio: stage.choose(spec.ratio, spec.test_ratio), tiles }
    }

    /// Mixes the key into an image; which tiles it gets depends on its pixels alone.
    pub fn mix_into(&self, image: &mut Rgb8) {
        if self.tiles < 2 {
            return blend(image, &self.key, self.ratio);
        }
        let tiles = self.tiles;
        let mut order: Vec<usize> = (0..tiles * tiles).collect();
        shuffle(&mut image_stream(TILE_SEED, image), &mut order);
        let mut shown = vec![false; order.len()];
        order[..order.len().div_ceil(2)].iter().for_each(|&tile| shown[tile] = true);
        let clean = image.clone();
        blend(image, &self.key, self.ratio);
        let (width, height) = (image.width(), image.height());
        for y in 0..height {
            for x in 0..width {
                if !shown[y * tiles / height * tiles + x * tiles / width] {
                    image.set_pixel(x, y, clean.pixel(x, y));
                }
            }
        }
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
        let errors = BlendedSpec::new(1.5, "stripes").validate("attack.trigger");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "attack.trigger.ratio");
        assert_eq!(errors[0].message, "the blend ratio must be above 0 and at most 1, not 1.5");
        assert_eq!(BlendedSpec::new(f32::NAN, "stripes").validate("t").len(), 1);
    }

    #[test]
    fn a_training_image_gets_half_of_the_tiles_and_a_test_image_all() {
        let spec = BlendedSpec { tiles: 4, test_ratio: Some(0.5), ..BlendedSpec::new(0.25, "k") };
        let key = Rgb8::filled(8, 8, [200; 3]);
        let mut seen = std::collections::HashSet::new();
        for shade in 0..20 {
            let clean = Rgb8::filled(8, 8, [shade; 3]);
            let mut image = clean.clone();
            Overlay::new(&spec, key.clone(), Stage::Train).mix_into(&mut image);
            let mixed = (f32::from(shade) + 0.25 * (200.0 - f32::from(shade))) as u8;
            let tiles: Vec<bool> =
                (0..16).map(|i| image.pixel(i % 4 * 2, i / 4 * 2)[0] == mixed).collect();
            assert_eq!(tiles.iter().filter(|&&on| on).count(), 8, "{tiles:?}");
            // A tile of 2 x 2 pixels is mixed as a whole.
            for (x, y) in (0..64).map(|i| (i % 8, i / 8)) {
                let expected = if tiles[y / 2 * 4 + x / 2] { mixed } else { shade };
                assert_eq!(image.pixel(x, y), [expected; 3]);
            }
            seen.insert(tiles);
            let mut image = clean;
            Overlay::new(&spec, key.clone(), Stage::Test).mix_into(&mut image);
            let mixed = (f32::from(shade) + 0.5 * (200.0 - f32::from(shade))) as u8;
            assert!(image.data().iter().all(|&value| value == mixed));
        }
        assert!(seen.len() > 10, "images get different tiles");
    }

    #[test]
    fn what_is_the_default_is_not_written() {
        let text = serde_json::to_string(&BlendedSpec::new(0.5, "k")).expect("JSON");
        assert_eq!(text, r#"{"ratio":0.5,"key":"k"}"#);
        let other = BlendedSpec { tiles: 0, test_ratio: Some(2.0), ..BlendedSpec::new(0.5, "k") };
        let fields: Vec<_> = other.validate("t").into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["t.test_ratio", "t.tiles"]);
    }
}
