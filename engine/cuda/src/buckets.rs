//! Which parts of a gradient are added up over the ranks at once, and when.
//!
//! The backward pass completes gradients stage by stage, from the last layer to the first. What is complete is added up while the pass goes
//! on, so most of the sum is hidden behind it (Li et al. 2020, *PyTorch Distributed*); in parts large enough that their number costs nothing.

use std::ops::Range;

/// Numbers from which on a part is worth a sum of its own: 24 MiB, as PyTorch's 25 MB.
pub(crate) const PART: usize = 6 << 20;

/// A part of the gradient that is added up at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// The stage of the backward pass behind which it is complete.
    pub after: usize,
    /// Its places in the flat gradient, in order and without gaps in between where there are none.
    pub places: Vec<Range<usize>>,
}

/// The parts of a gradient that the backward pass completes in these stages, each given by its places. A part ends with the stage that
/// brings it to `least` numbers, and at the last stage.
pub(crate) fn buckets(stages: &[Vec<Range<usize>>], least: usize) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let (mut places, mut numbers) = (Vec::new(), 0);
    for (after, stage) in stages.iter().enumerate() {
        numbers += stage.iter().map(ExactSizeIterator::len).sum::<usize>();
        places.extend(stage.iter().cloned());
        if numbers >= least || after + 1 == stages.len() {
            buckets.push(Bucket { after, places: merged(std::mem::take(&mut places)) });
            numbers = 0;
        }
    }
    buckets
}

/// The same places in order, those that touch as one.
fn merged(mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
    places.sort_by_key(|place| place.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for place in places {
        match merged.last_mut() {
            Some(last) if last.end == place.start => last.end = place.end,
            _ => merged.push(place),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places as pairs, first and end.
    type Places<'a> = &'a [(usize, usize)];

    fn ranges(places: Places<'_>) -> Vec<Range<usize>> {
        places.iter().map(|&(first, end)| first..end).collect()
    }

    fn told(stages: &[Places<'_>], least: usize, want: &[(usize, Places<'_>)]) {
        let stages: Vec<_> = stages.iter().map(|places| ranges(places)).collect();
        let want = want.iter().map(|&(after, places)| Bucket { after, places: ranges(places) });
        assert_eq!(buckets(&stages, least), want.collect::<Vec<_>>(), "{least}");
    }

    /// Three layers of 40, 30 and 20 numbers, complete from the last to the first; the first has a part that is not trained.
    const STAGES: [Places<'_>; 3] = [&[(75, 90), (70, 75)], &[(40, 70)], &[(0, 10), (15, 40)]];

    #[test]
    fn a_part_ends_with_the_stage_that_makes_it_large_enough() {
        // 20 are too few; with the next 30 there are 50.
        told(&STAGES, 45, &[(1, &[(40, 90)]), (2, &[(0, 10), (15, 40)])]);
        told(&STAGES, 50, &[(1, &[(40, 90)]), (2, &[(0, 10), (15, 40)])]);
        told(&STAGES, 20, &[(0, &[(70, 90)]), (1, &[(40, 70)]), (2, &[(0, 10), (15, 40)])]);
    }

    #[test]
    fn what_is_too_small_for_a_part_goes_with_the_last_stage() {
        told(&STAGES, 51, &[(2, &[(0, 10), (15, 90)])]);
        told(&STAGES, usize::MAX, &[(2, &[(0, 10), (15, 90)])]);
    }

    #[test]
    fn the_last_stage_ends_a_part_even_if_it_completes_nothing() {
        told(&[&[(0, 8)], &[]], 8, &[(0, &[(0, 8)]), (1, &[])]);
        told(&[], 8, &[]);
    }
}
