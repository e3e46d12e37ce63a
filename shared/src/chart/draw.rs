//! Draws the model of a figure.

use plotters::style::text_anchor::{HPos, VPos};

use super::{
    backend::escape,
    canvas::{Canvas, Lettering, Place},
    figure::{
        Area, Dots, Drawing, Entry, Figure, Mark, Named, Point, Scale, Series, Shape, Size, Style,
        Switch,
    },
    layout::{
        LABEL, LEGEND, LEGEND_ROW, Layout, NOTE, PANEL_NAME, Panel, SAMPLE, TICK, TICK_ROW, TITLE,
    },
    role::{Ink, Role},
    text, theme,
};

/// Radius of a marker in pixels.
const RADIUS: f64 = 4.5;
/// Radius of a marker where there are many.
const SMALL: f64 = 2.5;
/// From this number of markers on, they are small and without whiskers, and a page draws them on a canvas.
const MANY: usize = 1_000;
/// Half the width of a whisker's end.
const CAP: f64 = 3.0;
/// Opacity in percent of an entry whose marks are hidden.
const OFF: u8 = 35;
/// Length of an arrow's head.
const HEAD: f64 = 8.0;
/// Share of a slot's width that its bars occupy.
const BARS: f64 = 0.8;

/// Lays `figure` out for `size` and draws it.
pub(super) fn draw(figure: &Figure, size: Size, style: Style) -> Drawing {
    let at = Layout::of(figure, size, style);
    let size = if figure.is_empty() { size } else { Size { height: at.height as u32, ..size } };
    let mut body = String::new();
    let many = figure.markers() >= MANY;
    let (marks, dots, areas, switches) = {
        let canvas = Canvas::new(&mut body, size);
        let picture = Picture { figure, canvas: &canvas, at, size, many };
        picture.draw(style);
        if figure.is_empty() {
            Default::default()
        } else {
            let dots = if many && style == Style::Page { picture.dots() } else { Vec::new() };
            (picture.marks(), dots, picture.areas(), picture.switches(style))
        }
    };
    let Size { width, height } = size;
    let css = match style {
        Style::Page => String::new(),
        Style::File(colours) => format!("<style>{}</style>", theme::css(colours)),
    };
    let sized = match style {
        Style::Page => String::new(),
        Style::File(_) => format!(r#" width="{width}" height="{height}""#),
    };
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 {width} {height}"{sized}><title>{}</title><desc>{}</desc>{css}{body}</svg>"#,
        escape(&figure.title),
        escape(&figure.summary)
    );
    let lines = figure.series.iter().map(named).collect();
    let least = figure.least_width();
    Drawing { svg, width, height, least, marks, dots, areas, lines, switches }
}

struct Picture<'a, 'c> {
    figure: &'a Figure,
    canvas: &'a Canvas<'c>,
    at: Layout,
    size: Size,
    /// Whether there are many markers.
    many: bool,
}

impl Picture<'_, '_> {
    fn draw(&self, style: Style) {
        let ink = Ink::new(Role::Ink);
        if style != Style::Page {
            let corner = (f64::from(self.size.width), f64::from(self.size.height));
            self.canvas.rect((0.0, 0.0), corner, Ink::new(Role::Ground), true);
            for (y, line) in &self.at.title {
                let lettering = Lettering { bold: true, ..Lettering::new(TITLE) };
                self.canvas.text(line, (self.at.margin, *y), lettering, ink);
            }
        }
        if self.figure.is_empty() {
            return self.empty();
        }
        self.axes();
        for (entry, (x, y, label)) in self.figure.entries(style).zip(&self.at.legend) {
            self.sample(entry, (*x, *y));
            let ink = if entry.off { Ink::new(Role::Muted) } else { ink };
            self.canvas.text(label, (x + SAMPLE, *y), Lettering::new(LEGEND), ink);
        }
        for (y, line) in &self.at.note {
            let place = (self.at.margin, *y);
            self.canvas.text(line, place, Lettering::new(NOTE), Ink::new(Role::Muted));
        }
        for series in &self.figure.series {
            if !(self.many && is_scatter(series) && style == Style::Page) {
                self.series(series);
            }
        }
        self.tags();
    }

