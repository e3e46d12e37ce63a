//! The least-squares line through the marks of a panel.

use super::{Drawn, panel_of};
use crate::{
    api::{PlotData, PlotScale},
    chart::{
        figure::{Entry, Look, Point, Series, Shape},
        role::Role,
    },
};

/// `y = a + b x`, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    pub a: f64,
    pub b: f64,
    /// The share of y's variance that the line explains (R squared); `None` where y does not vary.
    pub explained: Option<f64>,
    /// Number of marks.
    pub n: usize,
}

impl Line {
    /// The line through these points; `None` with fewer than three, or where x does not vary.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
            points.iter().map(|point| of(point.0 - x, point.1 - y)).sum()
        };
        let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
        if points.len() < 3 || xx <= 0.0 {
            return None;
        }
        let b = xy / xx;
        let explained = (yy > 0.0).then(|| xy * xy / (xx * yy));
        Some(Self { a: y - b * x, b, explained, n: points.len() })
    }

    fn at(self, x: f64) -> f64 {
        self.a + self.b * x
    }

    /// `y = 4.2 + 31 x, R² 0.62, n 24`.
    fn in_words(self) -> String {
        let sign = if self.b < 0.0 { "−" } else { "+" };
        let explained = self.explained.map(|share| format!(", R² {share:.2}"));
        let (a, b) = (digits(self.a), digits(self.b.abs()));
        format!("y = {a} {sign} {b} x{}, n {}", explained.unwrap_or_default(), self.n)
    }
}

/// A number with three significant digits.
fn digits(value: f64) -> String {
    let whole = if value == 0.0 { 0 } else { libm::log10(value.abs()).floor() as i32 };
    let decimals = (2 - whole).clamp(0, 9) as usize;
    format!("{value:.decimals$}").replace('-', "−")
}

/// The lines of the panels, and their entries in the legend. None where an axis has slots or a logarithmic scale.
pub(super) fn lines(Drawn { data, marks }: Drawn<'_>) -> (Vec<Series>, Vec<Entry>) {
    if [&data.x, &data.y].iter().any(|axis| axis.scale != PlotScale::Linear) {
        return (Vec::new(), Vec::new());
    }
    let shape = Shape::Line { dash: true, marker: None };
    let look = Look { role: Role::Muted, opacity: 100, shape };
    let (mut series, mut entries) = (Vec::new(), Vec::new());
    for panel in 0..data.panels.len().max(1) {
        let here: Vec<(f64, f64)> = marks
            .iter()
            .filter(|&&at| panel_of(data, at) == panel)
            .map(|&at| (data.marks.x[at], data.marks.y[at]))
            .collect();
        let Some(line) = Line::through(&here) else { continue };
        series.push(Series { panel, ..Series::new(look, ends(line, &here)) });
        entries
            .push(Entry::new(look, format!("{}{}", panel_of_legend(data, panel), line.in_words())));
    }
    (series, entries)
}

fn panel_of_legend(data: &PlotData, panel: usize) -> String {
    data.panels.get(panel).map_or_else(|| "least squares: ".into(), |of| format!("{}: ", of.label))
}

/// The two ends of a line over its points.
fn ends(line: Line, points: &[(f64, f64)]) -> Vec<Point> {
    let low = points.iter().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
    let end = |x: f64| Point { x, y: line.at(x), text: line.in_words(), ..Point::default() };
    vec![end(low), end(high)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_by_hand() {
        // Means 2 and 4; sums of products 2, 3 and 14/3 - ... : b = 3 / 2, a = 1, R2 = 9 / (2 x 14 / 3).
        let line = Line::through(&[(1.0, 3.0), (2.0, 3.0), (3.0, 6.0)]).expect("a line");
        assert!((line.b - 1.5).abs() < 1e-12 && (line.a - 1.0).abs() < 1e-12, "{line:?}");
        // The sum of squares of y around 4 is 1 + 1 + 4.
        assert!((line.explained.expect("y varies") - 9.0 / 12.0).abs() < 1e-12);
        assert_eq!(line.in_words(), "y = 1.00 + 1.50 x, R² 0.75, n 3");
        let falling = Line::through(&[(0.0, 200.0), (1.0, 100.0), (2.0, 0.0)]).expect("a line");
        assert_eq!(falling.in_words(), "y = 200 − 100 x, R² 1.00, n 3");
        assert_eq!(Line::through(&[(1.0, 3.0), (1.0, 4.0), (1.0, 5.0)]), None, "x does not vary");
        assert_eq!(Line::through(&[(1.0, 3.0), (2.0, 4.0)]), None, "any two points are on a line");
        let flat = Line::through(&[(1.0, 3.0), (2.0, 3.0), (3.0, 3.0)]).expect("a line");
        assert_eq!((flat.b, flat.explained), (0.0, None));
    }
}
