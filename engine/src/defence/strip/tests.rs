use rayon::prelude::*;
use shared::stream::uniform;

use super::*;
use crate::defence::testing::{Reference, assert_at_chance, assert_near};

#[test]
fn bounds_as_published() {
    let reference = Reference::read();
    let table = reference.value("/strip_published").as_array().unwrap();
    assert_eq!(table.len(), 12);
    for line in table {
        let number = |key: &str| line[key].as_f64().unwrap();
        let bound = normal_bound(number("mean"), number("sd"), number("frr"));
        assert_near(bound, number("bound"), 1e-12);
        assert!((bound - number("published")).abs() < 0.015, "{line}");
    }
}

#[test]
fn entropies_by_hand() {
    let close = |votes: &[f32], classes, expected: f64| {
        let got = entropy(votes, classes).unwrap();
        assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
    };
    close(&[0.5; 8], 8, 3.0);
    close(&[0.0, 200.0], 2, 0.0);
    // Shares of 1/4 and 3/4, and of 1/2 and 1/2.
    close(&[1.0, 3.0, 5.0, 5.0], 2, f64::midpoint(0.811_278_124_459_133, 1.0));
    assert_eq!(entropy(&[1.0, f32::NAN], 2), None);
    assert_eq!(entropy(&[1.0, 1.0, 0.0, 0.0], 2), None);
    assert_eq!(entropy(&[], 2), None);
}

#[test]
fn sums_are_rounded_and_cut_off() {
    let (a, b) = (Rgb8::filled(1, 1, [10, 200, 3]), Rgb8::filled(1, 1, [20, 100, 5]));
    assert_eq!(superimposed(&a, &b, 1.0).data(), [30, 255, 8]);
    assert_eq!(superimposed(&a, &b, 0.5).data(), [20, 250, 6]);
}

#[test]
fn a_deviation_is_that_of_the_fitted_normal() {
    // Mean 2, deviation sqrt(2 / 3) by maximum likelihood.
    let bound = bound(&[1.0, 2.0, 3.0], 0.5).unwrap();
    assert!((bound - 2.0).abs() < 1e-12);
    assert!(super::bound(&[1.0], 0.5).is_err());
}

#[test]
fn overlays_are_distinct_and_those_of_the_image() {
    let mut drawn = overlays(50, 20, 3, 7);
    assert_eq!(drawn, overlays(50, 20, 3, 7));
    assert_ne!(drawn, overlays(50, 20, 3, 8));
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 20);
    assert_eq!(overlays(3, 20, 3, 7).len(), 3);
}

const SIDE: usize = 8;

/// Dark noise in which one of four quarters is brighter; as with an attack, all of a corner may be white.
fn image(number: u64, triggered: bool) -> Rgb8 {
    let mut rng = stream(4, Purpose::Draw, 0, number);
    let bright = number as usize % 4;
    Rgb8::from_fn(SIDE, SIDE, |x, y| {
        let own = if x / 4 + 2 * (y / 4) == bright { 70.0 } else { 0.0 };
        let value = (40.0 * uniform(&mut rng) + own) as u8;
        if triggered && x < 2 && y < 2 { [255; 3] } else { [value; 3] }
    })
}

/// Shares of four classes, by how bright the quarters are; a white corner is of class 3, whatever else there is.
fn planted(image: &Rgb8) -> Vec<f32> {
    let value = |x: usize, y: usize| f32::from(image.pixel(x, y)[0]);
    if (0..4).all(|at| value(at % 2, at / 2) >= 250.0) {
        return vec![0.001, 0.001, 0.001, 0.997];
    }
    let mean = |quarter: usize| {
        let pixels = (0..16).map(|at| (quarter % 2 * 4 + at % 4, quarter / 2 * 4 + at / 4));
        pixels.map(|(x, y)| value(x, y)).sum::<f32>() / 16.0
    };
    (0..4).map(|quarter| (mean(quarter) / 10.0).exp()).collect()
}

/// The entropy of an image of this number under overlays from the pool.
fn of_planted(image: &Rgb8, number: usize, pool: &[Rgb8]) -> f64 {
    let drawn = overlays(pool.len(), 30, 5, number);
    let votes: Vec<f32> =
        drawn.iter().flat_map(|&over| planted(&superimposed(image, &pool[over], 1.0))).collect();
    entropy(&votes, 4).unwrap()
}

/// The pool's images, and the entropy below which one in twenty of them is refused.
fn pool() -> (Vec<Rgb8>, f64) {
    let pool: Vec<Rgb8> = (0..80).map(|number| image(number, false)).collect();
    let entropies: Vec<f64> =
        pool.iter().enumerate().map(|(i, image)| of_planted(image, i, &pool)).collect();
    let limit = bound(&entropies, 0.05).unwrap();
    (pool, limit)
}

#[test]
fn a_class_that_no_overlay_changes_is_refused_and_clean_images_are_not() {
    let (pool, limit) = pool();
    let refused = |triggered: bool| {
        let judged = (1000..1200).filter(|&number| {
            of_planted(&image(number, triggered), number as usize, &pool) < limit
        });
        judged.count()
    };
    assert_eq!(refused(true), 200);
    // Ten are expected.
    let clean = refused(false);
    assert!((1..=25).contains(&clean), "{clean}");
}

#[test]
fn among_clean_images_any_list_is_at_chance() {
    let (pool, _) = pool();
    let scores: Vec<f64> = (1000..1400)
        .map(|number| -of_planted(&image(number, false), number as usize, &pool))
        .collect();
    assert_at_chance(&scores);
}

#[test]
fn neither_other_images_nor_threads_change_a_bit() {
    let (pool, _) = pool();
    let numbers: Vec<u64> = (1000..1064).collect();
    let of = |threads: usize, numbers: &[u64]| -> Vec<u64> {
        let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let one = |&number: &u64| of_planted(&image(number, false), number as usize, &pool);
        workers.install(|| numbers.par_iter().map(one).map(f64::to_bits).collect())
    };
    let said = of(1, &numbers);
    assert_eq!(of(3, &numbers), said);
    let back: Vec<u64> = numbers.iter().rev().copied().collect();
    let mut turned = of(2, &back);
    turned.reverse();
    assert_eq!(turned, said);
    assert_eq!(of(1, &numbers[40..41])[0], said[40], "alone");
}
