//! `maskdoor disk`: what takes up the disk.

use std::process::ExitCode;

use shared::api::{DiskUse, StudyDisk};

use super::DiskArgs;
use crate::{
    app::disk::ADVICE,
    terminal::{Align, bytes, note, say, table},
};

pub async fn run(args: DiskArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let used = app.disk_use().await;
    app.store.close().await;
    let used = used?;
    if args.json {
        say(serde_json::to_string_pretty(&used)?);
        return Ok(ExitCode::SUCCESS);
    }
    if !used.studies.is_empty() {
        say(studies(&used.studies));
        say("");
    }
    say(rest(&used));
    if let Some(warning) = &used.warning {
        note(format_args!("warning: {warning}. {ADVICE}."));
    }
    Ok(ExitCode::SUCCESS)
}

fn studies(studies: &[StudyDisk]) -> String {
    let head = [
        ("study", Align::Left),
        ("name", Align::Left),
        ("runs", Align::Right),
        ("checkpoints", Align::Right),
        ("features", Align::Right),
        ("resume", Align::Right),
        ("logs", Align::Right),
        ("other", Align::Right),
        ("total", Align::Right),
    ];
    let row = |of: &StudyDisk| {
        let each = of.bytes;
        let sizes = [each.checkpoints, each.features, each.resume, each.logs, each.other];
        let mut row = vec![of.study.to_string(), of.name.clone(), of.runs.to_string()];
        row.extend(sizes.map(bytes));
        row.push(bytes(of.total_bytes));
        row
    };
    table(&head, &studies.iter().map(row).collect::<Vec<_>>())
}

fn rest(used: &DiskUse) -> String {
    let head = [("", Align::Left), ("size", Align::Right)];
    let rows = [
        ("runs", used.runs_bytes),
        ("deleted studies that can be restored", used.deleted_bytes),
        ("run folders of no study", used.lost_bytes),
        ("imported checkpoints", used.imports_bytes),
        ("key images", used.keys_bytes),
        ("own pictures", used.pictures_bytes),
        ("lists of data sets", used.datasets_bytes),
        ("database", used.store_bytes),
        ("other files", used.other_bytes),
        ("data folder", used.total_bytes),
        ("free on its disk", used.free_bytes),
        ("size of its disk", used.disk_bytes),
    ];
    let rows = rows.map(|(what, size)| vec![what.to_owned(), bytes(size)]);
    table(&head, &rows)
}
