//! Positions of the parts of a figure: title, legend rows, plot, axis labels, note. All in pixels of the view box.

use super::{
    axis::Ruler,
    figure::{Figure, Size, Style},
    text,
};

pub(super) const TITLE: f64 = 15.0;
pub(super) const LEGEND: f64 = 12.0;
pub(super) const TICK: f64 = 11.0;
pub(super) const LABEL: f64 = 12.0;
pub(super) const NOTE: f64 = 10.5;
/// Width of the sample before a legend's label.
pub(super) const SAMPLE: f64 = 26.0;
const LEGEND_ROW: f64 = 19.0;
const NOTE_ROW: f64 = 14.0;
const GAP: f64 = 18.0;

/// Minimum height of the plot; the picture grows to keep it.
const PLOT: f64 = 220.0;

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
    /// Vertical centre of the x axis's label.
    pub x_label: f64,
    /// Middle of the y axis's label.
    pub y_label: f64,
    /// Lines of the note, with their vertical centre.
    pub note: Vec<(f64, String)>,
    pub x: Ruler,
    pub y: Ruler,
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
        let legend = legend(figure, margin, inner, &mut y);
        let top = y + 8.0;

        let notes = text::wrap(&figure.note, NOTE, inner);
        let below = margin + notes.len() as f64 * NOTE_ROW + 12.0 + LABEL / 2.0 + 22.0;
        let height = f64::from(size.height).max((top + PLOT + below).ceil());
        let note_top = height - margin - notes.len() as f64 * NOTE_ROW;
        let note = notes
            .into_iter()
            .enumerate()
            .map(|(at, line)| (note_top + (at as f64 + 0.5) * NOTE_ROW, line))
            .collect();
        let x_label = note_top - 12.0;
        let bottom = height - below;

        let y_ruler = Ruler::new(&figure.y, ((bottom - top) / 46.0) as usize);
        let texts = y_ruler.ticks.iter().map(|tick| text::width(&tick.1, TICK));
        let left = margin + LABEL + 10.0 + texts.fold(0.0, f64::max) + 6.0;
        let right = width - margin - 10.0;
        let x_ruler = Ruler::new(&figure.x, (((right - left) / 72.0) as usize).clamp(2, 10));
        Self {
            height,
            margin,
            title,
            legend,
            left,
            right,
            top,
            bottom,
            x_label,
            y_label: margin + LABEL / 2.0,
            note,
            x: x_ruler,
            y: y_ruler,
        }
    }
}

/// Places the entries in rows from the left, as many per row as fit; moves `y` below the last row.
fn legend(figure: &Figure, left: f64, width: f64, y: &mut f64) -> Vec<(f64, f64, String)> {
    let mut places = Vec::new();
    let mut x = left;
    for entry in &figure.legend {
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
