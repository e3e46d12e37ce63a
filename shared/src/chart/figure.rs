//! The model of a figure, independent of its size.

use std::str::FromStr;

use super::{curve::CurveKind, draw, layout, marker::Marker, role::Role, table::Table, text};
use crate::palette::Theme;

/// Width in pixels of a column whose cells show their values, and of what stands beside the columns: the names of the rows, the axis and margins.
const COLUMN: u32 = 74;
const NAMES_OF_ROWS: u32 = 160;
/// Room between the names of two columns.
const APART: f64 = 8.0;

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FigureKind {
    /// Clean accuracy against attack success rate, one point per run.
    Tradeoff,
    /// Attack success rate by number of poisoned images.
    AsrByPoison,
    /// Clean accuracy and attack success rate by epoch.
    AccuracyByEpoch,
    /// A training quantity by epoch.
    Curve(CurveKind),
    /// Any setting or metric against another.
    Plot,
    /// The features of one encoder in two dimensions.
    Features,
    /// Attacks against defences: a metric in each cell.
    DefenceMatrix,
    /// What defences find by false alarms.
    Roc,
    /// The scores that one defence gave.
    Scores,
    /// Clean accuracy and attack success rate before and after defences.
    BeforeAfter,
    /// The smallest trigger that was found in each encoder.
    Encoders,
    /// The search for a trigger in an encoder.
    Search,
}

impl FigureKind {
    /// All figures.
    pub const ALL: [Self; 14] = [
        Self::Tradeoff,
        Self::AsrByPoison,
        Self::AccuracyByEpoch,
        Self::Curve(CurveKind::Loss),
        Self::Curve(CurveKind::LearningRate),
        Self::Curve(CurveKind::Speed),
        Self::Plot,
        Self::Features,
        Self::DefenceMatrix,
        Self::Roc,
        Self::Scores,
        Self::BeforeAfter,
        Self::Encoders,
        Self::Search,
    ];

    /// The name in URLs and file names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tradeoff => "tradeoff",
            Self::AsrByPoison => "asr-by-poison",
            Self::AccuracyByEpoch => "accuracy-by-epoch",
            Self::Curve(CurveKind::Loss) => "loss",
            Self::Curve(CurveKind::LearningRate) => "lr",
            Self::Curve(CurveKind::Speed) => "speed",
            Self::Plot => "plot",
            Self::Features => "features",
            Self::DefenceMatrix => "defence-matrix",
            Self::Roc => "roc",
            Self::Scores => "scores",
            Self::BeforeAfter => "before-after",
            Self::Encoders => "encoders",
            Self::Search => "search",
        }
    }
}

impl FromStr for FigureKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("{text:?} is not a figure; there are {}", names.join(", "))
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
    /// The size of a downloaded figure: two columns of a paper at 110 dots per inch.
    pub const FILE: Self = Self { width: 760, height: 480 };
}

/// Where the drawing will be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// In a page: CSS classes only, coloured by the page's style sheet; the page shows the title.
    Page,
    /// In a separate file: the same classes, an inlined style, a background and the title.
    File(Theme),
}

/// A point of a drawing that shows its values on hover.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Horizontal position in pixels of the view box.
    pub x: f32,
    /// Vertical position in pixels of the view box.
    pub y: f32,
    /// Index of the series that it belongs to.
    pub series: usize,
    /// Index of the panel that it is in.
    pub panel: usize,
    /// Its values, one per line.
    pub text: String,
    /// The y value alone, for a list of several lines at one place; empty unless it is on a named line.
    pub value: String,
    /// Identifier of the run that it shows.
    pub id: Option<String>,
}

/// Markers of one colour that are not in the image: with many of them, a page draws them on a canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Dots {
    /// The colour's name in the palette.
    pub colour: &'static str,
    /// Centres in pixels of the view box.
    pub places: Vec<(f32, f32)>,
}

/// The part of a drawing between the axes of a panel, in pixels of the view box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// The x axis.
    pub x: Span,
    /// The y axis; its values grow upwards.
    pub y: Span,
}

