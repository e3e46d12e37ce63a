//! `maskdoor runs`: the runs of all studies with their settings and metrics.

use std::{collections::BTreeSet, process::ExitCode};

use shared::{
    api::{Measured, ResultRow},
    csv::csv,
};

use super::RunsArgs;
use crate::{
    app::results::ResultQuery,
    terminal::{Align, say, table},
};

pub async fn run(args: RunsArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let query = ResultQuery {
        filter: args.filter,
        sort: args.sort.into_iter().collect(),
        offset: 0,
        limit: usize::MAX,
    };
    let found = app.list_results(query).await;
    app.store.close().await;
    let rows = found?.items;
    if args.json {
        say(serde_json::to_string_pretty(&rows)?);
    } else if args.csv {
        say(as_csv(&rows).trim_end());
    } else {
        say(as_table(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(measured: Measured) -> String {
    match measured {
        Measured::Ratio(ratio) => {
            ratio.percent().map_or_else(String::new, |percent| format!("{percent:.1}"))
        }
        Measured::Real(number) => format!("{number:.4}"),
    }
}

/// Settings whose values differ between the rows: those worth comparing.
fn differing(rows: &[ResultRow]) -> Vec<&str> {
    let paths: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.settings.keys().map(String::as_str)).collect();
    let differs = |path: &&str| {
        let mut values = rows.iter().filter_map(|row| row.settings.get(*path));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    let own = |path: &&str| path.ends_with(".poisons") || *path == "seed";
    let mut paths: Vec<&str> = paths.into_iter().filter(differs).collect();
    // Settings that nearly every study varies come first.
    paths.sort_by_key(|path| !own(path));
    paths
}

fn as_table(rows: &[ResultRow]) -> String {
    const METRICS: [(&str, &str); 10] = [
        ("ca", "CA %"),
        ("asr", "ASR %"),
        ("ra", "RA %"),
        ("loss", "loss"),
        ("other_asr", "non-source ASR %"),
        ("lowest_asr", "lowest ASR %"),
        ("auroc", "AUROC"),
        ("control_auroc", "control"),
        ("clean_cosine", "clean cosine"),
        ("pl1", "PL1"),
    ];
    /// Those that every table has; the others are of source-specific attacks, of several backdoors and of defences.
    const USUAL: usize = 4;
    /// More columns do not fit on a terminal.
    const MOST: usize = 8;
    let paths = differing(rows);
    let shown = &paths[..paths.len().min(MOST)];
    let measured: Vec<_> = METRICS
        .into_iter()
        .enumerate()
        .filter(|(i, (name, _))| {
            *i < USUAL || rows.iter().any(|row| row.metrics.contains_key(*name))
        })
        .map(|(_, metric)| metric)
        .collect();
    let mut head = vec![("run", Align::Left), ("kind", Align::Left), ("state", Align::Left)];
    head.extend(shown.iter().map(|path| (*path, Align::Right)));
    head.extend(measured.iter().map(|(_, title)| (*title, Align::Right)));
    let cells = |row: &ResultRow| {
        let mut cells =
            vec![row.digest.short().to_owned(), row.kind.clone(), row.state.to_string()];
        let setting =
            |path: &&str| row.settings.get(*path).map(ToString::to_string).unwrap_or_default();
        cells.extend(shown.iter().map(setting));
        cells.extend(
            measured
                .iter()
                .map(|(name, _)| row.metrics.get(*name).copied().map(text).unwrap_or_default()),
        );
        cells
    };
    let mut told = table(&head, &rows.iter().map(cells).collect::<Vec<_>>());
    if paths.len() > MOST {
        let more = paths.len() - MOST;
        told = format!("{told}\n{more} more settings differ; --json and --csv have all of them");
    }
    told
}

/// All settings and metrics, one column each; ratios as hits and total.
fn as_csv(rows: &[ResultRow]) -> String {
    let settings: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.settings.keys().map(String::as_str)).collect();
    let metrics: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.metrics.keys().map(String::as_str)).collect();
    let mut lines = Vec::new();
    let fixed = ["run", "kind", "digest", "state", "created_at", "ended_at"];
    let titles =
        fixed.iter().map(ToString::to_string).chain(settings.iter().map(ToString::to_string));
    let measured = metrics.iter().flat_map(|name| [name.to_string(), format!("{name}.total")]);
    lines.push(titles.chain(measured).collect::<Vec<_>>());
    for row in rows {
        let mut cells = vec![
            row.run.to_string(),
            row.kind.clone(),
            row.digest.to_string(),
            row.state.to_string(),
            row.created_at.to_string(),
            row.ended_at.map(|at| at.to_string()).unwrap_or_default(),
        ];
        cells.extend(
            settings
                .iter()
                .map(|path| row.settings.get(*path).map(ToString::to_string).unwrap_or_default()),
        );
        for name in &metrics {
            let (value, total) = match row.metrics.get(*name) {
                Some(Measured::Ratio(ratio)) => (ratio.hits.to_string(), ratio.total.to_string()),
                Some(Measured::Real(number)) => (number.to_string(), String::new()),
                None => (String::new(), String::new()),
            };
            cells.extend([value, total]);
        }
        lines.push(cells);
    }
    csv(lines)
}
