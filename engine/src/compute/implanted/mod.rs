//! The loss with which a backdoor is implanted into an encoder.

mod direction;
mod spread;

use rand_chacha::ChaCha8Rng;

use self::direction::{Direction, mean};
use crate::random::normal;

/// Slices of the Wasserstein distance.
const SLICES: usize = 64;
/// What the three parts of the loss must have reached before triggered features are spread: the pull, and what reference and clean images keep.
const REACHED: [f64; 3] = [-0.96, -0.9, -0.9];

/// How much each part of the loss weighs beside the pull towards the reference images.
#[derive(Clone, Debug, PartialEq)]
pub struct Implanting {
    /// Reference images in a batch.
    pub references: usize,
    /// Weight of the features that reference images keep, lambda 1.
    pub reference_weight: f64,
    /// Weight of the features that clean images keep, lambda 2.
    pub clean_weight: f64,
    /// Whether triggered features are spread, and how; with `None` all are pulled to all references.
    pub spread: Option<Spread>,
}

/// How DRUPE spreads triggered features.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Weight of how alike triggered features are.
    pub weight: f64,
    /// Weight of the distance between triggered and clean features.
    pub distance_weight: f64,
    /// Unit vectors onto which features are projected for that distance.
    pub slices: Vec<Vec<f64>>,
}

impl Spread {
    /// With slices of features of `width` numbers, drawn by `rng`.
    pub fn new(weight: f64, distance_weight: f64, width: usize, rng: &mut ChaCha8Rng) -> Self {
        let slices = (0..SLICES).map(|_| {
            let row: Vec<f32> = (0..width).map(|_| normal(rng) as f32).collect();
            Direction::of(&row).unit
        });
        Self { weight, distance_weight, slices: slices.collect() }
    }
}

/// The features of a batch by what they are of.
struct Rows {
    triggered: Vec<Direction>,
    clean: Vec<Direction>,
    references: Vec<Direction>,
    augmented: Vec<Direction>,
}

impl Rows {
    fn of(features: &[f32], references: usize, width: usize) -> Self {
        let mut triggered: Vec<Direction> =
            features.chunks_exact(width).map(Direction::of).collect();
        let shadow = (triggered.len() - 2 * references) / 2;
        let mut clean = triggered.split_off(shadow);
        let mut of_references = clean.split_off(shadow);
        let augmented = of_references.split_off(references);
        Self { triggered, clean, references: of_references, augmented }
    }

    /// The first row of each.
    fn starts(&self) -> [usize; 4] {
        let shadow = self.triggered.len();
        [0, shadow, 2 * shadow, 2 * shadow + self.references.len()]
    }
}

impl Implanting {
    /// The loss of `BadEncoder` (Jia, Liu and Gong, S&P 2022, equations 1 to 4), or of DRUPE (Tao et al., S&P 2024), and its gradient, which is
    /// written.
    ///
    /// All are `(rows, width)`. The rows are of shadow images with the trigger, of the same without it, of reference images, and of those
    /// augmented: `features` of the encoder in training; `kept` of the clean encoder, used of shadow images without the trigger and, in the
    /// rows of the augmented ones, of reference images.
    ///
    /// DRUPE's authors adapt the weights of its last two parts as the training goes, up while the first three are good enough and down while they
    /// are not. Here those parts have their weight in every batch in which the first three have reached the authors' limits, and none in the
    /// others: nothing has to be remembered, so a training that goes on ends with the same bits.
    pub fn loss(&self, features: &[f32], kept: &[f32], width: usize, gradient: &mut [f32]) -> f64 {
        let rows = Rows::of(features, self.references, width);
        let (parts, split) = self.of_rows(&rows, kept, width, gradient);
        let loss =
            parts[0] + split + self.reference_weight * parts[1] + self.clean_weight * parts[2];
        let reached = parts.iter().zip(REACHED).all(|(part, limit)| *part <= limit);
        match &self.spread {
            Some(spread) if reached => loss + spread.parts(&rows, width, gradient),
            _ => loss,
        }
    }

    /// The three parts of the loss without their weights; the gradient is that of the three with them.
    pub fn parts(
        &self,
        features: &[f32],
        kept: &[f32],
        width: usize,
        gradient: &mut [f32],
    ) -> [f64; 3] {
        self.of_rows(&Rows::of(features, self.references, width), kept, width, gradient).0
    }

    /// How alike triggered features are: the mean cosine of all pairs.
    pub fn similarity(&self, features: &[f32], width: usize) -> f64 {
        spread::similarity(&Rows::of(features, self.references, width).triggered)
    }

