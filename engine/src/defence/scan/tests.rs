use shared::metric::Detection;

use super::*;
use crate::defence::testing::{Reference, assert_at_chance, assert_near, cloud};

/// The variation of the reference's clean images, whose covariances other programs gave.
fn variation(reference: &Reference) -> (Variation, Vec<bool>) {
    let rows: Vec<usize> =
        reference.numbers("/scan/clean_rows").into_iter().map(|row| row as usize).collect();
    let labels: Vec<u32> = rows.iter().map(|&row| reference.labels[row]).collect();
    let clean = reference.features.select(&rows);
    let is_clean = (0..reference.labels.len()).map(|image| rows.contains(&image)).collect();
    (Variation::of(&clean, &labels, 1e-2, 0.0).unwrap(), is_clean)
}

#[test]
fn covariances_as_the_authors_program_gives_them() {
    let reference = Reference::read();
    let (variation, _) = variation(&reference);
    let size = |values: &[f64]| values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    for (got, path) in [(&variation.between, "/scan/Su"), (&variation.within, "/scan/Se")] {
        let expected = reference.numbers(path);
        let tolerance = 1e-6 * size(&expected);
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < tolerance, "{path}: {got} instead of {expected}");
        }
    }
}

#[test]
fn groups_as_scikit_learn_gives_them() {
    let reference = Reference::read();
    let (variation, _) = variation(&reference);
    let centred = reference.features.minus(&reference.features.mean());
    let groups = Groups::by_label(&reference.features, &reference.labels);
    let at = |key: &str, class: usize| format!("/scan/likelihood_ratio/{key}/{class}");
    let mut ratios = Vec::new();
    for (class, images) in groups.iter().enumerate() {
        let own = centred.select(images);
        let split = Split::of(&variation, &own, 1);
        let first = split.in_first.iter().filter(|&&first| first).count() as f64;
        let mut sizes = [first, 60.0 - first];
        sizes.sort_by(f64::total_cmp);
        let mut expected = reference.numbers(&at("group_sizes", class));
        expected.sort_by(f64::total_cmp);
        assert_eq!(sizes.to_vec(), expected, "class {class}");
        // The reference compares two groups with one whose mean is the class's, not that of its identity.
        let white = own.rows().flat_map(|row| times(&variation.whitening, row)).collect();
        let white = Features::new(white, 8).unwrap();
        let spread = |images: &[usize]| -> f64 {
            let group = white.select(images);
            let mean = group.mean();
            group.rows().map(|row| squared_distance(row, &mean)).sum()
        };
        let [first, second] = [true, false]
            .map(|group| (0..60).filter(|&i| split.in_first[i] == group).collect::<Vec<_>>());
        let all: Vec<usize> = (0..60).collect();
        let ratio = spread(&all) - spread(&first) - spread(&second);
        let expected = reference.number(&at("two_log_lr", class));
        assert_near(ratio, expected, 1e-6);
        ratios.push(ratio / 60.0);
        assert_near(ratio / 60.0, reference.number(&at("per_sample", class)), 1e-6);
    }
    let index = shared::metric::anomaly_index(&ratios).unwrap();
    for (class, index) in index.into_iter().enumerate() {
        // The index divides by differences of the ratios.
        assert_near(index.abs(), reference.number(&at("index", class)), 1e-4);
    }
}

#[test]
fn statistics_are_no_worse_than_in_any_run_of_the_authors_program() {
    let reference = Reference::read();
    let (variation, _) = variation(&reference);
    let groups = Groups::by_label(&reference.features, &reference.labels);
    let centred = reference.features.minus(&reference.features.mean());
    let statistics: Vec<f64> = groups
        .iter()
        .map(|images| Split::of(&variation, &centred.select(images), 1).statistic)
        .collect();
    // With the missing factor put back. The program starts its groups once, at random: of a class that is one group, the runs end in different
    // ones, of which ours are the likeliest.
    for run in 0..5 {
        let at =
            |key: &str| reference.numbers(&format!("/scan/runs_with_missing_factor/{run}/{key}"));
        let (own, index) = (at("class_statistic"), at("anomaly_index"));
        assert_near(statistics[2], own[2], 1e-6);
        for class in [0, 1, 3, 4] {
            assert!(statistics[class] > own[class] * (1.0 - 1e-6), "run {run}, class {class}");
        }
        let of_ours = shared::metric::anomaly_index(&own).unwrap();
        for (class, (got, expected)) in of_ours.into_iter().zip(index).enumerate() {
            assert_near(got.abs(), expected, 1e-9);
            assert_eq!(got > THRESHOLD, class == 2, "run {run}, class {class}");
        }
    }
}

