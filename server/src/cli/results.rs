//! The results of a study: the table on the terminal and the JSON for scripts.

use shared::{
    Ratio, RunKind, RunState,
    api::{MeanPercent, OverSeeds, RunResult, RunRow, SeedMeans},
    metric::{Metrics, Spread},
    run::RunPoint,
};

use crate::terminal::{Align, table};

/// Results of the finished runs, in order.
pub fn finished(runs: &[RunRow]) -> Vec<RunResult> {
    let means = several(runs);
    let result = |run| result(run, means.iter().find(|mean| mean.holds(run)));
    runs.iter().filter(|run| run.state == RunState::Done).map(result).collect()
}

/// The points of the grid with several finished seeds.
fn several(runs: &[RunRow]) -> Vec<OverSeeds> {
    OverSeeds::of(runs).into_iter().filter(|mean| mean.seeds > 1).collect()
}

fn result(run: &RunRow, over_seeds: Option<&OverSeeds>) -> RunResult {
    let percent = |of: fn(&Metrics) -> Option<Ratio>| {
        run.metrics.as_ref().and_then(of).and_then(Ratio::percent)
    };
    let of_finetuning = run.point.kind == RunKind::Finetune || run.point.repairs;
    RunResult {
        study: run.study,
        run: run.id,
        kind: run.point.kind,
        digest: run.digest.clone(),
        varied: run.varied.clone(),
        trigger: run.trigger.clone(),
        ppr: run.point.ppr,
        lpr: if of_finetuning { 0 } else { run.point.lpr },
        fpr: of_finetuning.then_some(run.point.lpr),
        scratch: run.point.scratch,
        seed: run.point.seed,
        epochs: run.progress.epochs,
        optimizer: run.optimizer,
        head_init: run.head_init,
        ca: percent(|metrics| Some(metrics.ca)),
        asr: percent(|metrics| Some(metrics.asr)),
        ra: percent(|metrics| Some(metrics.ra)),
        top5: percent(|metrics| metrics.top5),
        n_clean: run.metrics.map_or(0, |metrics| metrics.ca.total),
        n_triggered: run.metrics.map_or(0, |metrics| metrics.asr.total),
        loss: run.progress.loss,
        images_per_second: run.progress.images_per_second.unwrap_or_default(),
        over_seeds: over_seeds.map(seed_means),
    }
}

fn seed_means(mean: &OverSeeds) -> SeedMeans {
    SeedMeans {
        seeds: mean.seeds as u32,
        ca: mean.ca.map(MeanPercent::from),
        asr: mean.asr.map(MeanPercent::from),
        ra: mean.ra.map(MeanPercent::from),
        top5: mean.top5.map(MeanPercent::from),
    }
}

/// All runs as a table, shares with their 95 % interval; below it the means of the points with several finished seeds.
pub fn as_table(runs: &[RunRow]) -> String {
    let head = [
        ("run", Align::Left),
        ("PPR", Align::Right),
        ("LPR/FPR", Align::Right),
        ("seed", Align::Right),
        ("varied", Align::Left),
        ("optimiser", Align::Left),
        ("CA %", Align::Right),
        ("top-5 %", Align::Right),
        ("ASR %", Align::Right),
        ("RA %", Align::Right),
        ("loss", Align::Right),
        ("images/s", Align::Right),
        ("state", Align::Left),
    ];
    let rows: Vec<_> = runs.iter().map(row).collect();
    let runs_told = format!(
        "{}\nCA, top-5, ASR, RA with their 95 % intervals; PPR, LPR, FPR: poisoned images per class in pre-training, \
         probe, fine-tuning",
        table(&head, &rows)
    );
    let means = several(runs);
    if means.is_empty() { runs_told } else { format!("{runs_told}\n\n{}", means_table(&means)) }
}

fn means_table(means: &[OverSeeds]) -> String {
    let head = [
        ("means", Align::Left),
        ("PPR", Align::Right),
        ("LPR/FPR", Align::Right),
        ("seeds", Align::Right),
        ("varied", Align::Left),
        ("CA %", Align::Right),
        ("top-5 %", Align::Right),
        ("ASR %", Align::Right),
        ("RA %", Align::Right),
    ];
    let row = |mean: &OverSeeds| {
        let counts = [ppr(mean.point), mean.point.lpr.to_string(), mean.seeds.to_string()];
        let shares = [mean.ca, mean.top5, mean.asr, mean.ra].map(mean_with_interval);
        let name = mean.point.title().to_owned();
        let varied = mean.varied.iter().map(|(path, value)| format!("{path} {value}"));
        let varied = varied.collect::<Vec<_>>().join(", ");
        [name].into_iter().chain(counts).chain([varied]).chain(shares).collect()
    };
    let rows: Vec<_> = means.iter().map(row).collect();
    format!(
        "{}\nmean ± standard deviation over the seeds, and the 95 % interval of the mean by Student's t",
        table(&head, &rows)
    )
}

