//! Positions of the parts of a figure: title, legend rows, plot, axis labels, note. All in pixels of the view box.

use super::{
    axis::Ruler,
    figure::{Entry, Figure, Scale, Size, Style},
    text,
};

pub(super) const TITLE: f64 = 15.0;
pub(super) const LEGEND: f64 = 12.0;
pub(super) const TICK: f64 = 11.0;
/// Height of a line of ticks and of cells.
pub(super) const TICK_ROW: f64 = 13.0;
pub(super) const LABEL: f64 = 12.0;
pub(super) const NOTE: f64 = 10.5;
/// Width of the sample before a legend's label.
pub(super) const SAMPLE: f64 = 26.0;
pub(super) const LEGEND_ROW: f64 = 19.0;
const NOTE_ROW: f64 = 14.0;
const GAP: f64 = 18.0;

/// Minimum height of the plot; the picture grows to keep it.
const PLOT: f64 = 220.0;
/// Minimum height of a panel where they are in several rows.
const PANEL: f64 = 140.0;
/// Width of a panel for which another column is made.
const PANEL_WIDTH: f64 = 230.0;
/// Room for the name above a panel.
const PANEL_HEAD: f64 = 20.0;
/// Room between two columns of panels, and between two rows.
const BETWEEN: (f64, f64) = (22.0, 10.0);
/// Size of a panel's name.
pub(super) const PANEL_NAME: f64 = 11.5;

/// The place of a panel's plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Panel {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// Whether the values of the x axis stand below it: it is the last one of its column.
    pub x_ticks: bool,
    /// Whether the values of the y axis stand beside it: it is the first one of its row.
    pub y_ticks: bool,
}

impl Panel {
    /// Vertical centre of its name.
    pub(super) fn name(&self) -> f64 {
        self.top - PANEL_HEAD / 2.0
    }
}

/// Rows and columns of panels.
#[derive(Clone, Copy)]
struct Grid {
    count: usize,
    columns: usize,
    rows: usize,
}

impl Grid {
    /// As many columns as have room, and no more than the rows need.
    fn of(figure: &Figure, width: f64) -> Self {
        let count = figure.panels.len().max(1);
        let most = ((width / PANEL_WIDTH) as usize).clamp(1, count);
        let rows = count.div_ceil(most);
        Self { count, columns: count.div_ceil(rows), rows }
    }

    /// Room above each plot.
    fn head(figure: &Figure) -> f64 {
        if figure.panels.is_empty() { 0.0 } else { PANEL_HEAD }
    }

    /// The least height of all of them.
    fn least(self, head: f64) -> f64 {
        let one = if self.rows > 1 { PANEL } else { PLOT };
        self.rows as f64 * (head + one) + (self.rows - 1) as f64 * BETWEEN.1
    }

    /// Width and height of each plot within a rectangle.
    fn plot(self, head: f64, width: f64, height: f64) -> (f64, f64) {
        let (columns, rows) = (self.columns as f64, self.rows as f64);
        let wide = (width - (columns - 1.0) * BETWEEN.0) / columns;
        (wide, (height - (rows - 1.0) * BETWEEN.1) / rows - head)
    }

    /// The panels within a rectangle from its upper left corner, row by row.
    fn panels(self, head: f64, (left, top): (f64, f64), (wide, high): (f64, f64)) -> Vec<Panel> {
        let panel = |at: usize| {
            let (row, column) = (at / self.columns, at % self.columns);
            let left = left + column as f64 * (wide + BETWEEN.0);
            let top = top + row as f64 * (head + high + BETWEEN.1) + head;
            Panel {
                left,
                right: left + wide,
                top,
                bottom: top + high,
                x_ticks: at + self.columns >= self.count,
                y_ticks: column == 0,
            }
        };
        (0..self.count).map(panel).collect()
    }
}

/// The positions of a figure's parts.
pub(super) struct Layout {
    /// Height of the whole picture: the requested height, or more if legend and note leave too little room for the plot.
    pub height: f64,
    pub margin: f64,
    /// Lines of the title, with their vertical centre; none in a page.
    pub title: Vec<(f64, String)>,
    /// For each legend entry: left edge, vertical centre, label cut to fit.
    pub legend: Vec<(f64, f64, String)>,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    /// The plots, which share the axes.
    pub panels: Vec<Panel>,
    /// Vertical centre of the x axis's label.
    pub x_label: f64,
    /// Middle of the y axis's label.
    pub y_label: f64,
    /// Lines of the note, with their vertical centre.
    pub note: Vec<(f64, String)>,
    pub x: Ruler,
    pub y: Ruler,
    /// The text of each tick of the x axis, in lines.
    pub x_texts: Vec<Vec<String>>,
}

