//! A rectangle dragged over a plot.

use shared::chart::Area;

/// A shorter movement is a click, in pixels.
const CLICK: f32 = 6.0;

/// A drag of the pointer, in pixels of the view box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dragged {
    pub from: (f32, f32),
    pub to: (f32, f32),
}

/// The values that a rectangle covers; `None` on an axis of slots.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brushed {
    /// From left to right.
    pub x: Option<(f64, f64)>,
    /// From bottom to top.
    pub y: Option<(f64, f64)>,
}

impl From<(f32, f32)> for Dragged {
    fn from(place: (f32, f32)) -> Self {
        Self { from: place, to: place }
    }
}

impl Dragged {
    /// Whether the pointer hardly moved.
    pub fn is_click(self) -> bool {
        (self.to.0 - self.from.0).hypot(self.to.1 - self.from.1) < CLICK
    }

    /// The upper left and the lower right corner.
    pub fn corners(self) -> ((f32, f32), (f32, f32)) {
        let (a, b) = (self.from, self.to);
        ((a.0.min(b.0), a.1.min(b.1)), (a.0.max(b.0), a.1.max(b.1)))
    }

    /// The values within it.
    pub fn within(self, area: &Area) -> Brushed {
        let ((left, top), (right, bottom)) = self.corners();
        Brushed {
            x: area.x.value(left).zip(area.x.value(right)),
            y: area.y.value(bottom).zip(area.y.value(top)),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        api::{PlotAxis, PlotData, PlotKind, PlotMarks, PlotScale},
        chart::{PlotLook, Size, Style, plot},
    };

    use super::*;

    #[test]
    fn a_rectangle_covers_the_marks_within() {
        let axis = |name: &str| PlotAxis {
            name: name.into(),
            title: name.into(),
            unit: "%".into(),
            scale: PlotScale::Linear,
            slots: vec![],
        };
        let data = PlotData {
            kind: PlotKind::Runs,
            x: axis("ca"),
            y: axis("asr"),
            beside: None,
            colour: None,
            runs: 2,
            drawn: 2,
            groups: vec![],
            over: vec![],
            facet: None,
            panels: vec![],
            marks: PlotMarks { x: vec![20.0, 80.0], y: vec![30.0, 60.0], ..PlotMarks::default() },
        };
        let look = PlotLook { whole: true, ..PlotLook::default() };
        let drawing = plot(&data, &look).draw(Size { width: 600, height: 400 }, Style::Page);
        let mark = &drawing.marks[0];
        // From below right of the first mark to above left of it.
        let drag =
            Dragged { from: (mark.x + 10.0, mark.y + 10.0), to: (mark.x - 10.0, mark.y - 10.0) };
        assert!(!drag.is_click() && Dragged::from((1.0, 1.0)).is_click());
        let brushed = drag.within(&drawing.areas[0]);
        let (x, y) = (brushed.x.expect("numbers"), brushed.y.expect("numbers"));
        assert!(x.0 < 20.0 && x.1 > 20.0 && x.1 < 80.0, "{x:?}");
        assert!(y.0 < 30.0 && y.1 > 30.0 && y.1 < 60.0, "{y:?}");
    }
}
