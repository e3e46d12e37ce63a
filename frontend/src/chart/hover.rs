//! Which mark of a drawing is selected, by the pointer or by the arrow keys.

use std::collections::BTreeMap;

use shared::chart::Mark;

/// A step by an arrow key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Next,
    Previous,
    /// To the series above in the list, at about the same place.
    SeriesUp,
    SeriesDown,
    First,
    Last,
}

impl Step {
    /// The step that a key stands for.
    pub fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "ArrowRight" => Self::Next,
            "ArrowLeft" => Self::Previous,
            "ArrowUp" => Self::SeriesUp,
            "ArrowDown" => Self::SeriesDown,
            "Home" => Self::First,
            "End" => Self::Last,
            _ => return None,
        })
    }
}

/// The mark nearest to `(x, y)` within `reach`, all in pixels of the view box.
pub fn nearest(marks: &[Mark], x: f32, y: f32, reach: f32) -> Option<usize> {
    let distance = |mark: &Mark| (mark.x - x).powi(2) + (mark.y - y).powi(2);
    let (at, mark) =
        marks.iter().enumerate().min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)))?;
    (distance(mark) <= reach * reach).then_some(at)
}

/// Marks at one place of the x axis may be this far apart, in pixels: drawings round.
const SAME: f32 = 1.5;

/// The marks of the other named lines at the same place of the x axis as `at`, in the same panel, from top to bottom.
pub fn across(marks: &[Mark], at: usize) -> Vec<usize> {
    let Some(here) = marks.get(at).filter(|mark| !mark.value.is_empty()) else {
        return Vec::new();
    };
    let apart = |place: &usize| (marks[*place].x - here.x).abs();
    let mut nearest = BTreeMap::new();
    for (place, mark) in marks.iter().enumerate() {
        let other = mark.series != here.series && mark.panel == here.panel;
        if !other || mark.value.is_empty() || apart(&place) > SAME {
            continue;
        }
        let known = nearest.entry(mark.series).or_insert(place);
        if apart(&place) < apart(known) {
            *known = place;
        }
    }
    let mut found: Vec<usize> = nearest.into_values().collect();
    found.sort_by(|&a, &b| marks[a].y.total_cmp(&marks[b].y));
    found
}

/// The mark that a step leads to from `at`; the first mark if `at` is `None`. `None` only if there are no marks.
pub fn stepped(marks: &[Mark], at: Option<usize>, step: Step) -> Option<usize> {
    let last = marks.len().checked_sub(1)?;
    let Some(at) = at.filter(|&at| at <= last) else { return Some(0) };
    let here = &marks[at];
    Some(match step {
        Step::First => 0,
        Step::Last => last,
        Step::Next => (at + 1).min(last),
        Step::Previous => at.saturating_sub(1),
        Step::SeriesUp | Step::SeriesDown => {
            let beyond = |mark: &&Mark| match step {
                Step::SeriesUp => mark.series < here.series,
                _ => mark.series > here.series,
            };
            let others = marks.iter().filter(beyond).map(|mark| mark.series);
            let series = if step == Step::SeriesUp { others.max() } else { others.min() };
            let Some(series) = series else { return Some(at) };
            let there = marks.iter().enumerate().filter(|(_, mark)| mark.series == series);
            there
                .min_by(|(_, a), (_, b)| (a.x - here.x).abs().total_cmp(&(b.x - here.x).abs()))
                .map_or(at, |(place, _)| place)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(x: f32, y: f32, series: usize) -> Mark {
        Mark { x, y, series, panel: 0, text: String::new(), value: "1 %".into(), id: None }
    }

    fn marks() -> Vec<Mark> {
        vec![mark(0.0, 0.0, 0), mark(10.0, 5.0, 0), mark(20.0, 0.0, 0), mark(9.0, 50.0, 2)]
    }

    #[test]
    fn the_pointer_means_the_nearest_mark_within_reach() {
        assert_eq!(nearest(&marks(), 11.0, 7.0, 20.0), Some(1));
        assert_eq!(nearest(&marks(), 11.0, 40.0, 20.0), Some(3));
        assert_eq!(nearest(&marks(), 200.0, 7.0, 20.0), None);
        assert_eq!(nearest(&[], 0.0, 0.0, 20.0), None);
    }

    #[test]
    fn one_value_of_each_line_at_the_same_place() {
        // The second series is lower; the third has two marks near; the fourth has none here; the fifth is in another panel.
        let mut marks = vec![
            mark(10.0, 20.0, 0),
            mark(10.0, 50.0, 1),
            mark(11.2, 90.0, 2),
            mark(10.4, 5.0, 2),
            mark(14.0, 9.0, 3),
            mark(10.0, 9.0, 4),
        ];
        marks[5].panel = 1;
        assert_eq!(across(&marks, 0), [3, 1]);
        assert_eq!(across(&marks, 5), Vec::<usize>::new());
        marks[1].value.clear();
        assert_eq!(across(&marks, 0), [3], "a mark that is on no named line");
        assert_eq!(across(&marks, 1), Vec::<usize>::new());
        assert_eq!(across(&marks, 99), Vec::<usize>::new());
    }

    #[test]
    fn arrows_walk_along_and_between_series() {
        let marks = marks();
        assert_eq!(stepped(&marks, None, Step::Next), Some(0));
        assert_eq!(stepped(&marks, Some(0), Step::Previous), Some(0));
        assert_eq!(stepped(&marks, Some(1), Step::Next), Some(2));
        assert_eq!(stepped(&marks, Some(0), Step::SeriesDown), Some(3));
        assert_eq!(
            stepped(&marks, Some(3), Step::SeriesUp),
            Some(1),
            "the one above at the same place"
        );
        assert_eq!(stepped(&marks, Some(3), Step::SeriesDown), Some(3));
        assert_eq!(stepped(&marks, Some(9), Step::Last), Some(0), "the marks became fewer");
        assert_eq!(stepped(&[], Some(0), Step::Next), None);
    }
}
