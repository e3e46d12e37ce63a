//! `maskdoor tidy`: removes checkpoints that nothing needs any more.

use std::process::ExitCode;

use serde_json::json;

use super::{TidyArgs, deletions};
use crate::{
    app::retention::{OfStudy, by_study},
    audit::Audit,
    terminal::{Align, bytes, say, table},
};

pub async fn run(args: TidyArgs) -> anyhow::Result<ExitCode> {
    let app = args.data.open().await?;
    let policy = args.keep.policy();
    let mut found = app.removable(policy).await?;
    if args.yes {
        let audit = Audit::of(app.data_dir.root(), app.clock.clone());
        found = app.remove_unneeded(found, &audit, "maskdoor tidy").await?;
    }
    let deletions = app.store.deletions().await?;
    let now = app.clock.now_ms();
    app.store.close().await;
    let (studies, total) = (by_study(&found), found.iter().map(|one| one.bytes).sum::<u64>());
    if args.json {
        let report = json!({ "removed": args.yes, "bytes": total, "studies": studies });
        say(serde_json::to_string_pretty(&report)?);
        return Ok(ExitCode::SUCCESS);
    }
    for deletion in &deletions {
        say(deletions::in_words(deletion, now));
    }
    if studies.is_empty() {
        say("There is nothing to remove.");
    } else {
        say(as_table(&studies));
        let files = studies.iter().map(|of| of.files).sum::<usize>();
        if args.yes {
            say(format_args!("Removed {files} files, which freed {}.", bytes(total)));
        } else {
            say(format_args!(
                "{files} files, {}. Nothing was removed; the same command with --yes removes them.",
                bytes(total)
            ));
        }
    }
    if policy.is_none() {
        say(
            "Checkpoints are all kept; --keep-days N removes those of runs that finished more than N days ago.",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn as_table(studies: &[OfStudy]) -> String {
    let head = [
        ("study", Align::Left),
        ("name", Align::Left),
        ("runs", Align::Right),
        ("files", Align::Right),
        ("size", Align::Right),
    ];
    let row = |of: &OfStudy| {
        let (runs, files) = (of.runs.len().to_string(), of.files.to_string());
        vec![of.study.to_string(), of.name.clone(), runs, files, bytes(of.bytes)]
    };
    table(&head, &studies.iter().map(row).collect::<Vec<_>>())
}