#[test]
fn the_poisoned_class_is_flagged_alone() {
    let reference = Reference::read();
    let (variation, clean) = variation(&reference);
    let groups = Groups::by_label(&reference.features, &reference.labels);
    let said = filter(&variation, &reference.features, &groups, &clean, 1);
    for (class, index) in said.indices.iter().enumerate() {
        let index = index.unwrap();
        assert!(if class == 2 { index > 340.0 } else { index < 2.0 }, "class {class}: {index}");
    }
    let found = Detection::of(&said.scores, &said.flagged, &reference.poisoned).unwrap();
    assert_eq!((found.found.hits, found.false_alarms.hits), (12, 0));
}

#[test]
fn few_images_and_equal_ones() {
    let equal = Features::new(vec![1.0; 8], 2).unwrap();
    assert!(Variation::of(&equal.select(&[0]), &[0], 1e-2, 0.0).is_err());
    let variation = Variation::of(&equal, &[0, 0, 1, 1], 1e-2, 1e-3).unwrap();
    let groups = Groups::by_label(&equal, &[0, 0, 2, 2]);
    let said = filter(&variation, &equal, &groups, &[false; 4], 1);
    assert_eq!(said.indices, [None; 3]);
    assert_eq!(said.scores, [0.0; 4]);
}

/// Ten classes of 40 images in a judged set, and behind them 80 that the defender knows to be clean; what SCAn says of the former.
fn of_clean(seed: u64, images: &[usize], threads: usize) -> Filtered {
    let (n, known, width) = (400, 80, 6);
    let labels: Vec<u32> = (0..n + known).map(|i| i as u32 % 10).collect();
    let mut rows = cloud(n + known, width, seed);
    for (row, &label) in rows.chunks_exact_mut(width).zip(&labels) {
        row[label as usize % width] += 3.0;
        row[(label as usize + 1 + label as usize / width) % width] -= 3.0;
    }
    let all = Features::new(rows, width).unwrap();
    let (features, own): (_, Vec<u32>) =
        (all.select(images), images.iter().map(|&i| labels[i]).collect());
    let is_clean: Vec<bool> = images.iter().map(|&i| i >= n).collect();
    let clean: Vec<usize> = (0..images.len()).filter(|&i| is_clean[i]).collect();
    let clean_labels: Vec<u32> = clean.iter().map(|&i| own[i]).collect();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let variation = Variation::of(&features.select(&clean), &clean_labels, 1e-2, 0.0).unwrap();
        filter(&variation, &features, &Groups::by_label(&features, &own), &is_clean, 1)
    })
}

#[test]
fn in_nine_of_ten_clean_sets_no_class_is_flagged_and_any_list_is_at_chance() {
    let all: Vec<usize> = (0..480).collect();
    let mut quiet = 0;
    for seed in 0..10 {
        let said = of_clean(seed, &all, 2);
        quiet += usize::from(said.indices.iter().all(|index| index.unwrap() < THRESHOLD));
        if seed < 3 {
            assert_at_chance(&said.scores[..400]);
        }
    }
    assert!(quiet >= 9, "{quiet}");
}

#[test]
fn neither_order_nor_threads_change_a_bit() {
    let all: Vec<usize> = (0..480).collect();
    let said = of_clean(4, &all, 1);
    assert_eq!(of_clean(4, &all, 3), said);
    let back: Vec<usize> = (0..480).map(|i| (i * 77) % 480).collect();
    let turned = of_clean(4, &back, 2);
    assert_eq!(turned.indices, said.indices);
    for (i, &original) in back.iter().enumerate() {
        assert_eq!(turned.scores[i].to_bits(), said.scores[original].to_bits(), "{i}");
        assert_eq!(turned.flagged[i], said.flagged[original], "{i}");
    }
}