    fn empty(&self) {
        let (width, height) = (f64::from(self.size.width), f64::from(self.size.height));
        let lines = text::wrap(self.figure.empty, LABEL, width * 0.8);
        let top = height / 2.0 - lines.len() as f64 * 9.0;
        for (row, line) in lines.iter().enumerate() {
            let lettering = Lettering::new(LABEL).at(HPos::Center, VPos::Center);
            let place = (width / 2.0, top + row as f64 * 18.0);
            self.canvas.text(line, place, lettering, Ink::new(Role::Muted));
        }
    }

    fn axes(&self) {
        let at = &self.at;
        for (panel, name) in at.panels.iter().zip(&self.figure.panels) {
            let name = text::cut(name, PANEL_NAME, panel.right - panel.left);
            let lettering = Lettering { bold: true, ..Lettering::new(PANEL_NAME) };
            self.canvas.text(&name, (panel.left, panel.name()), lettering, Ink::new(Role::Ink));
        }
        for panel in &at.panels {
            self.ticks(panel);
        }
        let ink = Ink::new(Role::Ink);
        let lettering = Lettering::new(LABEL).at(HPos::Center, VPos::Center);
        let middle = (f64::midpoint(at.left, at.right), f64::midpoint(at.top, at.bottom));
        let label = text::cut(&self.figure.x.label, LABEL, at.right - at.margin);
        // A label wider than the plot is aligned with the right edge instead of leaving the picture.
        let half = text::width(&label, LABEL) / 2.0;
        let x = middle.0.min(at.right + 10.0 - half).max(at.margin + half);
        self.canvas.text(&label, (x, at.x_label), lettering, ink);
        let label = text::cut(&self.figure.y.label, LABEL, at.bottom - at.top + 20.0);
        let upward = Lettering { upward: true, ..lettering };
        self.canvas.text(&label, (at.y_label, middle.1), upward, ink);
    }

    /// The grid of a panel and its values.
    fn ticks(&self, at: &Panel) {
        let rulers = &self.at;
        let (grid, muted) = (Ink::new(Role::Grid), Ink::new(Role::Muted));
        for (value, label) in &rulers.y.ticks {
            let y = self.y(at, *value);
            if !matches!(self.figure.y.scale, Scale::Places(_)) {
                self.canvas.line(&[(at.left, y), (at.right, y)], grid);
            }
            if at.y_ticks {
                let lettering = Lettering::new(TICK).at(HPos::Right, VPos::Center);
                self.canvas.text(label, (at.left - 6.0, y), lettering, muted);
            }
        }
        let places = matches!(self.figure.x.scale, Scale::Places(_));
        // Where the names of slots are wider than the slots, some are left out.
        let every = if places {
            let texts = rulers.x_texts.iter().flatten().map(|line| text::width(line, TICK));
            let widest = texts.fold(0.0, f64::max);
            ((widest + 6.0) / rulers.x.unit(at.left, at.right)).ceil().max(1.0) as usize
        } else {
            1
        };
        for ((value, _), lines) in rulers.x.ticks.iter().zip(&rulers.x_texts).step_by(every) {
            let x = self.x(at, *value);
            if !places {
                self.canvas.line(&[(x, at.top), (x, at.bottom)], grid);
            }
            if at.x_ticks {
                let lettering = Lettering::new(TICK).at(HPos::Center, VPos::Top);
                for (row, line) in lines.iter().enumerate() {
                    let y = at.bottom + 6.0 + row as f64 * TICK_ROW;
                    self.canvas.text(line, (x, y), lettering, muted);
                }
            }
        }
        self.canvas.line(&[(at.left, at.bottom), (at.right, at.bottom)], muted);
    }

    /// Keeps points at the edge of a scatter plot clear of the axis.
    fn inset(&self) -> f64 {
        if self.figure.series.iter().any(is_scatter) { RADIUS * 2.0 } else { 0.0 }
    }

    fn x(&self, at: &Panel, value: f64) -> f64 {
        let inset = self.inset();
        self.at.x.place(value, at.left + inset, at.right - inset)
    }

    fn y(&self, at: &Panel, value: f64) -> f64 {
        let inset = self.inset();
        self.at.y.place(value, at.bottom - inset, at.top + inset)
    }

