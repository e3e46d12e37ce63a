//! A confusion matrix as a picture: its cells, and the one that a pointer or the arrow keys select.

use std::fmt::Write;

use shared::{Ratio, metric::Confusion};

use crate::components::format;

/// Levels of colour; a cell without images has none.
pub const LEVELS: usize = 9;
/// The first level on which the page's ground is easier to read than its ink.
const STRONG: usize = 7;
/// Room for the numbers of the classes beside and above the matrix, as a share of its side.
const MARGIN: f64 = 0.09;

/// A cell: true class and predicted class.
pub type Cell = (usize, usize);

/// The level of a cell: the first for any image at all, the last for all images of the true class.
pub fn level(share: Ratio) -> usize {
    match share.share() {
        Some(share) if share > 0.0 => ((share * LEVELS as f64).ceil() as usize).clamp(1, LEVELS),
        _ => 0,
    }
}

/// The cells of each level as one path, in cells from the upper left corner. Neighbours in a row are one rectangle, so a
/// matrix of 200 classes needs only a handful of elements.
pub fn paths(confusion: &Confusion) -> [String; LEVELS] {
    let mut paths = [const { String::new() }; LEVELS];
    for row in 0..confusion.classes() {
        let level = |column| level(confusion.taken_for(row, column));
        let mut column = 0;
        while column < confusion.classes() {
            let strength = level(column);
            let from = column;
            while column < confusion.classes() && level(column) == strength {
                column += 1;
            }
            if strength > 0 {
                let width = column - from;
                // Writing to a string cannot fail.
                let _ = write!(paths[strength - 1], "M{from} {row}h{width}v1h-{width}z");
            }
        }
    }
    paths
}

/// Most classes whose counts stand in the cells.
const MOST_COUNTED: usize = 12;

/// A count in a cell, and whether the cell is dark enough for light figures.
pub type Count = (Cell, u64, bool);

/// The counts that stand in the cells: those above 0 of a matrix that is small enough to read.
pub fn counts(confusion: &Confusion) -> Vec<Count> {
    let classes = confusion.classes();
    if classes > MOST_COUNTED {
        return Vec::new();
    }
    let cells = (0..classes).flat_map(|row| (0..classes).map(move |column| (row, column)));
    let count = |(row, column): Cell| {
        let share = confusion.taken_for(row, column);
        (share.hits > 0).then(|| ((row, column), share.hits.into(), level(share) >= STRONG))
    };
    cells.filter_map(count).collect()
}

/// The view box of a matrix of this many classes.
pub fn view_box(classes: usize) -> String {
    let margin = MARGIN * classes as f64;
    let side = classes as f64 + margin;
    format!("{:.3} {:.3} {side:.3} {side:.3}", -margin, -margin)
}

/// The classes whose number is at the axes: all if there are few, round numbers if there are many.
pub fn ticks(classes: usize) -> impl Iterator<Item = usize> {
    let step = match classes {
        0..=12 => 1,
        13..=40 => 5,
        41..=120 => 20,
        _ => 50,
    };
    (0..classes).step_by(step)
}

/// The cell at a point of the picture; `x` and `y` are in 0–1 from its upper left corner.
pub fn cell_at(x: f64, y: f64, classes: usize) -> Option<Cell> {
    let cells = classes as f64;
    let at = |place: f64| {
        let cell = place * (1.0 + MARGIN) * cells - MARGIN * cells;
        (cell >= 0.0 && cell < cells).then_some(cell as usize)
    };
    Some((at(y)?, at(x)?))
}

/// The middle of a cell in percent of the picture's side.
pub fn middle(cell: usize, classes: usize) -> f64 {
    let cells = classes as f64;
    100.0 * (cell as f64 + 0.5 + MARGIN * cells) / (cells * (1.0 + MARGIN))
}

