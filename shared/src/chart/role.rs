//! Colour roles. A drawing uses roles; the page or the file's style assigns colours to them.

use plotters::style::{RGBColor, ShapeStyle};
use plotters_backend::BackendColor;

use super::canvas::SUB;

/// The meaning of a colour. CA is always `Clean`, ASR always `Triggered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Background of the picture.
    Ground,
    /// Text and axes.
    Ink,
    /// Secondary text.
    Muted,
    /// Grid lines.
    Grid,
    /// Clean images: CA.
    Clean,
    /// Triggered images: ASR.
    Triggered,
    /// The attacker's class.
    Target,
    /// Series without a fixed meaning.
    Series(u8),
}

/// Number of series colours.
pub(super) const SERIES: u8 = 8;

impl Role {
    pub(super) const ALL: [Self; 15] = [
        Self::Ground,
        Self::Ink,
        Self::Muted,
        Self::Grid,
        Self::Clean,
        Self::Triggered,
        Self::Series(0),
        Self::Series(1),
        Self::Series(2),
        Self::Series(3),
        Self::Series(4),
        Self::Series(5),
        Self::Series(6),
        Self::Series(7),
        Self::Target,
    ];

    /// The colour of series `i`. More colours than these could not be told apart: further series are grey.
    pub(super) fn series(i: usize) -> Self {
        u8::try_from(i).ok().filter(|&i| i < SERIES).map_or(Self::Muted, Self::Series)
    }

    /// The role's part of the class names `l-<name>` (stroke) and `f-<name>` (fill).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ground => "ground",
            Self::Ink => "ink",
            Self::Muted => "muted",
            Self::Grid => "grid",
            Self::Clean => "clean",
            Self::Triggered => "triggered",
            Self::Target => "target",
            Self::Series(i) => {
                ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"][usize::from(i % SERIES)]
            }
        }
    }

    /// The role's colour in the palette.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Ground => "surface",
            Self::Ink => "ink",
            Self::Muted => "ink-3",
            Self::Grid => "line",
            Self::Clean => "clean",
            Self::Triggered => "triggered",
            Self::Target => "target",
            Self::Series(i) => [
                "series-1", "series-2", "series-3", "series-4", "series-5", "series-6", "series-7",
                "series-8",
            ][usize::from(i % SERIES)],
        }
    }

    /// plotters only knows colours, so the red byte encodes the role and the green byte the dash.
    fn key(self, dash: bool) -> RGBColor {
        let place = Self::ALL.iter().position(|&role| role == self).unwrap_or_default();
        RGBColor(place as u8, u8::from(dash), 0)
    }

    /// The role and the dash in a colour made by [`Ink`].
    pub(super) fn of(colour: BackendColor) -> (Self, bool) {
        (Self::ALL[usize::from(colour.rgb.0) % Self::ALL.len()], colour.rgb.1 > 0)
    }
}

/// A role with its opacity and, for lines, width and dash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub role: Role,
    /// Opacity in percent.
    pub opacity: u8,
    /// Stroke width in pixels.
    pub width: f64,
    pub dash: bool,
}

impl Ink {
    /// A solid line of one pixel, or a fill.
    pub(super) fn new(role: Role) -> Self {
        Self { role, opacity: 100, width: 1.0, dash: false }
    }

    pub(super) fn opacity(self, opacity: u8) -> Self {
        Self { opacity, ..self }
    }

    pub(super) fn width(self, width: f64) -> Self {
        Self { width, ..self }
    }

    pub(super) fn dash(self, dash: bool) -> Self {
        Self { dash, ..self }
    }

    pub(super) fn colour(self) -> RGBColor {
        self.role.key(self.dash)
    }

    pub(super) fn style(self, filled: bool) -> ShapeStyle {
        use plotters::style::Color as _;
        ShapeStyle {
            color: self.colour().mix(f64::from(self.opacity) / 100.0),
            filled,
            stroke_width: (self.width * SUB).round() as u32,
        }
    }
}
