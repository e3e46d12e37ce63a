//! What a study has given: the table on the terminal and the JSON of scripts.

use shared::{
    Phase, Ratio, RunState,
    api::{RunResult, RunRow},
    study::{ProbeOptimizer, fitted_by},
};

use crate::terminal::{Align, table};

/// Results of the finished runs, in their order.
pub fn finished(runs: &[RunRow]) -> Vec<RunResult> {
    runs.iter().filter(|run| run.state == RunState::Done).map(result).collect()
}

fn result(run: &RunRow) -> RunResult {
    let percent = |of: fn(&shared::metric::Metrics) -> Ratio| {
        run.metrics.as_ref().and_then(|metrics| of(metrics).percent())
    };
    RunResult {
        study: run.study,
        run: run.id,
        phase: run.point.phase,
        trigger: run.trigger.clone(),
        ppr: run.point.ppr,
        lpr: if run.point.phase == Phase::Finetune { 0 } else { run.point.lpr },
        fpr: (run.point.phase == Phase::Finetune).then_some(run.point.lpr),
        scratch: run.point.scratch,
        seed: run.point.seed,
        epochs: run.progress.epochs,
        optimizer: optimizer(run).as_str().to_owned(),
        head_init: (run.point.phase == Phase::Probe).then_some(run.head_init),
        ca: percent(|metrics| metrics.ca),
        asr: percent(|metrics| metrics.asr),
        ra: percent(|metrics| metrics.ra),
        n_clean: run.metrics.map_or(0, |metrics| metrics.ca.total),
        n_triggered: run.metrics.map_or(0, |metrics| metrics.asr.total),
        loss: run.progress.loss,
        images_per_second: run.progress.images_per_second.unwrap_or_default(),
    }
}

fn optimizer(run: &RunRow) -> ProbeOptimizer {
    match run.point.phase {
        Phase::Probe => run.optimizer,
        Phase::Pretrain | Phase::Finetune => ProbeOptimizer::AdamW,
    }
}

/// All runs as a table; shares with their 95 % interval.
pub fn as_table(runs: &[RunRow]) -> String {
    let head = [
        ("run", Align::Left),
        ("PPR", Align::Right),
        ("LPR/FPR", Align::Right),
        ("seed", Align::Right),
        ("optimiser", Align::Left),
        ("CA %", Align::Right),
        ("ASR %", Align::Right),
        ("RA %", Align::Right),
        ("loss", Align::Right),
        ("images/s", Align::Right),
        ("state", Align::Left),
    ];
    let rows: Vec<_> = runs.iter().map(row).collect();
    format!(
        "{}\nCA, ASR, RA with their 95 % intervals; PPR, LPR, FPR: poisoned images per class in pre-training, probe, fine-tuning",
        table(&head, &rows)
    )
}

fn row(run: &RunRow) -> Vec<String> {
    let share = |of: fn(&shared::metric::Metrics) -> Ratio| {
        run.metrics.as_ref().map_or_else(String::new, |metrics| with_interval(of(metrics)))
    };
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    vec![
        run.point.title().to_owned(),
        if run.point.scratch { String::new() } else { run.point.ppr.to_string() },
        if run.point.phase == Phase::Pretrain { String::new() } else { run.point.lpr.to_string() },
        run.point.seed.to_string(),
        match run.point.phase {
            Phase::Probe => fitted_by(run.optimizer, run.head_init),
            _ => optimizer(run).title().to_owned(),
        },
        share(|metrics| metrics.ca),
        share(|metrics| metrics.asr),
        share(|metrics| metrics.ra),
        number(run.progress.loss, 4),
        number(run.progress.images_per_second, 0),
        match &run.error {
            Some(error) => format!("{}: {error}", run.state),
            None => run.state.to_string(),
        },
    ]
}

fn with_interval(ratio: Ratio) -> String {
    match (ratio.percent(), ratio.wilson95()) {
        (Some(percent), Some(interval)) => {
            format!("{percent:.1} ({:.1}–{:.1})", interval.low * 100.0, interval.high * 100.0)
        }
        _ => "none".into(),
    }
}
