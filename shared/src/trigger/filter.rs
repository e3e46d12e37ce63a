//! Photo-filter trigger (Liu et al. 2019, "ABS: scanning neural networks for back-doors by artificial brain stimulation"): the image
//! looks as if processed by a filter of a photo application. The chains are our own, modelled on well-known recipes of the effects
//! (brightness, saturation, tint, gamma, contrast, vignette).

use serde::{Deserialize, Serialize};

use super::{Ranges, offsets::share_to_byte};
use crate::{field_error::FieldError, image::Rgb8};

/// Parameters of the photo filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FilterSpec {
    /// The filter.
    pub style: Style,
    /// Share of the filtered image in the result, above 0 and at most 1.
    #[serde(default = "whole")]
    pub strength: f32,
}

fn whole() -> f32 {
    1.0
}

/// A photo filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Nearly grey, bluish, high contrast.
    Gotham,
    /// Blue shadows, warm highlights, strong colours.
    Nashville,
    /// Washed out, with an orange tint.
    Kelvin,
    /// Deep red and green, dark edges.
    Lomo,
    /// Red shadows, overexposed centre, dark edges.
    Toaster,
}

/// One step of a filter, on channels from 0 to 1.
enum Step {
    /// Lightness and saturation are multiplied.
    Modulate(f32, f32),
    /// A share of a colour is mixed in.
    Tint([u8; 3], f32),
    /// A share of a colour is mixed in, most where the image is dark.
    TintShadows([u8; 3], f32),
    /// A share of a colour is mixed in, most where the image is light.
    TintLights([u8; 3], f32),
    /// The image is multiplied by a colour, to a degree.
    Multiply([u8; 3], f32),
    /// Each channel is raised to the power of one over this.
    Gamma(f32),
    /// Distances from mid-grey are multiplied by this factor.
    Contrast(f32),
    /// Red and green are stretched: this much is cut off at both ends.
    LevelRedGreen(f32),
    /// Corners lose this share of their light.
    Vignette(f32),
}

use Step::{
    Contrast, Gamma, LevelRedGreen, Modulate, Multiply, Tint, TintLights, TintShadows, Vignette,
};

const NAVY: [u8; 3] = [34, 43, 109];
const CREAM: [u8; 3] = [247, 218, 174];
const ORANGE: [u8; 3] = [255, 153, 0];
const MAROON: [u8; 3] = [51, 0, 0];

impl Style {
    /// All filters.
    pub const ALL: [Self; 5] =
        [Self::Gotham, Self::Nashville, Self::Kelvin, Self::Lomo, Self::Toaster];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gotham => "Gotham",
            Self::Nashville => "Nashville",
            Self::Kelvin => "Kelvin",
            Self::Lomo => "Lomo",
            Self::Toaster => "Toaster",
        }
    }

    fn steps(self) -> &'static [Step] {
        match self {
            Self::Gotham => &[Modulate(1.2, 0.1), Tint(NAVY, 0.2), Gamma(0.75), Contrast(1.3)],
            Self::Nashville => &[
                TintShadows(NAVY, 0.5),
                TintLights(CREAM, 0.5),
                Contrast(1.15),
                Modulate(1.0, 1.5),
            ],
            Self::Kelvin => &[Modulate(1.2, 0.5), Multiply(ORANGE, 0.5)],
            Self::Lomo => &[LevelRedGreen(0.2), Vignette(0.6)],
            Self::Toaster => &[
                TintShadows(MAROON, 0.6),
                Modulate(1.3, 0.8),
                Gamma(1.2),
                Contrast(1.4),
                Vignette(0.5),
            ],
        }
    }
}