fn mean_with_interval(spread: Option<Spread>) -> String {
    let Some(of) = spread.map(MeanPercent::from) else { return String::new() };
    let interval = of.low.zip(of.high).map(|(low, high)| format!(" ({low:.1}–{high:.1})"));
    format!("{:.1} ± {:.1}{}", of.mean, of.deviation, interval.unwrap_or_default())
}

fn row(run: &RunRow) -> Vec<String> {
    let share = |of: fn(&Metrics) -> Option<Ratio>| {
        run.metrics.as_ref().and_then(of).map_or_else(String::new, with_interval)
    };
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    vec![
        run.point.title().to_owned(),
        ppr(run.point),
        if run.point.kind.makes_encoder() { String::new() } else { run.point.lpr.to_string() },
        run.point.seed.to_string(),
        run.varied_besides()
            .map(|(path, value)| format!("{path} {value}"))
            .collect::<Vec<_>>()
            .join(", "),
        run.trained_by(),
        share(|metrics| Some(metrics.ca)),
        share(|metrics| metrics.top5),
        share(|metrics| Some(metrics.asr)),
        share(|metrics| Some(metrics.ra)),
        number(run.progress.loss, 4),
        number(run.progress.images_per_second, 0),
        match &run.error {
            Some(error) => format!("{}: {error}", run.state),
            None if run.reused => format!("{}, reused", run.state),
            None => run.state.to_string(),
        },
    ]
}

/// The PPR; empty if nothing was pre-trained.
fn ppr(point: RunPoint) -> String {
    if point.scratch { String::new() } else { point.ppr.to_string() }
}

/// The share in percent with its 95 % interval; `none` when nothing was counted.
pub fn with_interval(ratio: Ratio) -> String {
    match (ratio.percent(), ratio.wilson95()) {
        (Some(percent), Some(interval)) => {
            format!("{percent:.1} ({:.1}–{:.1})", interval.low * 100.0, interval.high * 100.0)
        }
        _ => "none".into(),
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        Progress, RunId, StudyId,
        run::RunPoint,
        settings::{HeadInit, ProbeOptimizer},
    };

    use super::*;

    fn probe(seed: u64, hits: u32) -> RunRow {
        let ratio = Ratio { hits, total: 10 };
        RunRow {
            id: RunId::from_parts(seed, [1; 10]),
            study: StudyId::from_parts(1, [0; 10]),
            study_name: "study".into(),
            dataset: "shapes".into(),
            trigger: "blended stripes 0.40".into(),
            trigger_kind: "blended".into(),
            strength: 0.4,
            digest: shared::Digest::stored("d"),
            varied: std::collections::BTreeMap::new(),
            reused: false,
            optimizer: Some(ProbeOptimizer::Lars),
            head_init: Some(HeadInit::Normal),
            point: RunPoint {
                kind: RunKind::Probe,
                ppr: 0,
                lpr: 3,
                seed,
                scratch: false,
                implanted: false,
                repairs: false,
            },
            parent: None,
            restorer: None,
            state: RunState::Done,
            progress: Progress::default(),
            metrics: Some(Metrics { ca: ratio, asr: ratio, ra: ratio, ..Metrics::default() }),
            created_at: 0,
            started_at: None,
            ended_at: None,
            error: None,
            paused: None,
            job: None,
            wish: shared::DeviceWish::default(),
            held: false,
            waits: None,
            tidied: None,
            device: None,
        }
    }

    #[test]
    fn several_seeds_bring_their_means() {
        // 40, 50 and 60 %: mean 50, deviation 10; 50 ± 4.3027 * 10 / sqrt(3) = 50 ± 24.84.
        let runs = [probe(1, 4), probe(2, 5), probe(3, 6)];
        let results = finished(&runs);
        let ca = results[2].over_seeds.and_then(|means| means.ca).unwrap();
        assert!((ca.mean - 50.0).abs() < 1e-9 && (ca.deviation - 10.0).abs() < 1e-9);
        assert!((ca.high.unwrap() - 74.841).abs() < 1e-2, "{ca:?}");
        let told = as_table(&runs);
        assert!(told.contains("50.0 ± 10.0 (25.2–74.8)"), "{told}");
        let wide = finished(&[probe(1, 1), probe(2, 9)])[0].over_seeds.and_then(|means| means.ca);
        assert_eq!(wide.map(|ca| (ca.low, ca.high)), Some((Some(0.0), Some(100.0))), "a share");
        assert!(finished(&runs[..1])[0].over_seeds.is_none());
        assert!(!as_table(&runs[..1]).contains("means"));
    }
}
