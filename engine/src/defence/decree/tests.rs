use super::*;
use crate::defence::testing::{Reference, assert_near};

const SIDE: usize = 32;
/// Features of cells of 4 x 4 pixels.
const WIDTH: usize = 64;
/// The constant vector's length.
const CONSTANT: f64 = 40.0;
/// How fast the trigger's effect ends with the distance from it.
const NARROW: f64 = 0.3;

/// An encoder that sees each cell on its own, so that only a large patch controls most features. With a backdoor, they become one constant vector
/// as the 4 x 4 pixels at (20, 8) become white.
struct Planted {
    /// `(3, SIDE, SIDE)`
    weights: Vec<f64>,
    /// Side of a cell in pixels.
    side: usize,
    /// Whether the trigger works.
    backdoor: bool,
    last: Vec<f32>,
}

fn on_trigger(at: usize) -> bool {
    let (x, y) = (at % SIDE, at / SIDE % SIDE);
    (20..24).contains(&x) && (8..12).contains(&y)
}

/// An intensity of 1, normalised.
fn white(at: usize) -> f64 {
    let channel = at / (SIDE * SIDE);
    (1.0 - f64::from(MEAN[channel])) / f64::from(STD[channel])
}

impl Planted {
    fn new(backdoor: bool) -> Self {
        Self::of_cells(4, backdoor)
    }

    /// Features that see a square of this side each.
    fn of_cells(side: usize, backdoor: bool) -> Self {
        let mut rng = stream(5, Purpose::Draw, 0, 0);
        let count = 3 * SIDE * SIDE;
        let mut weights: Vec<f64> =
            (0..count).map(|_| crate::random::normal(&mut rng) * 0.4).collect();
        let mut encoder = Self { weights: Vec::new(), side, backdoor, last: Vec::new() };
        let mut means = vec![0.0; encoder.width()];
        let inputs = (3 * side * side) as f64;
        let cells = weights.iter().enumerate();
        cells.for_each(|(at, weight)| means[encoder.cell(at)] += weight / inputs);
        // A brighter image has the same features.
        let cells = weights.iter_mut().enumerate();
        cells.for_each(|(at, weight)| *weight -= means[encoder.cell(at)]);
        encoder.weights = weights;
        encoder
    }

    /// The feature that sees a pixel.
    fn cell(&self, at: usize) -> usize {
        at / SIDE % SIDE / self.side * (SIDE / self.side) + at % SIDE / self.side
    }

    /// How much of the trigger an image has, 0 to 1.
    fn gate(&self, image: &[f32]) -> f64 {
        let far: f64 = (0..image.len())
            .filter(|&at| on_trigger(at))
            .map(|at| (f64::from(image[at]) - white(at)).powi(2))
            .sum::<f64>()
            / 48.0;
        if self.backdoor { (-NARROW * far).exp() } else { 0.0 }
    }

    fn cells(&self, image: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width()];
        for (at, (weight, &value)) in self.weights.iter().zip(image).enumerate() {
            sums[self.cell(at)] += weight * f64::from(value);
        }
        sums.into_iter().map(f64::tanh).collect()
    }
}

fn constant(k: usize) -> f64 {
    if k == 0 { CONSTANT } else { 0.0 }
}

impl Embed for Planted {
    fn features(&mut self, planes: &[f32]) -> Vec<f32> {
        self.last = planes.to_vec();
        let mut features = Vec::new();
        for image in planes.chunks_exact(3 * SIDE * SIDE) {
            let (gate, cells) = (self.gate(image), self.cells(image));
            let mixed = cells.iter().enumerate();
            features.extend(mixed.map(|(k, own)| ((1.0 - gate) * own + gate * constant(k)) as f32));
        }
        features
    }

    fn pixel_gradient(&mut self, dfeatures: &[f32]) -> Vec<f32> {
        let mut gradient = Vec::new();
        let images = self.last.chunks_exact(3 * SIDE * SIDE);
        for (image, d) in images.zip(dfeatures.chunks_exact(self.width())) {
            let (gate, cells) = (self.gate(image), self.cells(image));
            let dgate: f64 =
                (0..cells.len()).map(|k| f64::from(d[k]) * (constant(k) - cells[k])).sum();
            gradient.extend((0..image.len()).map(|at| {
                let k = self.cell(at);
                let own = (1.0 - gate) * f64::from(d[k]) * (1.0 - cells[k] * cells[k]);
                let far = 2.0 * (f64::from(image[at]) - white(at)) / 48.0;
                let by_gate = if on_trigger(at) { -NARROW * gate * far * dgate } else { 0.0 };
                (own * self.weights[at] + by_gate) as f32
            }));
        }
        gradient
    }

    fn width(&self) -> usize {
        (SIDE / self.side).pow(2)
    }
}

fn images(count: usize) -> Vec<Rgb8> {
    (0..count)
        .map(|i| {
            let mut rng = stream(9, Purpose::Draw, 1, i as u64);
            Rgb8::from_fn(SIDE, SIDE, |_, _| [0; 3].map(|_| (uniform(&mut rng) * 160.0) as u8))
        })
        .collect()
}

fn decree(seed: u64) -> Decree {
    Decree { side: SIDE, batch: 8, epochs: 100, centred: false, seed }
}