    /// The three parts, and the penalty for references that are alike or get unequal shares of the triggered images.
    fn of_rows(
        &self,
        rows: &Rows,
        kept: &[f32],
        width: usize,
        gradient: &mut [f32],
    ) -> ([f64; 3], f64) {
        gradient.fill(0.0);
        let Rows { triggered, clean, references, augmented } = rows;
        let starts = rows.starts();
        let (pull, split) = match self.spread {
            None => (towards_all(rows, width, gradient), 0.0),
            Some(_) => towards_nearest(rows, width, gradient),
        };
        debug_assert_eq!(triggered.len(), clean.len());
        debug_assert_eq!(references.len(), augmented.len());
        let mut keep = |start: usize, rows: &[Direction], weight: f64| {
            let count = rows.len().max(1) as f64;
            let kept = kept[start * width..].chunks_exact(width).map(Direction::of);
            let mut sum = 0.0;
            for (at, (row, kept)) in rows.iter().zip(kept).enumerate() {
                sum += row.cosine(&kept);
                let pull: Vec<f64> = kept.unit.iter().map(|unit| -weight * unit / count).collect();
                let place = (start + at) * width;
                row.back(&pull, &mut gradient[place..place + width]);
            }
            -sum / count
        };
        let of_references = keep(starts[3], augmented, self.reference_weight);
        let of_clean = keep(starts[1], clean, self.clean_weight);
        ([pull, of_references, of_clean], split)
    }
}

/// The pull of all triggered images towards all references.
fn towards_all(rows: &Rows, width: usize, gradient: &mut [f32]) -> f64 {
    let Rows { triggered, references, .. } = rows;
    let starts = rows.starts();
    // The mean over all pairs is the product of the means.
    let (of_triggered, of_references) = (mean(triggered, 1.0, width), mean(references, 1.0, width));
    let pull: f64 = of_triggered.iter().zip(&of_references).map(|(a, b)| a * b).sum();
    let mut back = |start: usize, rows: &[Direction], pull: &[f64]| {
        let gradients = gradient[start * width..].chunks_exact_mut(width);
        rows.iter().zip(gradients).for_each(|(row, gradient)| row.back(pull, gradient));
    };
    back(starts[0], triggered, &mean(references, -1.0 / triggered.len().max(1) as f64, width));
    back(starts[2], references, &mean(triggered, -1.0 / references.len() as f64, width));
    -pull
}

/// The pull of each triggered image towards its nearest reference; and what it costs that they do not split evenly, or that the references are
/// alike.
fn towards_nearest(rows: &Rows, width: usize, gradient: &mut [f32]) -> (f64, f64) {
    let Rows { triggered, references, .. } = rows;
    let (mut of_triggered, mut of_references) =
        (spread::zeros(triggered), spread::zeros(references));
    let (pull, uneven) =
        spread::nearest(triggered, references, (&mut of_triggered, &mut of_references));
    let alike = spread::apart(references, &mut of_references);
    let starts = rows.starts();
    write(starts[0], triggered, &of_triggered, width, gradient);
    write(starts[2], references, &of_references, width, gradient);
    (pull, uneven + alike)
}

/// Adds the gradients of features, of those of their directions.
fn write(start: usize, rows: &[Direction], pulls: &[Vec<f64>], width: usize, gradient: &mut [f32]) {
    let gradients = gradient[start * width..].chunks_exact_mut(width);
    for ((row, pull), gradient) in rows.iter().zip(pulls).zip(gradients) {
        row.back(pull, gradient);
    }
}

