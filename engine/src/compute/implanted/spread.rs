//! What DRUPE adds: triggered features that lie apart from each other and are distributed as clean ones are.
//!
//! Tao, Wang, Feng, Shen, Ma and Zhang, *Distribution Preserving Backdoor Attack in Self-supervised Learning*, IEEE S&P 2024. Each function returns
//! its part of the loss and adds that part's gradient, of the directions.

use super::direction::{Direction, add};

/// Mean similarity of reference images from which they are pushed apart, and how strongly: the first that is exceeded counts.
const APART: [(f64, f64); 2] = [(0.5, 1.0), (0.4, 0.2)];
/// Spread of the mean similarities to the references above which evening them out counts more, and both weights.
const UNEVEN: f64 = 0.1;
const EVENING: (f64, f64) = (0.5, 2.0);

/// Gradients of directions, one row for each.
pub(super) type Pulls = Vec<Vec<f64>>;

/// Rows of zeros.
pub(super) fn zeros(rows: &[Direction]) -> Pulls {
    rows.iter().map(|row| vec![0.0; row.unit.len()]).collect()
}

/// Sample standard deviation, and its gradient.
fn deviation(values: &[f64]) -> (f64, Vec<f64>) {
    if values.len() < 2 {
        return (0.0, vec![0.0; values.len()]);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let rest = (values.len() - 1) as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / rest).sqrt();
    let slope =
        |value: &f64| if deviation > 0.0 { (value - mean) / (rest * deviation) } else { 0.0 };
    (deviation, values.iter().map(slope).collect())
}

/// The pull of each triggered image towards the reference that is nearest to it, so that the triggered images split among them; and the
/// weighted deviation of the references' mean similarities, so that they split evenly.
pub(super) fn nearest(
    triggered: &[Direction],
    references: &[Direction],
    pulls: (&mut Pulls, &mut Pulls),
) -> (f64, f64) {
    let (of_triggered, of_references) = pulls;
    let count = triggered.len().max(1) as f64;
    let mut means = vec![0.0; references.len()];
    let mut sum = 0.0;
    for (row, pull) in triggered.iter().zip(of_triggered.iter_mut()) {
        let cosines: Vec<f64> = references.iter().map(|other| row.cosine(other)).collect();
        add(&mut means, &cosines, 1.0 / count);
        let best = cosines.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((best, cosine)) = best else { continue };
        sum += cosine;
        add(pull, &references[best].unit, -1.0 / count);
        add(&mut of_references[best], &row.unit, -1.0 / count);
    }
    let (uneven, slopes) = deviation(&means);
    let weight = if uneven > UNEVEN { EVENING.1 } else { EVENING.0 };
    for (at, slope) in slopes.iter().enumerate() {
        let pull = weight * slope / count;
        for (row, of_row) in triggered.iter().zip(of_triggered.iter_mut()) {
            add(of_row, &references[at].unit, pull);
            add(&mut of_references[at], &row.unit, pull);
        }
    }
    (-sum / count, weight * uneven)
}

/// The mean cosine of all pairs.
pub(super) fn similarity(rows: &[Direction]) -> f64 {
    let cosines = pairs(rows.len()).map(|(a, b)| rows[a].cosine(&rows[b]));
    cosines.sum::<f64>() / pairs(rows.len()).count().max(1) as f64
}

/// Reference images that are too alike are pushed apart, so that there are several places to split among.
pub(super) fn apart(references: &[Direction], pulls: &mut Pulls) -> f64 {
    let mean = similarity(references);
    let weight = APART.iter().find(|(limit, _)| mean > *limit).map_or(0.0, |(_, weight)| *weight);
    let share = weight / pairs(references.len()).count().max(1) as f64;
    for (a, b) in pairs(references.len()) {
        add(&mut pulls[a], &references[b].unit, share);
        add(&mut pulls[b], &references[a].unit, share);
    }
    weight * mean
}

/// Mean and deviation of the cosines of all pairs of triggered images, times `weight`.
pub(super) fn alike(triggered: &[Direction], weight: f64, pulls: &mut Pulls) -> f64 {
    let cosines: Vec<f64> =
        pairs(triggered.len()).map(|(a, b)| triggered[a].cosine(&triggered[b])).collect();
    if cosines.is_empty() {
        return 0.0;
    }
    let count = cosines.len() as f64;
    let (deviation, slopes) = deviation(&cosines);
    for ((a, b), slope) in pairs(triggered.len()).zip(slopes) {
        let pull = weight * (slope + 1.0 / count);
        add(&mut pulls[a], &triggered[b].unit, pull);
        add(&mut pulls[b], &triggered[a].unit, pull);
    }
    weight * (deviation + cosines.iter().sum::<f64>() / count)
}