impl Layout {
    pub(super) fn of(figure: &Figure, size: Size, style: Style) -> Self {
        let width = f64::from(size.width);
        let margin = if style == Style::Page { 4.0 } else { 16.0 };
        let inner = width - 2.0 * margin;
        let mut y = margin;
        let mut title = Vec::new();
        if style != Style::Page {
            for line in text::wrap(&figure.title, TITLE, inner) {
                title.push((y + TITLE / 2.0, line));
                y += TITLE * 1.4;
            }
            y += 4.0;
        }
        let legend = legend(figure.entries(style), margin, inner, &mut y);
        let top = y + 8.0;

        let notes = text::wrap(&figure.note, NOTE, inner);
        let (grid, head) = (Grid::of(figure, inner), Grid::head(figure));
        let right = width - margin - 10.0;
        // The names of slots need room below the plot, and how much depends on the room beside it.
        let beside = |y: &Ruler| {
            let texts = y.ticks.iter().map(|tick| text::width(&tick.1, TICK));
            margin + LABEL + 10.0 + texts.fold(0.0, f64::max) + 6.0
        };
        let guess = Ruler::new(&figure.y, (f64::from(size.height) / 46.0) as usize);
        let slots = grid.plot(head, right - beside(&guess), 0.0).0;
        let names = texts(&Ruler::new(&figure.x, 2), figure, slots);
        let more = names.iter().map(Vec::len).max().unwrap_or(1).max(1) as f64 - 1.0;
        let below =
            margin + notes.len() as f64 * NOTE_ROW + 12.0 + LABEL / 2.0 + 22.0 + more * TICK_ROW;
        let least = grid.least(head).max(cells(figure));
        let height = f64::from(size.height).max((top + least + below).ceil());
        let note_top = height - margin - notes.len() as f64 * NOTE_ROW;
        let note = notes
            .into_iter()
            .enumerate()
            .map(|(at, line)| (note_top + (at as f64 + 0.5) * NOTE_ROW, line))
            .collect();
        let x_label = note_top - 12.0;
        let bottom = height - below;

        let high = grid.plot(head, 0.0, bottom - top).1;
        let y_ruler = Ruler::new(&figure.y, (high / 46.0) as usize);
        let left = beside(&y_ruler);
        let wide = grid.plot(head, right - left, 0.0).0;
        let x_ruler = Ruler::new(&figure.x, ((wide / 72.0) as usize).clamp(2, 10));
        Self {
            height,
            margin,
            title,
            legend,
            left,
            right,
            top,
            bottom,
            panels: grid.panels(head, (left, top), (wide, high)),
            x_label,
            y_label: margin + LABEL / 2.0,
            note,
            x_texts: texts(&x_ruler, figure, wide),
            x: x_ruler,
            y: y_ruler,
        }
    }
}

/// The texts of an axis's ticks in lines: a slot's name may take several within the slot.
fn texts(ruler: &Ruler, figure: &Figure, wide: f64) -> Vec<Vec<String>> {
    let slots = matches!(figure.x.scale, Scale::Places(_));
    let room = ruler.unit(0.0, wide) - 6.0;
    let lines = |name: &String| {
        if slots && text::width(name, TICK) > room {
            text::wrap(name, TICK, room)
        } else {
            vec![name.clone()]
        }
    };
    ruler.ticks.iter().map(|(_, name)| lines(name)).collect()
}

/// The least height of a plot whose cells have texts of several lines.
fn cells(figure: &Figure) -> f64 {
    match (&figure.y.scale, figure.cell_lines()) {
        (Scale::Places(rows), lines @ 2..) => rows.len() as f64 * (lines as f64 * TICK_ROW + 8.0),
        _ => 0.0,
    }
}

/// Places the entries in rows from the left, as many per row as fit; moves `y` below the last row.
fn legend<'e>(
    entries: impl Iterator<Item = &'e Entry>,
    left: f64,
    width: f64,
    y: &mut f64,
) -> Vec<(f64, f64, String)> {
    let mut places = Vec::new();
    let mut x = left;
    for entry in entries {
        let label = text::cut(&entry.label, LEGEND, width - SAMPLE);
        let wide = SAMPLE + text::width(&label, LEGEND);
        if x > left && x + wide > left + width {
            x = left;
            *y += LEGEND_ROW;
        }
        places.push((x, *y + LEGEND_ROW / 2.0, label));
        x += wide + GAP;
    }
    if !places.is_empty() {
        *y += LEGEND_ROW;
    }
    places
}