    fn areas(&self) -> Vec<Area> {
        let inset = self.inset();
        let area = |at: &Panel| Area {
            x: self.at.x.span(at.left + inset, at.right - inset),
            y: self.at.y.span(at.bottom - inset, at.top + inset),
        };
        self.at.panels.iter().map(area).collect()
    }

    /// The panel of a series.
    fn panel(&self, series: &Series) -> &Panel {
        &self.at.panels[series.panel.min(self.at.panels.len() - 1)]
    }

    /// Half the width of a slot's bars, and of a cell, is counted from this one: all panels are of one size.
    fn first(&self) -> &Panel {
        &self.at.panels[0]
    }

    /// The entries that show and hide marks, with their outlines.
    fn switches(&self, style: Style) -> Vec<Switch> {
        let placed = self.figure.entries(style).zip(&self.at.legend);
        let switch = |(entry, (x, y, label)): (&Entry, &(f64, f64, String))| {
            Some(Switch {
                group: entry.group.clone()?,
                label: entry.label.clone(),
                off: entry.off,
                x: (x - 2.0) as f32,
                y: (y - LEGEND_ROW / 2.0) as f32,
                width: (SAMPLE + text::width(label, LEGEND) + 6.0) as f32,
                height: LEGEND_ROW as f32,
            })
        };
        placed.filter_map(switch).collect()
    }

    fn dots(&self) -> Vec<Dots> {
        let scattered = self.figure.series.iter().filter(|series| is_scatter(series));
        let dots = |series: &Series| Dots {
            colour: series.look.role.colour(),
            places: series
                .points
                .iter()
                .map(|point| {
                    let (x, y) = self.place(series, point);
                    (x as f32, y as f32)
                })
                .collect(),
        };
        scattered.map(dots).collect()
    }

    /// Where a point is drawn; for a bar, the middle of its top.
    fn place(&self, series: &Series, point: &Point) -> Place {
        let shift = match series.look.shape {
            Shape::Bars { slot, of, .. } => {
                (slot as f64 + 0.5 - of as f64 / 2.0) * self.bar_width(of)
            }
            _ => 0.0,
        };
        let panel = self.panel(series);
        (self.x(panel, point.x) + shift, self.y(panel, point.y))
    }

    fn bar_width(&self, of: usize) -> f64 {
        let at = self.first();
        (self.at.x.unit(at.left, at.right) * BARS / of as f64).min(48.0)
    }

    fn series(&self, series: &Series) {
        let ink = Ink::new(series.look.role).opacity(series.look.opacity);
        match series.look.shape {
            Shape::Line { dash, marker } => {
                let places: Vec<_> =
                    series.points.iter().map(|point| self.place(series, point)).collect();
                if places.len() > 1 {
                    self.canvas.line(&places, ink.width(1.8).dash(dash));
                }
                self.whiskers(series, ink.opacity(series.look.opacity / 2));
                match marker {
                    Some(marker) => {
                        for place in places {
                            marker.draw(self.canvas, place, RADIUS - 1.0, ink);
                        }
                    }
                    None if places.len() == 1 => self.canvas.disc(places[0], RADIUS - 1.5, ink),
                    None => {}
                }
            }
            Shape::Arrow => {
                for ends in series.points.windows(2) {
                    self.arrow(self.place(series, &ends[0]), self.place(series, &ends[1]), ink);
                }
            }
            Shape::Bars { hollow, of, .. } => {
                let half = (self.bar_width(of) / 2.0 - 1.0).max(0.5);
                for point in &series.points {
                    let (x, y) = self.place(series, point);
                    let box_ = ((x - half, y), (x + half, self.panel(series).bottom));
                    self.canvas.rect(box_.0, box_.1, Ink::new(Role::Ground), true);
                    self.bar(box_, hollow, ink);
                }
                self.whiskers(series, Ink::new(Role::Ink));
            }
            Shape::Points { .. } if self.many => {
                for point in &series.points {
                    self.canvas.disc(self.place(series, point), SMALL, ink.opacity(70));
                }
            }
            Shape::Cells => {
                let (half_x, half_y) = self.half_cell();
                for point in &series.points {
                    let (x, y) = self.place(series, point);
                    let corners = ((x - half_x, y - half_y), (x + half_x, y + half_y));
                    self.canvas.rect(corners.0, corners.1, ink.opacity(point.strength), true);
                }
            }
            Shape::Points { marker } => {
                self.whiskers(series, ink.opacity(45));
                for point in &series.points {
                    marker.draw(self.canvas, self.place(series, point), RADIUS, ink);
                }
            }
        }
    }

