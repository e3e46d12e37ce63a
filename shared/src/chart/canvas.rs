//! Drawing in pixels of the view box, through plotters' drawing area.

use plotters::{
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Polygon, Rectangle},
    style::{
        FontTransform, IntoFont, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{backend::ThemedSvg, figure::Size, role::Ink};

/// Canvas units in a pixel of the view box.
pub(super) const SUB: f64 = 10.0;

/// A pixel of the view box, `(x, y)`.
pub(super) type Place = (f64, f64);

/// A drawing area with positions and lengths in pixels of the view box, to a tenth of a pixel.
pub(super) struct Canvas<'a> {
    area: DrawingArea<ThemedSvg<'a>, Shift>,
}

/// Alignment of a text at its position.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub size: f64,
    pub bold: bool,
    /// Read from bottom to top.
    pub upward: bool,
    pub horizontal: HPos,
    pub vertical: VPos,
}

impl Lettering {
    /// Text of `size` pixels that starts at its position and is vertically centred.
    pub(super) fn new(size: f64) -> Self {
        let (horizontal, vertical) = (HPos::Left, VPos::Center);
        Self { size, bold: false, upward: false, horizontal, vertical }
    }

    pub(super) fn at(self, horizontal: HPos, vertical: VPos) -> Self {
        Self { horizontal, vertical, ..self }
    }
}

fn unit((x, y): Place) -> (i32, i32) {
    ((x * SUB).round() as i32, (y * SUB).round() as i32)
}

impl<'a> Canvas<'a> {
    /// A canvas that writes its elements to `out`.
    pub(super) fn new(out: &'a mut String, size: Size) -> Self {
        Self { area: ThemedSvg::new(out, size).into_drawing_area() }
    }

    /// The backend writes to a string, so it cannot fail.
    fn draw<'e, E>(&self, element: &'e E)
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: plotters::element::Drawable<ThemedSvg<'a>>,
    {
        self.area.draw(element).expect("the backend cannot fail");
    }

    pub(super) fn line(&self, points: &[Place], ink: Ink) {
        let points: Vec<_> = points.iter().map(|&place| unit(place)).collect();
        self.draw(&PathElement::new(points, ink.style(false)));
    }

    pub(super) fn polygon(&self, corners: &[Place], ink: Ink) {
        let corners: Vec<_> = corners.iter().map(|&place| unit(place)).collect();
        self.draw(&Polygon::new(corners, ink.style(true)));
    }

    pub(super) fn disc(&self, centre: Place, radius: f64, ink: Ink) {
        self.draw(&Circle::new(unit(centre), radius * SUB, ink.style(true)));
    }

    pub(super) fn ring(&self, centre: Place, radius: f64, ink: Ink) {
        self.draw(&Circle::new(unit(centre), radius * SUB, ink.style(false)));
    }

    pub(super) fn rect(&self, upper_left: Place, lower_right: Place, ink: Ink, filled: bool) {
        self.draw(&Rectangle::new([unit(upper_left), unit(lower_right)], ink.style(filled)));
    }

    pub(super) fn text(&self, text: &str, place: Place, lettering: Lettering, ink: Ink) {
        let mut font = ("sans-serif", lettering.size * SUB).into_font();
        if lettering.bold {
            font = font.style(plotters::style::FontStyle::Bold);
        }
        if lettering.upward {
            font = font.transform(FontTransform::Rotate270);
        }
        let colour = ink.colour();
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(lettering.horizontal, lettering.vertical));
        self.area.draw_text(text, &style, unit(place)).expect("the backend cannot fail");
    }
}
