//! Verdicts of made-up studies, with the numbers worked out by hand.

use std::collections::BTreeMap;

use super::{Pairs, compared, verdict};
use crate::{
    Ratio, RunId, RunKind, RunState, StudyId,
    api::{PairedRuns, RunRow, finished_probe},
    metric::{Discordant, Metrics},
    param::Value,
    run::RunPoint,
};

/// A finished probe on 1,000 clean and 1,000 triggered images.
fn probe(ppr: u32, lpr: u32, seed: u64, ca: u32, asr: u32) -> RunRow {
    let of = |hits| Ratio { hits, total: 1000 };
    let id = RunId::from_parts(seed, [ppr as u8, lpr as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
    let point = RunPoint {
        kind: RunKind::Probe,
        ppr,
        lpr,
        seed,
        scratch: false,
        implanted: false,
        repairs: false,
    };
    let result = Metrics { ca: of(ca), asr: of(asr), ra: of(1000 - asr), ..Metrics::default() };
    finished_probe(id, StudyId::from_parts(1, [0; 10]), point, result)
}

fn told(rows: &[RunRow]) -> Vec<String> {
    let verdict = verdict(rows, &Pairs::default(), 10).expect("a verdict");
    std::iter::once(verdict.headline.to_string())
        .chain(verdict.points.iter().map(ToString::to_string))
        .collect()
}

/// Probes of three seeds on clean and attacked encoders, without and with three poisons of each class.
fn three_seeds() -> Vec<RunRow> {
    let seeds = [(1, 120, 200), (2, 250, 300), (3, 290, 400)];
    let of = |(seed, clean, attacked)| {
        [
            probe(0, 0, seed, 880, 10),
            probe(100, 0, seed, 870, 0),
            probe(0, 3, seed, 880, clean),
            probe(100, 3, seed, 870, attacked),
        ]
    };
    seeds.into_iter().flat_map(of).collect()
}

#[test]
fn the_largest_of_two_differences_is_corrected() {
    // Differences of 8, 5 and 11 points: scipy.stats.ttest_rel gives p = 0.0438 and 0.5476 to 15.4524; twice that p is 0.088. CA differs
    // by one point with every seed: 2,640 and 2,610 of 3,000 have z = 1.171, p = 0.242. Above the clean classifier's 1 % are 11, 24 and 28
    // points: t = 4.09, p = 0.055.
    assert_eq!(
        told(&three_seeds()),
        [
            "100 poisons of each class in pre-training do not provably change ASR: 22.0 % without, 30.0 % with them, with 3 in the probe \
             (+8.0 points, 95 % interval 0.5 to 15.5, p = .088 corrected for 2 comparisons, 3 seeds).",
            "Strongest attack (PPR 100, LPR 3): ASR 30.0 %, CA 87.0 %, 1.0 points below the clean classifier (no proven difference, p = .242).",
            "Without poisons in the probe, ASR is 0.0 % at PPR 100, below 10 %: poisoned pre-training alone opens no backdoor.",
            "A clean encoder reaches 22.0 % at LPR 3: not provably more than the clean classifier (p = .055).",
        ]
    );
    let strongest = verdict(&three_seeds(), &Pairs::default(), 10)
        .and_then(|verdict| verdict.strongest)
        .expect("an attack");
    assert_eq!((strongest.ppr, strongest.lpr, strongest.seeds), (100, 3, 3));
    assert_eq!(strongest.run, probe(100, 3, 3, 0, 0).id, "the seed with the highest ASR");
}

#[test]
fn seeds_that_one_side_alone_has_are_not_compared() {
    let mut rows = three_seeds();
    rows.retain(|row| row.point.lpr == 3);
    rows.push(probe(0, 3, 4, 880, 900));
    assert_eq!(
        told(&rows)[0],
        "100 poisons of each class in pre-training raise ASR from 22.0 % to 30.0 %, with 3 in the probe (+8.0 points, 95 % interval 0.5 to \
         15.5, p = .044, 3 seeds)."
    );
}

#[test]
fn a_backdoor_is_above_confusions_and_above_the_clean_classifier() {
    let alone = |clean, attacked| {
        let rows = [probe(0, 0, 1, 880, clean), probe(10, 0, 1, 880, attacked)];
        told(&rows).pop().expect("a sentence")
    };
    let start = "Without poisons in the probe, ASR is ";
    assert_eq!(
        alone(10, 500),
        format!(
            "{start}50.0 % at PPR 10: poisoned pre-training alone opens a backdoor (above the clean classifier, p < .001)."
        )
    );
    // A classifier that confuses many images has no backdoor for that.
    assert!(
        alone(490, 500)
            .ends_with("50.0 % at PPR 10: not provably more than the clean classifier (p = .655).")
    );
    let without = [probe(10, 0, 1, 880, 500)];
    assert!(told(&without)[1].ends_with("The study has no clean classifier to compare it with."));
    let probed = [probe(0, 0, 1, 880, 10), probe(0, 3, 1, 880, 500)];
    assert_eq!(
        told(&probed)[1],
        "A clean encoder reaches 50.0 % at LPR 3: poisons in the probe alone open a backdoor (above the clean classifier, p < .001)."
    );
}

#[test]
fn poisons_that_lower_asr_and_one_seed() {
    let rows = [probe(0, 50, 1, 450, 936), probe(10, 50, 1, 440, 874)];
    let lines = told(&rows);
    // Wilson's intervals 91.9 to 95.0 and 85.2 to 89.3, then Newcombe's: -6.2 with -8.8 to -3.6.
    assert_eq!(
        lines[0],
        "10 poisons of each class in pre-training lower ASR from 93.6 % to 87.4 %, with 50 in the probe (−6.2 points, 95 % interval −8.8 to \
         −3.6, p < .001, 1 seed)."
    );
    assert_eq!(lines[1], "Strongest attack (PPR 0, LPR 50): ASR 93.6 %, CA 45.0 %.");
}

#[test]
fn an_implanted_backdoor_is_told_beside_the_encoder_as_it_was() {
    let implanted = |seed, ca, asr| {
        let mut row = probe(0, 0, seed, ca, asr);
        row.point.implanted = true;
        row.id = RunId::from_parts(seed, [9; 10]);
        row.varied.insert("implant.method".into(), "badencoder".into());
        row
    };
    let clean = |seed, ca, asr| {
        let mut row = probe(0, 0, seed, ca, asr);
        row.varied.insert("implant.method".into(), "none".into());
        row
    };
    let rows = [clean(1, 880, 20), implanted(1, 870, 950)];
    assert_eq!(compared(&rows), [(rows[0].id, rows[1].id)]);
    let lines = told(&rows);
    assert!(
        lines[0].starts_with(
            "The backdoor implanted into the encoder raises ASR from 2.0 % to 95.0 %, without poisons in the probe (+93.0 points"
        ),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with(
            "Strongest attack (PPR 0, implanted backdoor, LPR 0): ASR 95.0 %, CA 87.0 %"
        ),
        "{lines:?}"
    );
    assert_eq!(
        lines[2],
        "Without poisons in the probe, ASR is 95.0 % on the encoder with the implanted backdoor: implanting alone opens a backdoor \
         (above the clean classifier, p < .001)."
    );
    let strongest = verdict(&rows, &Pairs::default(), 10).and_then(|verdict| verdict.strongest);
    assert!(strongest.is_some_and(|strongest| strongest.implanted && strongest.ppr == 0));
}

#[test]
fn what_is_not_proven_is_not_claimed() {
    let rows = [
        probe(0, 3, 1, 880, 100),
        probe(1, 3, 1, 880, 300),
        probe(0, 3, 2, 880, 300),
        probe(1, 3, 2, 880, 200),
    ];
    assert!(
        told(&rows)[0].starts_with(
            "One poison of each class in pre-training does not provably change ASR: 20.0 % without, 25.0 % with it, with 3 in the probe"
        ),
        "{:?}",
        told(&rows)
    );
}

#[test]
fn a_study_without_poisons_or_without_results() {
    assert_eq!(
        told(&[probe(0, 0, 1, 880, 12)]),
        [
            "Nothing was poisoned: CA is 88.0 %, and 1.2 % of the triggered images still get the class that the attacker wants."
        ]
    );
    assert_eq!(verdict(&[], &Pairs::default(), 10), None);
    let failed = RunRow { state: RunState::Failed, metrics: None, ..probe(0, 0, 1, 0, 0) };
    assert_eq!(verdict(&[failed], &Pairs::default(), 10), None);
}

#[test]
fn of_several_combinations_the_strongest_is_told() {
    let with = |ratio: f64, row: RunRow| RunRow {
        varied: BTreeMap::from([("attack.trigger.ratio".to_owned(), Value::Number(ratio))]),
        ..row
    };
    let rows = [
        with(0.2, probe(10, 3, 1, 880, 120)),
        with(0.2, probe(0, 3, 1, 880, 110)),
        with(0.4, probe(10, 3, 1, 870, 920)),
    ];
    assert_eq!(
        told(&rows)[0],
        "Strongest attack (PPR 10, LPR 3, blend ratio 0.4): ASR 92.0 %, CA 87.0 %."
    );
}

#[test]
fn two_classifiers_of_one_seed_are_compared_image_by_image() {
    let rows = [
        probe(0, 0, 1, 880, 10),
        probe(0, 3, 1, 880, 400),
        probe(10, 0, 1, 880, 12),
        probe(10, 3, 1, 876, 410),
    ];
    let id = |row: usize| rows[row].id;
    assert_eq!(
        compared(&rows),
        [(id(0), id(1)), (id(0), id(2)), (id(1), id(3)), (id(0), id(3))],
        "each with the clean encoder and with the clean classifier"
    );
    let pair = |asr| PairedRuns {
        first: id(1),
        second: id(3),
        ca: Discordant { first: 4, second: 0, total: 1000 },
        asr,
    };
    let told = |pairs: &[PairedRuns]| {
        verdict(&rows, &pairs.into(), 10).expect("a verdict").headline.to_string()
    };
    // As independent shares 400 and 410 of 1,000 have z = 0.456.
    assert!(told(&[]).contains("p = 1.000 corrected for 2 comparisons"), "{}", told(&[]));
    // By image 1 falls no more and 11 fall anew: 2 * 13 / 4096, and twice that.
    let by_image = Discordant { first: 1, second: 11, total: 1000 };
    assert_eq!(
        told(&[pair(by_image)]),
        "10 poisons of each class in pre-training raise ASR from 40.0 % to 41.0 %, with 3 in the probe (+1.0 points, 95 % interval 0.3 to \
         1.7, p = .013 by McNemar's exact test corrected for 2 comparisons, 1 seed)."
    );
    let others = Discordant { second: 12, ..by_image };
    assert_eq!(told(&[pair(others)]), told(&[]), "counts that are not those of the results");
}

#[test]
fn a_classifier_that_guesses_is_no_strong_attack() {
    // Of ten classes one in ten is guessed: 102 of 1,000 are within that, 150 are not.
    let rows = [probe(0, 0, 1, 880, 10), probe(0, 3, 1, 150, 300), probe(0, 10, 1, 102, 989)];
    let lines = told(&rows);
    assert!(
        lines[0].starts_with("Strongest attack (PPR 0, LPR 3): ASR 30.0 %, CA 15.0 %"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("A clean encoder reaches 30.0 % at LPR 3"), "{lines:?}");
    assert_eq!(
        lines[2],
        "1 of 2 attacks is left out: its classifier has learned next to nothing (CA not above a chance of 10.0 %)."
    );
    assert_eq!(
        told(&rows[2..]),
        [
            "Strongest attack (PPR 0, LPR 10): ASR 98.9 %, CA 10.2 %. The classifier has learned next to nothing (a chance of 10.0 %), so \
             its ASR says little."
        ]
    );
}

#[test]
fn each_sentence_names_the_combination() {
    let with = |ratio: f64, row: RunRow| RunRow {
        varied: BTreeMap::from([("attack.trigger.ratio".to_owned(), Value::Number(ratio))]),
        ..row
    };
    let of = |ratio, asr| {
        [
            with(ratio, probe(0, 0, 1, 880, 10)),
            with(ratio, probe(0, 3, 1, 880, asr)),
            with(ratio, probe(10, 0, 1, 880, 12)),
            with(ratio, probe(10, 3, 1, 880, asr + 80)),
        ]
    };
    let lines = told(&[of(0.1, 200), of(0.4, 700)].concat());
    assert!(lines[0].contains("with 3 in the probe, blend ratio 0.4 ("), "{lines:?}");
    assert!(lines[1].starts_with("Strongest attack (PPR 10, LPR 3, blend ratio 0.4)"), "{lines:?}");
    assert!(
        lines[2].starts_with("With blend ratio 0.4 and no poisons in the probe, ASR is 1.2 %"),
        "{lines:?}"
    );
    assert!(
        lines[3].starts_with("With blend ratio 0.4, a clean encoder reaches 70.0 % at LPR 3"),
        "{lines:?}"
    );
}