    /// A line with a ring where it begins and a head where it ends, no longer than the way; where nothing moves, a dot in the ring.
    fn arrow(&self, from: Place, to: Place, ink: Ink) {
        let (x, y) = (to.0 - from.0, to.1 - from.1);
        let length = x.hypot(y);
        self.canvas.ring(from, SMALL, ink.width(1.4).dash(false));
        if length < SMALL {
            return self.canvas.disc(to, SMALL / 2.0, ink);
        }
        let head = HEAD.min(length);
        let (x, y) = (x / length, y / length);
        let back = (to.0 - x * head, to.1 - y * head);
        if length > head {
            self.canvas.line(&[from, back], ink.width(1.6).dash(false));
        }
        let side = |of: f64| (back.0 - y * of, back.1 + x * of);
        self.canvas.polygon(&[to, side(head / 2.0), side(-head / 2.0)], ink);
    }

    /// Half the width and height of a cell, between which the ground shows as lines.
    fn half_cell(&self) -> (f64, f64) {
        let (at, rulers) = (self.first(), &self.at);
        let half = |unit: f64| (unit / 2.0 - 0.5).max(0.5);
        (half(rulers.x.unit(at.left, at.right)), half(rulers.y.unit(at.bottom, at.top)))
    }

    fn bar(&self, (from, to): (Place, Place), hollow: bool, ink: Ink) {
        if hollow {
            let inset = 0.8;
            let (from, to) = ((from.0 + inset, from.1), (to.0 - inset, to.1));
            let faint = ink.opacity(ink.opacity / 7);
            self.canvas.rect(from, to, faint, true);
            let outline = [(from.0, to.1), from, (to.0, from.1), to];
            self.canvas.line(&outline, ink.width(1.6));
        } else {
            self.canvas.rect(from, to, ink, true);
        }
    }

    fn whiskers(&self, series: &Series, ink: Ink) {
        let (ink, panel) = (ink.width(1.2), self.panel(series));
        for point in &series.points {
            let (x, y) = self.place(series, point);
            if let Some((low, high)) = point.y_range {
                let (low, high) = (self.y(panel, low), self.y(panel, high));
                self.canvas.line(&[(x, low), (x, high)], ink);
                for end in [low, high] {
                    self.canvas.line(&[(x - CAP, end), (x + CAP, end)], ink);
                }
            }
            if let Some((low, high)) = point.x_range {
                let (low, high) = (self.x(panel, low), self.x(panel, high));
                self.canvas.line(&[(low, y), (high, y)], ink);
                for end in [low, high] {
                    self.canvas.line(&[(end, y - CAP), (end, y + CAP)], ink);
                }
            }
        }
    }

    /// A small sample of the series' style, before its label in the legend.
    fn sample(&self, entry: &Entry, (x, y): Place) {
        let strength = if entry.off { OFF } else { entry.look.opacity };
        let ink = Ink::new(entry.look.role).opacity(strength);
        let middle = (x + SAMPLE / 2.0 - 3.0, y);
        match entry.look.shape {
            Shape::Line { dash, marker } => {
                self.canvas.line(&[(x, y), (x + SAMPLE - 6.0, y)], ink.width(1.8).dash(dash));
                if let Some(marker) = marker {
                    marker.draw(self.canvas, middle, RADIUS - 1.0, ink);
                }
            }
            Shape::Bars { hollow, .. } => {
                let (from, to) = ((x + 3.0, y - 6.0), (x + SAMPLE - 9.0, y + 6.0));
                self.bar((from, to), hollow, ink);
                if hollow {
                    // Without an axis the sample needs its own bottom line.
                    self.canvas.line(&[(from.0, to.1), to], ink.width(1.6));
                }
            }
            Shape::Points { marker } => marker.draw(self.canvas, middle, RADIUS, ink),
            Shape::Arrow => self.arrow((x + 2.0, y), (x + SAMPLE - 6.0, y), ink),
            Shape::Cells => {
                let (from, to) = ((x + 3.0, y - 6.0), (x + SAMPLE - 9.0, y + 6.0));
                self.canvas.rect(from, to, ink, true);
            }
        }
    }