impl Area {
    /// How far a place is outside of it in pixels, in the direction in which that is most; 0 within.
    pub fn distance(&self, (x, y): (f32, f32)) -> f32 {
        let beyond = |at: f32, from: f32, to: f32| (from.min(to) - at).max(at - from.max(to));
        beyond(x, self.x.from, self.x.to).max(beyond(y, self.y.from, self.y.to)).max(0.0)
    }
}

/// A named series of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// The colour's name in the palette.
    pub colour: &'static str,
}

/// An entry of a drawing's legend that shows and hides a group of marks, with its outline in pixels of the view box.
#[derive(Clone, Debug, PartialEq)]
pub struct Switch {
    /// The group, as [`PlotLook::hidden`](super::PlotLook::hidden) names it.
    pub group: String,
    /// The text beside its sample.
    pub label: String,
    /// Whether its marks are hidden.
    pub off: bool,
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub width: f32,
    /// Height.
    pub height: f32,
}

/// An axis of a drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The pixel of the lowest value.
    pub from: f32,
    /// The pixel of the highest value.
    pub to: f32,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) scale: Placing,
}

/// How an axis places its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placing {
    Linear,
    Log,
    Slots,
}

impl Span {
    /// The value at a pixel, limited to the axis; `None` on an axis of slots.
    pub fn value(&self, pixel: f32) -> Option<f64> {
        let share = f64::from((pixel - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        let value = self.low + share * (self.high - self.low);
        match self.scale {
            Placing::Linear => Some(value),
            Placing::Log => Some(libm::pow(10.0, value)),
            Placing::Slots => None,
        }
    }
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
    /// The least width in pixels at which it can be read; 0 for any.
    pub least: u32,
    /// The points that react to hovering, series by series.
    pub marks: Vec<Mark>,
    /// The markers that the page draws over the image; none unless there are many.
    pub dots: Vec<Dots>,
    /// Where the axes of each panel are; none if there is nothing to draw.
    pub areas: Vec<Area>,
    /// The name and colour of each series of named lines, by [`Mark::series`].
    pub lines: Vec<Option<Named>>,
    /// The entries of the legend that show and hide marks.
    pub switches: Vec<Switch>,
}

impl Drawing {
    /// The panel that a place belongs to: the one around it, else the nearest.
    pub fn panel(&self, place: (f32, f32)) -> Option<usize> {
        let distance = |at: &usize| self.areas[*at].distance(place);
        (0..self.areas.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

/// A figure: series on two axes, a legend, and the table of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub(super) kind: FigureKind,
    pub(super) title: String,
    /// One sentence for readers who cannot see the picture.
    pub(super) summary: String,
    /// The text shown instead of the picture when there is nothing to draw.
    pub(super) empty: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// The names of the panels, which share the axes; none for a single one.
    pub(super) panels: Vec<String>,
    pub(super) series: Vec<Series>,
    pub(super) legend: Vec<Entry>,
    /// The note under the picture: what the whiskers mean, what was omitted.
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

    /// Whether there is nothing to draw, and nothing hidden that could be.
    pub fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points.is_empty())
            && !self.legend.iter().any(|entry| entry.off)
    }

    /// The entries of its legend: a page has those that are off, too, to switch them on again.
    pub(super) fn entries(&self, style: Style) -> impl Iterator<Item = &Entry> {
        self.legend.iter().filter(move |entry| style == Style::Page || !entry.off)
    }

    /// Number of markers of its scatter plots.
    pub(super) fn markers(&self) -> usize {
        let scattered = |series: &&Series| matches!(series.look.shape, Shape::Points { .. });
        self.series.iter().filter(scattered).map(|series| series.points.len()).sum()
    }

    /// The least width in pixels at which its cells show their values and each column its name; 0 for a figure without columns of texts.
    pub fn least_width(&self) -> u32 {
        match (&self.x.scale, self.kind) {
            (Scale::Places(columns), FigureKind::DefenceMatrix) if !self.is_empty() => {
                let words = columns.iter().flat_map(|name| name.split_whitespace());
                let widest = words.map(|word| text::width(word, layout::TICK)).fold(0.0, f64::max);
                let column = COLUMN.max((widest + APART).ceil() as u32);
                NAMES_OF_ROWS + column * columns.len() as u32
            }
            _ => 0,
        }
    }

    /// The size of its drawing in a file: [`Size::FILE`], or as wide as its columns need.
    pub fn file_size(&self) -> Size {
        Size { width: Size::FILE.width.max(self.least_width()), ..Size::FILE }
    }

    /// Lines of the longest text in a cell; 0 without cells.
    pub(super) fn cell_lines(&self) -> usize {
        let cells = self.series.iter().filter(|series| series.look.shape == Shape::Cells);
        let texts = cells.flat_map(|series| &series.points).filter_map(|point| point.tag.as_ref());
        texts.map(|tag| tag.text.lines().count()).max().unwrap_or(0)
    }

    /// Lays the figure out and draws it, taller than `size` if a long legend would leave too little room for the plot.
    pub fn draw(&self, size: Size, style: Style) -> Drawing {
        draw::draw(self, size, style)
    }

    /// The numbers of the figure as comma-separated values (RFC 4180), with a header that names the units.
    pub fn csv(&self) -> String {
        self.table.csv()
    }

    /// The table for LaTeX, in the style of the package `booktabs`, of a figure that is a table.
    pub fn latex(&self) -> Option<&str> {
        self.table.latex.as_deref()
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    pub scale: Scale,
}

/// The kind of an axis's values.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scale {
    /// 0 to 100.
    Percent,
    /// Rounded outwards from these.
    Linear { low: f64, high: f64 },
    /// Logarithmic, rounded outwards from these, which are above 0.
    Log { low: f64, high: f64 },
    /// Named slots; a point's value is the index of its slot.
    Places(Vec<String>),
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub look: Look,
    pub points: Vec<Point>,
    /// Index of its panel.
    pub panel: usize,
    /// Its name in a list of several lines at one place; may be empty.
    pub name: String,
}

impl Series {
    /// An unnamed series in the first panel.
    pub(super) fn new(look: Look, points: Vec<Point>) -> Self {
        Self { look, points, panel: 0, name: String::new() }
    }

    /// The same with a name.
    pub(super) fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }
}

/// Colour, strength and shape of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    pub role: Role,
    /// Opacity in percent, which distinguishes series of the same colour.
    pub opacity: u8,
    pub shape: Shape,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Connected points, with a marker at each when given.
    Line { dash: bool, marker: Option<Marker> },
    /// Bars from the bottom: bar `slot` of `of` side by side at each slot of the axis.
    Bars { hollow: bool, slot: usize, of: usize },
    /// Markers.
    Points { marker: Marker },
    /// An arrow from each point to the next one.
    Arrow,
    /// Cells of a grid, which fill a slot of both axes; [`Point::strength`] is their opacity.
    Cells,
}

/// One value with its intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
    pub x_range: Option<(f64, f64)>,
    pub y_range: Option<(f64, f64)>,
    /// The text shown on hover.
    pub text: String,
    /// The y value alone, if the series has a name.
    pub value: String,
    /// A short text beside the point, if there is room; in the middle of a cell.
    pub tag: Option<Tag>,
    /// Opacity of a cell in percent.
    pub strength: u8,
    pub id: Option<String>,
}

/// A text beside a point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tag {
    pub text: String,
    /// Whether it is on the left.
    pub left: bool,
}

/// An entry of the legend: a sample of the style and its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub look: Look,
    pub label: String,
    /// What it shows and hides, where it does.
    pub group: Option<String>,
    /// Whether that is hidden. A page shows such an entry faintly, a file does not.
    pub off: bool,
}

impl Entry {
    /// An entry that hides nothing.
    pub(super) fn new(look: Look, label: impl Into<String>) -> Self {
        Self { look, label: label.into(), group: None, off: false }
    }
}
