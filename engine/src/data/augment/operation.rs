//! The fifteen operations of `RandAugment` and how strong a magnitude makes each.
//!
//! timm's increasing set (`_RAND_INCREASING_TRANSFORMS` in its `auto_augment.py`): every operation changes more at a higher
//! magnitude. On 8-bit images each gives what Pillow 11 gives.

use shared::Rgb8;

use super::{enhance, geometry::Affine, tone};

/// The highest magnitude.
const MAX_MAGNITUDE: f64 = 10.0;

/// An operation without its strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// Stretches each channel to its full range.
    AutoContrast,
    /// Spreads each channel's values evenly.
    Equalize,
    /// The negative.
    Invert,
    /// Turns around the middle.
    Rotate,
    /// Keeps the high bits of each value.
    Posterize,
    /// Inverts what is bright.
    Solarize,
    /// Lightens what is dark.
    SolarizeAdd,
    /// More or less colour.
    Color,
    /// More or less contrast.
    Contrast,
    /// Lighter or darker.
    Brightness,
    /// Sharper or softer.
    Sharpness,
    /// Moves each row in proportion to its height.
    ShearX,
    /// Moves each column in proportion to its place.
    ShearY,
    /// Moves the image left or right.
    TranslateX,
    /// Moves the image up or down.
    TranslateY,
}

impl OperationKind {
    /// All of them, in timm's order.
    pub const ALL: [Self; 15] = [
        Self::AutoContrast,
        Self::Equalize,
        Self::Invert,
        Self::Rotate,
        Self::Posterize,
        Self::Solarize,
        Self::SolarizeAdd,
        Self::Color,
        Self::Contrast,
        Self::Brightness,
        Self::Sharpness,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];

    /// The operation at a magnitude of 0 to 10, with timm's parameters; a magnitude outside is brought to the nearer end.
    /// `negative` is the direction of those that have two: the other way round, or less instead of more.
    pub fn at(self, magnitude: f64, negative: bool) -> Operation {
        let level = magnitude.clamp(0.0, MAX_MAGNITUDE) / MAX_MAGNITUDE;
        let signed = |value: f64| if negative { -value } else { value };
        let factor = (1.0 + signed(level * 0.9)).max(0.1);
        match self {
            Self::AutoContrast => Operation::AutoContrast,
            Self::Equalize => Operation::Equalize,
            Self::Invert => Operation::Invert,
            Self::Rotate => Operation::Rotate { degrees: signed(level * 30.0) },
            Self::Posterize => Operation::Posterize { bits: 4 - (level * 4.0) as u8 },
            Self::Solarize => Operation::Solarize { threshold: 256 - (level * 256.0) as u16 },
            Self::SolarizeAdd => Operation::SolarizeAdd { add: (level * 110.0) as u8 },
            Self::Color => Operation::Color { factor },
            Self::Contrast => Operation::Contrast { factor },
            Self::Brightness => Operation::Brightness { factor },
            Self::Sharpness => Operation::Sharpness { factor },
            Self::ShearX => Operation::ShearX { factor: signed(level * 0.3) },
            Self::ShearY => Operation::ShearY { factor: signed(level * 0.3) },
            Self::TranslateX => Operation::TranslateX { share: signed(level * 0.45) },
            Self::TranslateY => Operation::TranslateY { share: signed(level * 0.45) },
        }
    }
}

/// An operation with its parameters: an image → image function without chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// Each channel's darkest value becomes 0, its brightest 255.
    AutoContrast,
    /// Each channel's histogram becomes as even as a table of values can make it.
    Equalize,
    /// Each value becomes 255 less it.
    Invert,
    /// Counter-clockwise around the middle.
    Rotate {
        /// Angle in degrees; 0 changes nothing.
        degrees: f64,
    },
    /// Low bits become 0.
    Posterize {
        /// High bits that stay, 0 to 8; 8 changes nothing.
        bits: u8,
    },
    /// Values from a threshold on are inverted.
    Solarize {
        /// The threshold, 0 to 256; 256 changes nothing.
        threshold: u16,
    },
    /// Values below 128 are raised.
    SolarizeAdd {
        /// By how much; 0 changes nothing.
        add: u8,
    },
    /// Away from grey, or towards it.
    Color {
        /// 0 is grey, 1 changes nothing, above are stronger colours.
        factor: f64,
    },
    /// Away from the mean lightness, or towards it.
    Contrast {
        /// 0 is flat, 1 changes nothing, above is a harder image.
        factor: f64,
    },
    /// Away from black, or towards it.
    Brightness {
        /// 0 is black, 1 changes nothing, above is a lighter image.
        factor: f64,
    },
    /// Away from the smoothed image, or towards it.
    Sharpness {
        /// 0 is the smoothed image, 1 changes nothing, above is a sharper one.
        factor: f64,
    },
    /// Each row is moved left by its distance from the upper edge times a factor.
    ShearX {
        /// The factor; 0 changes nothing.
        factor: f64,
    },
    /// Each column is moved up by its distance from the left edge times a factor.
    ShearY {
        /// The factor; 0 changes nothing.
        factor: f64,
    },
    /// The image is moved left.
    TranslateX {
        /// By this share of its width; 0 changes nothing.
        share: f64,
    },
    /// The image is moved up.
    TranslateY {
        /// By this share of its height; 0 changes nothing.
        share: f64,
    },
}

impl Operation {
    /// The changed image, of the same size.
    pub fn apply(&self, image: &Rgb8) -> Rgb8 {
        let (width, height) = (image.width() as f64, image.height() as f64);
        match *self {
            Self::AutoContrast => tone::auto_contrast(image),
            Self::Equalize => tone::equalize(image),
            Self::Invert => tone::invert(image),
            Self::Rotate { degrees } => Affine::rotation(degrees, width, height).apply(image),
            Self::Posterize { bits } => tone::posterize(image, bits),
            Self::Solarize { threshold } => tone::solarize(image, threshold),
            Self::SolarizeAdd { add } => tone::solarize_add(image, add),
            Self::Color { factor } => enhance::color(image, factor as f32),
            Self::Contrast { factor } => enhance::contrast(image, factor as f32),
            Self::Brightness { factor } => enhance::brightness(image, factor as f32),
            Self::Sharpness { factor } => enhance::sharpness(image, factor as f32),
            Self::ShearX { factor } => Affine::shear(factor, 0.0).apply(image),
            Self::ShearY { factor } => Affine::shear(0.0, factor).apply(image),
            Self::TranslateX { share } => Affine::shift(share * width, 0.0).apply(image),
            Self::TranslateY { share } => Affine::shift(0.0, share * height).apply(image),
        }
    }
}