    /// Tags beside their points; a tag without room is omitted, since hovering shows it.
    fn tags(&self) {
        if self.figure.series.iter().any(|series| series.look.shape == Shape::Cells) {
            return self.cell_texts();
        }
        let mut taken: Vec<(Place, Place)> = self
            .points()
            .map(|(_, _, (x, y))| ((x - RADIUS, y - RADIUS), (x + RADIUS, y + RADIUS)))
            .collect();
        let (size, height) = (TICK - 1.0, 10.0);
        for (series, point, (x, y)) in self.points() {
            let Some(tag) = &point.tag else { continue };
            let panel = self.panel(&self.figure.series[series]);
            let width = text::width(&tag.text, size);
            // Beyond the ends of the whisker, at the point's height, so that a tag clearly belongs to one point.
            let (low, high) = point.x_range.unwrap_or((point.x, point.x));
            let left = if tag.left {
                self.x(panel, low).min(x - RADIUS) - 6.0 - width
            } else {
                self.x(panel, high).max(x + RADIUS) + 6.0
            };
            let half = height / 2.0;
            let around = ((left, y - half), (left + width, y + half));
            let inside = left >= panel.left && left + width <= panel.right;
            if inside && !taken.iter().any(|other| overlap(*other, around)) {
                let lettering = Lettering::new(size);
                self.canvas.text(&tag.text, (left, y), lettering, Ink::new(Role::Muted));
                taken.push(around);
            }
        }
    }

    /// The texts in the middle of cells, if they fit into all of them: all their lines, else the first ones.
    fn cell_texts(&self) {
        let texts = || self.points().filter_map(|(_, point, at)| Some((point.tag.as_ref()?, at)));
        let (half_x, half_y) = self.half_cell();
        let fits = |most: usize| {
            let lines = texts().flat_map(|(tag, _)| tag.text.lines().take(most));
            let widest = lines.map(|line| text::width(line, TICK)).fold(0.0, f64::max);
            let high = (most - 1) as f64 * TICK_ROW + TICK + 2.0;
            widest + 4.0 <= half_x * 2.0 && high <= half_y * 2.0
        };
        let most = self.figure.cell_lines();
        let Some(most) = [most, 1].into_iter().find(|&most| most > 0 && fits(most)) else { return };
        let lettering = Lettering::new(TICK).at(HPos::Center, VPos::Center);
        for (tag, (x, y)) in texts() {
            let lines: Vec<&str> = tag.text.lines().take(most).collect();
            let first = y - (lines.len() - 1) as f64 / 2.0 * TICK_ROW;
            for (row, line) in lines.into_iter().enumerate() {
                let place = (x, first + row as f64 * TICK_ROW);
                self.canvas.text(line, place, lettering, Ink::new(Role::Ink));
            }
        }
    }

    fn points(&self) -> impl Iterator<Item = (usize, &Point, Place)> {
        self.figure.series.iter().enumerate().flat_map(move |(at, series)| {
            series.points.iter().map(move |point| (at, point, self.place(series, point)))
        })
    }

    fn marks(&self) -> Vec<Mark> {
        let mark = |(series, point, (x, y)): (usize, &Point, Place)| Mark {
            x: x as f32,
            y: y as f32,
            series,
            panel: self.figure.series[series].panel,
            text: point.text.clone(),
            value: if named(&self.figure.series[series]).is_some() {
                point.value.clone()
            } else {
                String::new()
            },
            id: point.id.clone(),
        };
        // A point without a text is part of a picture, not a value to read.
        self.points().filter(|(_, point, _)| !point.text.is_empty()).map(mark).collect()
    }
}

fn is_scatter(series: &Series) -> bool {
    matches!(series.look.shape, Shape::Points { .. } | Shape::Arrow)
}

/// The name and colour of a series of lines that has a name.
fn named(series: &Series) -> Option<Named> {
    let line = matches!(series.look.shape, Shape::Line { .. }) && !series.name.is_empty();
    line.then(|| Named { name: series.name.clone(), colour: series.look.role.colour() })
}

fn overlap(a: (Place, Place), b: (Place, Place)) -> bool {
    a.0.0 < b.1.0 && b.0.0 < a.1.0 && a.0.1 < b.1.1 && b.0.1 < a.1.1
}