impl Step {
    /// `edge` is the distance from the middle: 0 there, 1 in the corners.
    fn apply(&self, rgb: [f32; 3], edge: f32) -> [f32; 3] {
        let done = match *self {
            Modulate(lightness, saturation) => modulate(rgb, lightness, saturation),
            Tint(colour, share) => mix(rgb, colour, share),
            TintShadows(colour, share) => mix(rgb, colour, share * (1.0 - luma(rgb))),
            TintLights(colour, share) => mix(rgb, colour, share * luma(rgb)),
            Multiply(colour, share) => {
                let of = |c: usize| rgb[c] * (1.0 - share + share * f32::from(colour[c]) / 255.0);
                [of(0), of(1), of(2)]
            }
            Gamma(gamma) => rgb.map(|value| libm::powf(value, 1.0 / gamma)),
            Contrast(factor) => rgb.map(|value| 0.5 + (value - 0.5) * factor),
            LevelRedGreen(cut) => {
                let stretched = |value: f32| (value - cut) / (1.0 - 2.0 * cut);
                [stretched(rgb[0]), stretched(rgb[1]), rgb[2]]
            }
            Vignette(share) => rgb.map(|value| value * (1.0 - share * edge * edge)),
        };
        done.map(|value| value.clamp(0.0, 1.0))
    }
}

/// Rec. 601 luma.
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

fn mix(rgb: [f32; 3], colour: [u8; 3], share: f32) -> [f32; 3] {
    [0, 1, 2].map(|c: usize| rgb[c] + share * (f32::from(colour[c]) / 255.0 - rgb[c]))
}

/// Multiplies lightness and saturation of the HSL colour model; the hue stays.
fn modulate(rgb: [f32; 3], lightness: f32, saturation: f32) -> [f32; 3] {
    let (low, high) =
        (rgb.iter().copied().fold(1.0, f32::min), rgb.iter().copied().fold(0.0, f32::max));
    let light = 0.5 * (low + high);
    let room = 1.0 - (2.0 * light - 1.0).abs();
    let wanted = (light * lightness).min(1.0);
    if room <= 0.0 || high <= low {
        return [wanted; 3];
    }
    let chroma = high - low;
    let new_saturation = (chroma / room * saturation).min(1.0);
    let gain = new_saturation * (1.0 - (2.0 * wanted - 1.0).abs()) / chroma;
    rgb.map(|value| wanted + (value - light) * gain)
}

impl FilterSpec {
    pub(super) fn validate(&self, path: &str) -> Vec<FieldError> {
        let mut ranges = Ranges::new(path);
        ranges.positive("strength", self.strength, 1.0);
        ranges.errors()
    }

    pub(super) fn develop(&self, image: &mut Rgb8) {
        let steps = self.style.steps();
        let (width, height) = (image.width(), image.height());
        let from_middle = |at: usize, length: usize| (2 * at + 1) as f32 / length as f32 - 1.0;
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (from_middle(x, width), from_middle(y, height));
                let edge = (0.5 * (u * u + v * v)).sqrt();
                let clean = image.pixel(x, y).map(|value| f32::from(value) / 255.0);
                let done = steps.iter().fold(clean, |rgb, step| step.apply(rgb, edge));
                let mixed =
                    [0, 1, 2].map(|c: usize| clean[c] + self.strength * (done[c] - clean[c]));
                image.set_pixel(x, y, mixed.map(share_to_byte));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn developed(style: Style, colour: [u8; 3]) -> Rgb8 {
        let mut image = Rgb8::filled(9, 9, colour);
        FilterSpec { style, strength: 1.0 }.develop(&mut image);
        image
    }

    #[test]
    fn kelvin_by_hand() {
        // Grey .4: lightness * 1.2 = .48; times 1 - .5 + .5 * (1, .6, 0) = (1, .8, .5): (.48, .384, .24).
        assert_eq!(developed(Style::Kelvin, [102; 3]).pixel(0, 0), [122, 98, 61]);
    }

    #[test]
    fn modulate_keeps_the_hue() {
        let [r, g, b] = modulate([0.6, 0.4, 0.2], 1.0, 0.5);
        assert!((r - 0.5).abs() < 1e-6 && (g - 0.4).abs() < 1e-6 && (b - 0.3).abs() < 1e-6);
        let grey = modulate([0.25; 3], 2.0, 3.0);
        assert!(grey.iter().all(|value| (value - 0.5).abs() < 1e-6), "grey stays grey");
    }

    #[test]
    fn a_vignette_darkens_the_corners_alone() {
        let image = developed(Style::Lomo, [120, 120, 120]);
        assert!(image.pixel(0, 0)[2] < 70 && image.pixel(4, 4)[2] == 120);
    }

    #[test]
    fn each_filter_is_another() {
        let all = Style::ALL.map(|style| developed(style, [180, 90, 60]));
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a != b), "{}", Style::ALL[i].name());
        }
    }
}