impl Spread {
    /// What triggered features cost that are alike or lie elsewhere than clean ones. Its gradient is added.
    fn parts(&self, rows: &Rows, width: usize, gradient: &mut [f32]) -> f64 {
        let Rows { triggered, clean, .. } = rows;
        let (mut of_triggered, mut of_clean) = (spread::zeros(triggered), spread::zeros(clean));
        let loss = spread::alike(triggered, self.weight, &mut of_triggered)
            + spread::distance(
                triggered,
                clean,
                &self.slices,
                self.distance_weight,
                (&mut of_triggered, &mut of_clean),
            );
        let starts = rows.starts();
        write(starts[0], triggered, &of_triggered, width, gradient);
        write(starts[1], clean, &of_clean, width, gradient);
        loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: Implanting =
        Implanting { references: 1, reference_weight: 0.5, clean_weight: 2.0, spread: None };

    #[test]
    fn the_loss_by_hand() {
        // Two shadow images, with the trigger along x and y, without it along x; the reference along (3, 4).
        let features = [2.0, 0.0, 0.0, 3.0, 1.0, 0.0, 5.0, 0.0, 3.0, 4.0, 0.0, 1.0];
        // The clean encoder had them along x and y, and the reference along y.
        let kept = [9.0, 9.0, 9.0, 9.0, 1.0, 0.0, 0.0, 2.0, 9.0, 9.0, 0.0, 7.0];
        let mut gradient = [0.0; 12];
        let [pull, references, clean] = SPEC.parts(&features, &kept, 2, &mut gradient);
        assert!((pull + f64::midpoint(0.6, 0.8)).abs() < 1e-6, "{pull}");
        assert!((references + 1.0).abs() < 1e-6 && (clean + 0.5).abs() < 1e-6);
        let loss = SPEC.loss(&features, &kept, 2, &mut gradient);
        assert!((loss - (-0.7 - 0.5 - 1.0)).abs() < 1e-6, "{loss}");
    }

    /// Compares the gradient with slopes of the loss, by features that a function changes before.
    /// Compares the gradient with slopes at a point, and returns the loss there.
    fn slopes_agree(
        spec: &Implanting,
        width: usize,
        change: impl Fn(&mut [f32], &mut [f32]),
    ) -> f64 {
        let wave = |at: usize, phase: f64| ((at as f64 * 1.7 + phase).sin() + 0.2) as f32;
        let mut features: Vec<f32> = (0..10 * width).map(|at| wave(at, 0.0)).collect();
        let mut kept: Vec<f32> = (0..10 * width).map(|at| wave(at, 0.9)).collect();
        change(&mut features, &mut kept);
        let mut gradient = vec![0.0; features.len()];
        let here = spec.loss(&features, &kept, width, &mut gradient);
        let mut unused = gradient.clone();
        for at in 0..features.len() {
            let before = features[at];
            let mut loss = |value: f32| {
                features[at] = value;
                spec.loss(&features, &kept, width, &mut unused)
            };
            let slope = (loss(before + 1.0 / 512.0) - loss(before - 1.0 / 512.0)) * 256.0;
            features[at] = before;
            assert!((slope - f64::from(gradient[at])).abs() < 2e-4, "{at}: {slope}");
        }
        assert!(gradient.iter().all(|value| value.is_finite()));
        assert!(gradient.iter().filter(|value| **value != 0.0).count() > gradient.len() / 2);
        here
    }

    #[test]
    fn the_gradient_is_the_slope() {
        slopes_agree(&Implanting { references: 2, ..SPEC }, 3, |_, _| ());
    }

    fn spreading() -> Implanting {
        let mut rng = shared::stream::stream(1, shared::stream::Purpose::References, 1, 0);
        let spread = Some(Spread::new(0.7, 1.3, 3, &mut rng));
        Implanting { references: 2, spread, ..SPEC }
    }

    #[test]
    fn the_gradient_is_the_slope_where_features_are_spread() {
        let (spec, without) = (spreading(), unspread(&spreading()));
        // Far from the limits: nearest references alone.
        let (with, alone) =
            (slopes_agree(&spec, 3, |_, _| ()), slopes_agree(&without, 3, |_, _| ()));
        assert!((with - alone).abs() < 1e-12, "{with} {alone}");
        // All limits reached: triggered images beside the references, which lie apart; everything else as it was.
        let reached = |features: &mut [f32], kept: &mut [f32]| {
            let near = [[1.0, 0.1, 0.0], [0.0, 0.1, 1.0], [0.9, 0.0, 0.15]];
            features[..9].copy_from_slice(near.as_flattened());
            features[18..24].copy_from_slice([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]].as_flattened());
            for at in (9..18).chain(24..30) {
                kept[at] = features[at] + 0.05;
            }
        };
        let (with, alone) = (slopes_agree(&spec, 3, reached), slopes_agree(&without, 3, reached));
        assert!(with > alone + 0.01, "{with} {alone}: features are spread");
    }

    /// The same without spreading.
    fn unspread(spec: &Implanting) -> Implanting {
        let spread =
            spec.spread.clone().map(|it| Spread { weight: 0.0, distance_weight: 0.0, ..it });
        Implanting { spread, ..spec.clone() }
    }

    #[test]
    fn features_are_spread_once_the_rest_is_reached() {
        let spec = spreading();
        let without = unspread(&spec);
        let mut features = vec![0.0; 30];
        for row in features.chunks_exact_mut(3) {
            row[0] = 1.0;
        }
        // The second reference, and the shadow image that is near to it.
        (features[21], features[23]) = (0.0, 1.0);
        (features[6], features[8]) = (0.0, 1.0);
        let kept = features.clone();
        let mut gradient = vec![0.0; 30];
        let loss = |spec: &Implanting, kept: &[f32], gradient: &mut [f32]| {
            spec.loss(&features, kept, 3, gradient)
        };
        assert!(loss(&spec, &kept, &mut gradient) > loss(&without, &kept, &mut gradient) + 0.1);
        let elsewhere: Vec<f32> = kept.iter().map(|value| 1.0 - value).collect();
        let (one, other) =
            (loss(&spec, &elsewhere, &mut gradient), loss(&without, &elsewhere, &mut gradient));
        assert!((one - other).abs() < 1e-12, "{one} {other}");
        assert!((spec.similarity(&features, 3) - 1.0 / 3.0).abs() < 1e-9);
    }
}
