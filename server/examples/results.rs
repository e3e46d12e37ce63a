//! Measures the speed and the size of the results table: generates finished runs with 12 settings
//! and 5 metrics, and times the queries of the pages and the command line. Each query is timed 60
//! times after one warm-up.
//!
//! ```text
//! MASKDOOR_SKIP_FRONTEND=1 cargo run --release -p server --example results [RUNS]
//! ```

use std::{collections::BTreeMap, hint::black_box, io::Write, time::Instant};

use peak_alloc::PeakAlloc;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use server::results::{Column, Filter, Measure, Metric, Row, SortKey, Study, Table, Value};
use shared::{Ratio, RunId, RunState, StudyId};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How often each query is timed.
const ROUNDS: usize = 60;
/// Runs of one study.
const STUDY: usize = 200;
/// Rows of a page.
const PAGE: usize = 100;

const FILTERS: [&str; 9] = [
    "attack.trigger.ratio >= 0.3 && probe.poisons in [1, 3] && asr > 50.0 && kind == \"probe\" && state == \"done\"",
    "asr > 50.0",
    "ca - asr > 20 && loss < 1.5",
    "seed in [1, 2, 3] || seed == 77",
    "dataset.name.matches(\"^cifar1.\") && !pretrain.flip",
    "has(probe.lr) ? probe.lr * 2 > 0.3 : ra < 10",
    "digest.startsWith(\"a\")",
    "\"study 7\" in studies",
    "true",
];

fn main() {
    let runs = std::env::args().nth(1).map_or(100_000, |runs| runs.parse().expect("a number"));
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let before = MEMORY.current_usage();
    let began = Instant::now();
    let mut table = Table::new();
    for at in 0..runs {
        table.insert(&made_up(at, &mut chance)).expect("a row of known columns");
    }
    table.shrink();
    say(&format!(
        "{runs} runs generated and inserted in {:.0} ms; {:.1} MB, {} bytes per run",
        began.elapsed().as_secs_f64() * 1000.0,
        (MEMORY.current_usage() - before) as f64 / 1e6,
        (MEMORY.current_usage() - before) / runs.max(1)
    ));
    say(&format!("{:>8} {:>8}  query", "p50 ms", "p95 ms"));

    for expression in FILTERS {
        time(&format!("filter: {expression}"), || {
            let filter = Filter::new(expression, &table).expect("an expression");
            black_box(filter.select(&table).len());
        });
    }
    for names in [&["probe.poisons"][..], &["dataset.name", "seed"], &["asr"], &["digest"]] {
        for descending in [false, true] {
            let keys: Vec<_> = names
                .iter()
                .map(|name| SortKey { column: column(&table, name), descending })
                .collect();
            let way = if descending { ", down" } else { "" };
            time(&format!("sort: all by {}{way}", names.join(", ")), || {
                let mut all = table.all();
                all.sort(&keys);
                black_box(all.len());
            });
        }
    }
    let metrics = ["ca", "asr", "ra", "loss"].map(|name| column(&table, name));
    let points =
        ["kind", "dataset.name", "attack.trigger.ratio", "pretrain.poisons", "probe.poisons"];
    for names in [&points[..1], &points, &["seed"], &[]] {
        let by: Vec<_> = names.iter().map(|name| column(&table, name)).collect();
        let groups = table.all().group(&by, &metrics).expect("settings").groups.len();
        time(&format!("group: all by [{}], {groups} groups", names.join(", ")), || {
            black_box(table.all().group(&by, &metrics).expect("settings"));
        });
    }
    for offset in [0, runs / 2] {
        time(&format!("page: {PAGE} rows from {offset}"), || {
            black_box(table.all().page(offset, PAGE));
        });
    }
    let keys = [SortKey { column: column(&table, "asr"), descending: true }];
    time("filter, sort by asr, page: as on the page of runs", || {
        let filter = Filter::new(FILTERS[0], &table).expect("an expression");
        let mut chosen = filter.select(&table);
        chosen.sort(&keys);
        black_box(chosen.page(0, PAGE));
    });
    let row = table.all().page(runs / 2, 1);
    time("replace: one run", || {
        table.replace(&row[0]).expect("the same columns");
    });
}

/// A finished run of a grid: pre-trainings, probes and fine-tunings of 100 seeds.
fn made_up(at: usize, chance: &mut ChaCha8Rng) -> Row {
    let kind = ["pretrain", "probe", "probe", "finetune"][at % 4];
    let pick = |values: &[f64], by: usize| Value::Number(values[at / by % values.len()]);
    let mut settings = vec![
        ("attack.trigger.ratio", pick(&[0.2, 0.3, 0.4], 4)),
        ("attack.trigger.kind", ["blended", "patch", "wanet"][at / 1200 % 3].into()),
        ("pretrain.poisons", pick(&[0.0, 10.0], 12)),
        ("pretrain.epochs", pick(&[100.0, 400.0, 800.0], 3600)),
        ("pretrain.lr", Value::Number(f64::from(chance.random_range(1..500u32)) * 1e-5)),
        ("pretrain.flip", (at / 24).is_multiple_of(2).into()),
        ("dataset.name", ["cifar10", "cifar100", "gtsrb", "shapes"][at / 48 % 4].into()),
        ("model.name", ["vit-tiny", "vit-small"][at / 192 % 2].into()),
        ("mask.ratio", pick(&[0.5, 0.75, 0.9], 384)),
        ("seed", Value::Number((at / 1000) as f64)),
    ];
    if kind != "pretrain" {
        settings.push(("probe.poisons", pick(&[0.0, 1.0, 3.0, 10.0, 50.0], 8)));
        settings
            .push(("probe.lr", Value::Number(f64::from(chance.random_range(1..300u32)) * 1e-3)));
    }
    let mut share = |name| {
        let ratio = Ratio { hits: chance.random_range(0..=10_000), total: 10_000 };
        (name, Measure::Ratio(ratio))
    };
    let mut metrics = vec![share("ca"), share("asr"), share("ra")];
    metrics.push(("loss", Measure::Real(chance.random::<f64>() * 3.0)));
    metrics.push(("seconds", Measure::Real(chance.random::<f64>() * 1e4)));
    let metrics = metrics.into_iter().map(|(name, measure)| {
        (name.to_owned(), Metric::known(name, measure).expect("a known metric"))
    });
    let mut random = [0; 10];
    chance.fill_bytes(&mut random);
    let digest = format!("{:032x}{:032x}", chance.random::<u128>(), chance.random::<u128>());
    let created = 1_760_000_000_000 + at as u64 * 60_000;
    let study = at / STUDY;
    Row {
        run: RunId::from_parts(created, random),
        kind: kind.into(),
        digest: digest.into(),
        state: RunState::Done,
        studies: vec![Study {
            id: StudyId::from_parts(study as u64, [0; 10]),
            name: format!("study {study}").into(),
        }],
        created,
        ended: Some(created + 30_000),
        settings: settings
            .into_iter()
            .map(|(path, value)| (path.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
        metrics: metrics.collect(),
    }
}

fn column(table: &Table, name: &str) -> Column {
    table.column(name).expect("each table here has it")
}

/// Times a query and prints its median and 95 % quantile.
fn time(name: &str, mut query: impl FnMut()) {
    query();
    let mut taken: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            query();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    let share = |share: f64| taken[((ROUNDS - 1) as f64 * share).round() as usize];
    say(&format!("{:8.2} {:8.2}  {name}", share(0.5), share(0.95)));
}

fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("standard output is open");
}
