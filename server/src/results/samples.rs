//! Rows for the tests.

use shared::{Ratio, RunId, RunState, StudyId};

use super::{Direction, Info, Measure, Metric, Row, Study};

/// The identifier of run number `at`.
pub(super) fn run(at: u64) -> RunId {
    RunId::from_parts(at * 1000, [at as u8; 10])
}

/// A finished linear probe, created as number `at`. CA is 90 %, ASR is 10 times `at` of 100.
pub(super) fn probe(at: u64, ratio: f64, poisons: u32, seed: u64) -> Row {
    let settings = [
        ("attack.trigger.ratio", ratio.into()),
        ("probe.poisons", f64::from(poisons).into()),
        ("pretrain.flip", at.is_multiple_of(2).into()),
        ("dataset.name", "cifar10".into()),
        ("seed", (seed as f64).into()),
    ];
    let metrics = [("ca", 90), ("asr", 10 * at as u32)].map(|(name, hits)| {
        let measure = Measure::Ratio(Ratio { hits, total: 100 });
        (name, Metric::known(name, measure).expect("known"))
    });
    Row {
        run: run(at),
        kind: "probe".into(),
        digest: format!("{at:064x}").into(),
        state: RunState::Done,
        studies: vec![Study { id: StudyId::from_parts(at % 2, [0; 10]), name: "grid".into() }],
        created: at * 1000,
        ended: Some(at * 1000 + 500),
        settings: settings.into_iter().map(|(path, value)| (path.to_owned(), value)).collect(),
        metrics: metrics.into_iter().map(|(name, metric)| (name.to_owned(), metric)).collect(),
    }
}

pub(super) fn percent(hits: u32, total: u32) -> Metric {
    let info = Info { title: "a share".into(), unit: "%".into(), direction: Direction::Higher };
    Metric { info, measure: Measure::Ratio(Ratio { hits, total }) }
}

pub(super) fn real(number: f64) -> Metric {
    let info = Info { title: "a number".into(), unit: "".into(), direction: Direction::Neither };
    Metric { info, measure: Measure::Real(number) }
}