#[test]
fn a_planted_trigger_is_found() {
    let images = images(64);
    for seed in [1, 2, 3] {
        let found = decree(seed).invert(&images, &mut Planted::new(true), |_, _| true).unwrap();
        let again = decree(seed).invert(&images, &mut Planted::new(true), |_, _| true).unwrap();
        assert_eq!(found, again);
        assert!(found.clean_cosine < 0.5, "{}", found.clean_cosine);
        let best = found.smallest.unwrap();
        // The trigger is 16 of 1024 pixels.
        assert!(best.share < 0.02, "seed {seed}: {}", best.share);
        assert!(best.cosine > ALIKE);
        let on: f64 = (0..SIDE * SIDE).filter(|&at| on_trigger(at)).map(|at| best.mask[at]).sum();
        let all: f64 = best.mask.iter().sum();
        assert!(on > 0.8 * all, "seed {seed}: {on} of {all}");
    }
}

#[test]
fn an_encoder_without_a_backdoor_needs_a_large_trigger() {
    let found = decree(1).invert(&images(64), &mut Planted::new(false), |_, _| true).unwrap();
    assert!(found.smallest.is_none_or(|best| best.share > 0.05));
}

#[test]
fn in_nine_of_ten_seeds_the_backdoor_is_flagged_and_the_clean_encoder_is_not() {
    // Below it, an encoder is flagged.
    const LIMIT: f64 = 0.1;
    let images = images(24);
    let flagged = |side: usize, backdoor: bool| {
        let share = |seed: u64| {
            let mut encoder = Planted::of_cells(side, backdoor);
            let found = decree(seed).invert(&images, &mut encoder, |_, _| true).unwrap();
            found.smallest.map_or(f64::INFINITY, |best| best.share)
        };
        (1..=10).map(share).filter(|&share| share < LIMIT).count()
    };
    assert!(flagged(2, false) <= 1);
    assert!(flagged(2, true) >= 9);
    // The limit does not fit every encoder: few pixels of each cell control features that see 4 x 4 of them, with a backdoor or without.
    assert!(flagged(4, false) >= 9);
}

#[test]
fn where_clean_features_are_alike_nothing_is_searched() {
    let one = vec![Rgb8::filled(SIDE, SIDE, [90; 3]); 8];
    let found = decree(1).invert(&one, &mut Planted::new(true), |_, _| true).unwrap();
    assert!(found.clean_cosine > ALIKE);
    assert_eq!((found.smallest, found.epochs.len()), (None, 0));
    // Less their mean, these features have no direction.
    let centred = Decree { centred: true, ..decree(1) };
    assert!(centred.invert(&one, &mut Planted::new(true), |_, _| true).is_err());
    assert!(decree(1).invert(&one[..1], &mut Planted::new(true), |_, _| true).is_err());
}

#[test]
fn mean_cosines_as_numpy_gives_them() {
    let reference = Reference::read();
    let rows: Vec<f32> =
        (0..6).flat_map(|i| reference.features.row(i)).map(|&value| value as f32).collect();
    let expected = reference.number("/pairwise_cosine/mean_off_diagonal");
    // The reference's features are in double precision, an encoder's are not.
    assert_near(alike(&rows, 8, None).unwrap().0, expected, 1e-6);
    // Orthogonal, and opposite once (1, 1) is the centre.
    assert!(alike(&[2.0, 0.0, 0.0, 2.0], 2, None).unwrap().0.abs() < 1e-12);
    let centred = alike(&[2.0, 0.0, 0.0, 2.0], 2, Some(&[1.0, 1.0])).unwrap().0;
    assert!((centred + 1.0).abs() < 1e-12);
}

#[test]
fn the_gradient_is_that_of_the_cosine_and_the_norm() {
    let planes: Vec<Vec<f32>> = images(5).iter().map(intensities).collect();
    let method = decree(1);
    let search = Search::new(SIDE * SIDE, &mut stream(3, Purpose::Inversion, 0, 0));
    let trigger = search.trigger();
    let (batch, weight) = ([0, 1, 2, 3, 4], 1e-3);
    for centre in [None, Some(&[0.3; WIDTH][..])] {
        let loss = |trigger: &[f64]| {
            let mut encoder = Planted::new(true);
            let cosine = method.cosine(&batch, &planes, trigger, centre, weight, &mut encoder);
            weight * 3.0 * trigger[..SIDE * SIDE].iter().sum::<f64>() - cosine.unwrap().0
        };
        let gradient = method
            .cosine(&batch, &planes, &trigger, centre, weight, &mut Planted::new(true))
            .unwrap()
            .1;
        // A mask's pixel on the trigger, one beside it, and two of the pattern.
        for at in [8 * SIDE + 21, 5, SIDE * SIDE + 8 * SIDE + 21, 3 * SIDE * SIDE + 7] {
            let moved = |by: f64| {
                let mut trigger = trigger.clone();
                trigger[at] += by;
                loss(&trigger)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let largest = gradient.iter().fold(0.0f64, |most, value| most.max(value.abs()));
            assert!(
                (slope - gradient[at]).abs() < 2e-3 * largest,
                "{at}: {slope} {}",
                gradient[at]
            );
        }
    }
}

#[test]
fn the_weight_of_the_norm_by_hand() {
    let mut weight = Weight::new(1e-5);
    let mut after = |alike: bool, steps: usize| {
        (0..steps).for_each(|_| weight.after_a_step(alike));
        weight.value
    };
    let near = |got: f64, expected: f64| assert!((got / expected - 1.0).abs() < 1e-9, "{got}");
    near(after(true, 5), 1e-3);
    near(after(true, 1), 5e-3);
    near(after(true, 5), 5e-3);
    near(after(false, 6), 1e-3);
    near(after(false, 12), 4e-5);
    near(after(false, 6), 8e-6);
    near(after(false, 600), 8e-6);
    near(after(true, 10), 8e-6);
    near(after(true, 1), 1e-3);
}
