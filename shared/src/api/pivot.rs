//! A grid of means as a table: the values of one column down, those of another one across.

use super::plot::PlotData;

/// A mean of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PivotCell {
    /// The mean.
    pub mean: f64,
    /// Its 95 % interval (Student's t), from two runs on.
    pub range: Option<(f64, f64)>,
    /// Number of runs.
    pub runs: u32,
}

/// A grid of means as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Pivot {
    /// The values of the grid's y, in order.
    pub rows: Vec<String>,
    /// The values of the grid's x, in order.
    pub columns: Vec<String>,
    /// Of each row its columns; `None` where no run has both values.
    pub cells: Vec<Vec<Option<PivotCell>>>,
}

impl Pivot {
    /// The tables of a grid, one for each panel, or the only one.
    pub fn all(data: &PlotData) -> Vec<Self> {
        let empty = Self {
            rows: data.y.slots.clone(),
            columns: data.x.slots.clone(),
            cells: vec![vec![None; data.x.slots.len()]; data.y.slots.len()],
        };
        let mut all = vec![empty; data.panels.len().max(1)];
        let marks = &data.marks;
        for (at, &mean) in marks.value.iter().enumerate() {
            let panel = marks.panel.get(at).map_or(0, |&panel| panel as usize);
            let place = |of: &[f64]| of.get(at).map(|&slot| slot as usize);
            let (Some(row), Some(column)) = (place(&marks.y), place(&marks.x)) else { continue };
            let cells = all.get_mut(panel).and_then(|pivot| pivot.cells.get_mut(row));
            if let Some(cell) = cells.and_then(|cells| cells.get_mut(column)) {
                *cell = Some(PivotCell {
                    mean,
                    range: marks.range.get(at).copied().flatten(),
                    runs: marks.count.get(at).copied().unwrap_or(1),
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{PlotAxis, PlotGroup, PlotKind, PlotMarks, PlotScale};

    #[test]
    fn each_panel_has_a_table_with_all_rows_and_columns() {
        let axis = |slots: &[&str]| PlotAxis {
            scale: PlotScale::Even,
            slots: slots.iter().map(ToString::to_string).collect(),
            ..PlotAxis::default()
        };
        let group = |label: &str| PlotGroup { label: label.into(), runs: 1 };
        let data = PlotData {
            kind: PlotKind::Heat,
            x: axis(&["0", "10"]),
            y: axis(&["a", "b"]),
            beside: None,
            colour: Some(PlotAxis::default()),
            runs: 4,
            drawn: 4,
            groups: vec![],
            over: vec![],
            facet: Some(PlotAxis::default()),
            panels: vec![group("1"), group("2")],
            marks: PlotMarks {
                x: vec![0.0, 1.0, 1.0],
                y: vec![0.0, 1.0, 0.0],
                value: vec![1.5, 2.5, 3.5],
                range: vec![None, Some((2.0, 3.0)), None],
                panel: vec![0, 0, 1],
                count: vec![1, 2, 1],
                ..PlotMarks::default()
            },
        };
        let cell = |mean, range, runs| Some(PivotCell { mean, range, runs });
        let [first, second] = &Pivot::all(&data)[..] else { panic!("two panels") };
        assert_eq!(
            (&first.rows[..], &first.columns[1]),
            (&["a".into(), "b".into()][..], &"10".into())
        );
        assert_eq!(first.cells[0], [cell(1.5, None, 1), None]);
        assert_eq!(first.cells[1], [None, cell(2.5, Some((2.0, 3.0)), 2)]);
        assert_eq!(second.cells, [[None, cell(3.5, None, 1)], [None, None]]);
    }
}