/// The cell that an arrow key leads to; the first cell if none was selected. `None` for other keys.
pub fn stepped(cell: Option<Cell>, key: &str, classes: usize) -> Option<Cell> {
    let last = classes.checked_sub(1)?;
    let moved = |(row, column): Cell| {
        Some(match key {
            "ArrowUp" => (row.saturating_sub(1), column),
            "ArrowDown" => ((row + 1).min(last), column),
            "ArrowLeft" => (row, column.saturating_sub(1)),
            "ArrowRight" => (row, (column + 1).min(last)),
            _ => return None,
        })
    };
    match cell {
        Some(cell) => moved(cell),
        None => moved((0, 0)).map(|_| (0, 0)),
    }
}

/// The lines of text about a cell.
pub fn told(confusion: &Confusion, names: &[String], (row, column): Cell) -> [String; 3] {
    let name = |class: usize| format::class(class, names);
    let share = confusion.taken_for(row, column);
    let images = format!(
        "{} of {} ({})",
        format::count(share.hits.into()),
        format::things(share.total.into(), "image", "images"),
        format::percent(share)
    );
    [format!("true: {}", name(row)), format!("predicted: {}", name(column)), images]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion() -> Confusion {
        Confusion { rows: vec![vec![9, 0, 0], vec![1, 9, 0], vec![2, 2, 0]], undecided: Vec::new() }
    }

    #[test]
    fn any_image_is_seen_and_all_are_strongest() {
        let of = |hits, total| level(Ratio { hits, total });
        assert_eq!([of(0, 10), of(1, 1000), of(1, 9), of(5, 10), of(10, 10)], [0, 1, 1, 5, 9]);
        assert_eq!(of(0, 0), 0, "a class without images");
    }

    #[test]
    fn neighbours_of_one_strength_are_one_rectangle() {
        let paths = paths(&confusion());
        assert_eq!(paths[0], "M0 1h1v1h-1z");
        assert_eq!(paths[4], "M0 2h2v1h-2z");
        assert_eq!(paths[8], "M0 0h1v1h-1zM1 1h1v1h-1z");
        let drawn: usize = paths.iter().map(|path| path.matches('M').count()).sum();
        assert_eq!(drawn, 4);
    }

    #[test]
    fn a_place_means_the_cell_below_it() {
        for classes in [3, 10, 200] {
            for cell in [(0, 0), (1, 2), (classes - 1, 0)] {
                let (y, x) = (middle(cell.0, classes) / 100.0, middle(cell.1, classes) / 100.0);
                assert_eq!(cell_at(x, y, classes), Some(cell));
            }
            assert_eq!(cell_at(0.01, 0.5, classes), None, "a number at the axis");
        }
    }

    #[test]
    fn arrows_stay_inside() {
        assert_eq!(stepped(None, "ArrowDown", 3), Some((0, 0)));
        assert_eq!(stepped(Some((2, 1)), "ArrowDown", 3), Some((2, 1)));
        assert_eq!(stepped(Some((2, 1)), "ArrowRight", 3), Some((2, 2)));
        assert_eq!(stepped(Some((2, 1)), "Enter", 3), None);
        assert_eq!(stepped(None, "ArrowUp", 0), None);
    }

    #[test]
    fn a_cell_tells_its_classes_and_images() {
        let names = ["cat".to_owned(), "dog".to_owned()];
        let told = told(&confusion(), &names, (1, 0));
        assert_eq!(told, ["true: 1 dog", "predicted: 0 cat", "1 of 10 images (10.0 %)"]);
    }

    #[test]
    fn counts_stand_in_the_cells_of_few_classes() {
        let counted = counts(&confusion());
        assert_eq!(counted[0], ((0, 0), 9, true));
        assert_eq!(counted[1], ((1, 0), 1, false));
        assert_eq!(counted[3], ((2, 0), 2, false), "half of a class");
        assert_eq!(counted.len(), 5, "an empty cell has no figure");
        let many = Confusion { rows: vec![vec![1; 13]; 13], undecided: Vec::new() };
        assert!(counts(&many).is_empty());
    }

    #[test]
    fn few_classes_are_all_numbered() {
        assert_eq!(ticks(10).count(), 10);
        assert_eq!(ticks(200).collect::<Vec<_>>(), [0, 50, 100, 150]);
    }
}
