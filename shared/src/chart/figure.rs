//! The model of a figure: what is drawn, before it has a size.

use std::str::FromStr;

use super::{curve::CurveKind, draw, marker::Marker, role::Role, table::Table, theme::Theme};

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FigureKind {
    /// Clean accuracy against attack success rate, one point a run.
    Tradeoff,
    /// Attack success rate by number of poisoned images.
    AsrByPoison,
    /// Clean accuracy and attack success rate by epoch.
    AccuracyByEpoch,
    /// A number of the training by epoch.
    Curve(CurveKind),
}

impl FigureKind {
    /// All figures.
    pub const ALL: [Self; 6] = [
        Self::Tradeoff,
        Self::AsrByPoison,
        Self::AccuracyByEpoch,
        Self::Curve(CurveKind::Loss),
        Self::Curve(CurveKind::LearningRate),
        Self::Curve(CurveKind::Speed),
    ];

    /// The name in addresses and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tradeoff => "tradeoff",
            Self::AsrByPoison => "asr-by-poison",
            Self::AccuracyByEpoch => "accuracy-by-epoch",
            Self::Curve(CurveKind::Loss) => "loss",
            Self::Curve(CurveKind::LearningRate) => "lr",
            Self::Curve(CurveKind::Speed) => "speed",
        }
    }
}

impl FromStr for FigureKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{text:?} is no figure; there are {}", names.join(", "))
        })
    }
}

/// Size of a drawing in pixels of its view box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Size {
    /// The size of a downloaded figure: two columns of a paper at 110 dots an inch.
    pub const FILE: Self = Self { width: 760, height: 480 };
}

/// Where the drawing will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// In a page: CSS classes only, the page's sheet colours them; the page shows the title.
    Page,
    /// In a file of its own: the same classes, an inlined style, a ground and the title.
    File(Theme),
}

/// A place of a drawing that shows its values when pointed at.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Horizontal place in pixels of the view box.
    pub x: f32,
    /// Vertical place in pixels of the view box.
    pub y: f32,
    /// Number of the series that it belongs to.
    pub series: usize,
    /// Its values, one line each.
    pub text: String,
    /// Identifier of the run behind it.
    pub id: Option<String>,
}

/// A figure as an SVG image.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// The image.
    pub svg: String,
    /// Width of the view box in pixels.
    pub width: u32,
    /// Height of the view box in pixels.
    pub height: u32,
    /// The places to point at, series by series.
    pub marks: Vec<Mark>,
}

/// A figure: series on two axes, a legend, and the table of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub(super) kind: FigureKind,
    pub(super) title: String,
    /// One sentence for those who cannot see the picture.
    pub(super) summary: String,
    /// What stands in place of the picture when there is nothing to draw.
    pub(super) empty: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    pub(super) legend: Vec<Entry>,
    /// What the whiskers mean, what was left out: stands under the picture.
    pub(super) note: String,
    pub(super) table: Table,
}

impl Figure {
    /// Which figure this is.
    pub fn kind(&self) -> FigureKind {
        self.kind
    }

    /// The heading.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
    }

    /// Lays the figure out and draws it, higher than `size` where a long legend would leave too little for the plot.
    pub fn draw(&self, size: Size, style: Style) -> Drawing {
        draw::draw(self, size, style)
    }

    /// The numbers of the figure as comma-separated values (RFC 4180), with a heading that names the units.
    pub fn csv(&self) -> String {
        self.table.csv()
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    pub scale: Scale,
}

/// What an axis's values are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// 0 to 100.
    Percent,
    /// From round to round number around these.
    Linear { low: f64, high: f64 },
    /// Named places; a point's value is the place's number.
    Places(Vec<String>),
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub look: Look,
    pub points: Vec<Point>,
}

/// Colour, strength and shape of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub role: Role,
    /// Opacity in percent: the lighter series of one colour.
    pub opacity: u8,
    pub shape: Shape,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Connected points, with a marker at each when given.
    Line { dash: bool, marker: Option<Marker> },
    /// Bars from the bottom: `slot` of `of` bars that stand side by side at each place.
    Bars { hollow: bool, slot: usize, of: usize },
    /// Markers.
    Points { marker: Marker },
}

/// One value with its intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    pub x_range: Option<(f64, f64)>,
    pub y_range: Option<(f64, f64)>,
    /// What hovering shows.
    pub text: String,
    /// A few letters that stand beside the point where there is room.
    pub tag: Option<Tag>,
    pub id: Option<String>,
}

/// A text beside a point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag {
    pub text: String,
    /// Whether it stands on the left.
    pub left: bool,
}

/// An entry of the legend: a sample of the look and its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub look: Look,
    pub label: String,
}