/// The sliced Wasserstein distance of order 2 of two sets of equal size: root of the mean, over the slices, of the mean squared difference of the
/// sorted projections; times `weight`.
pub(super) fn distance(
    triggered: &[Direction],
    clean: &[Direction],
    slices: &[Vec<f64>],
    weight: f64,
    (pulls, of_others): (&mut Pulls, &mut Pulls),
) -> f64 {
    let sorted = |rows: &[Direction], slice: &[f64]| {
        let dot = |row: &Direction| row.unit.iter().zip(slice).map(|(a, b)| a * b).sum::<f64>();
        let mut all: Vec<(f64, usize)> = rows.iter().map(dot).zip(0..).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    };
    let matched: Vec<_> = slices
        .iter()
        .map(|slice| (slice, sorted(triggered, slice), sorted(clean, slice)))
        .collect();
    let differences = || {
        matched.iter().flat_map(|(slice, a, b)| {
            a.iter().zip(b).map(move |(a, b)| (*slice, a.1, b.1, a.0 - b.0))
        })
    };
    let count = differences().count().max(1) as f64;
    let squares: f64 = differences().map(|(.., difference)| difference.powi(2)).sum();
    let distance = (squares / count).sqrt();
    if distance > 0.0 {
        for (slice, of_triggered, of_clean, difference) in differences() {
            let pull = weight * difference / (count * distance);
            add(&mut pulls[of_triggered], slice, pull);
            add(&mut of_others[of_clean], slice, -pull);
        }
    }
    weight * distance
}

/// All pairs of `count` things.
fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[[f32; 2]]) -> Vec<Direction> {
        values.iter().map(|row| Direction::of(row)).collect()
    }

    fn near(value: f64, wanted: f64) {
        assert!((value - wanted).abs() < 1e-7, "{value} is not {wanted}");
    }

    #[test]
    fn triggered_images_split_among_the_references_by_hand() {
        let triggered = rows(&[[1.0, 0.0], [3.0, 4.0], [0.0, 1.0]]);
        let references = rows(&[[2.0, 0.0], [0.0, 5.0]]);
        let (mut of_triggered, mut of_references) = (zeros(&triggered), zeros(&references));
        // Nearest: 1, 0.8 and 1. Means: 1.6 / 3 and 1.8 / 3, whose deviation is 0.2 / 3 / sqrt 2.
        let (pull, uneven) =
            nearest(&triggered, &references, (&mut of_triggered, &mut of_references));
        near(pull, -2.8 / 3.0);
        near(uneven, 0.5 * (0.2 / 3.0 / 2f64.sqrt()));
        let lopsided =
            nearest(&triggered[..1], &references, (&mut of_triggered, &mut of_references));
        near(lopsided.1, 2.0 * (1.0 / 2f64.sqrt()));
    }

    #[test]
    fn alike_references_are_pushed_apart() {
        let mut pulls = zeros(&rows(&[[1.0, 0.0]; 2]));
        near(apart(&rows(&[[1.0, 0.0], [3.0, 4.0]]), &mut pulls), 0.6);
        near(pulls[0][1], 0.8);
        near(apart(&rows(&[[1.0, 0.0], [0.45, 0.893_028]]), &mut pulls), 0.2 * 0.45);
        near(apart(&rows(&[[1.0, 0.0], [0.3, 0.953_939]]), &mut pulls), 0.0);
    }

    #[test]
    fn pairs_of_triggered_images_by_hand() {
        let triggered = rows(&[[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]);
        // Cosines 0, -1 and 0: mean -1/3, deviation 1 / sqrt 3.
        let loss = alike(&triggered, 2.0, &mut zeros(&triggered));
        near(loss, 2.0 * (1.0 / 3f64.sqrt() - 1.0 / 3.0));
        near(alike(&triggered[..1], 1.0, &mut zeros(&triggered[..1])), 0.0);
        near(similarity(&triggered), -1.0 / 3.0);
    }

    #[test]
    fn sliced_distance_by_hand() {
        let (one, other) = (rows(&[[1.0, 0.0], [0.0, 1.0]]), rows(&[[0.0, 1.0], [-1.0, 0.0]]));
        let slices = [vec![1.0, 0.0], vec![0.0, 1.0]];
        // Along x: {0, 1} and {-1, 0}, differences 1 and 1; along y: {0, 1} and {0, 1}.
        let mut pulls = (zeros(&one), zeros(&other));
        let loss = distance(&one, &other, &slices, 3.0, (&mut pulls.0, &mut pulls.1));
        near(loss, 3.0 * 0.5_f64.sqrt());
        let same = distance(&one, &one, &slices, 1.0, (&mut pulls.0, &mut pulls.1));
        near(same, 0.0);
    }
}
