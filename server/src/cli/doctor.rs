//! `maskdoor doctor`: compares the database with the data folder, and mends what can be mended.

use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
};

use anyhow::anyhow;
use serde::Serialize;

use super::{DoctorArgs, deletions};
use crate::{
    app::{App, OpenError},
    data_dir::DataDir,
    doctor::{self, Finding, Subject},
    queue,
    store::StoreError,
    terminal::{note, say},
};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    findings: &'a [Finding],
    /// Whether nothing is wrong any more.
    healthy: bool,
}

pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let root = args.data.data_dir.clone().map_or_else(DataDir::default_root, Ok)?;
    anyhow::ensure!(root.is_dir(), "there is no data folder {}", root.display());
    let app = args.data.open().await.map_err(|error| {
        // These say themselves what to do.
        if let Some(OpenError::Store(StoreError::Newer { .. } | StoreError::Copy { .. })) =
            error.downcast_ref()
        {
            return error;
        }
        anyhow!(
            "{error}. If the database is damaged, restore it from a backup; or move maskdoor.sqlite aside together with its -wal and -shm \
             files, and run maskdoor doctor again: it takes the runs in from their folders"
        )
    })?;
    let lock = queue::lock(&app)?;
    let mut findings = doctor::examine(&app).await?;
    if !args.json {
        describe(&findings);
    }
    let mendable = findings.iter().any(|finding| finding.mend.is_some());
    if mendable && lock.is_none() {
        note(
            "Another maskdoor serves this data folder, so nothing is mended: stop it, and run maskdoor doctor again.",
        );
    } else if args.yes || !args.json {
        mend(&app, &mut findings, args.yes, args.json).await?;
    }
    // What was taken in may be damaged itself.
    let mended: Vec<Finding> = findings.iter().filter(|finding| finding.mended).cloned().collect();
    if !mended.is_empty() {
        findings = doctor::examine(&app).await?;
        if !args.json {
            describe(&findings);
        }
        findings.extend(mended);
    }
    let deletions = if args.json { Vec::new() } else { kept(&app, &findings).await? };
    app.store.close().await;
    let healthy = findings.iter().all(|finding| finding.mended);
    deletions.into_iter().for_each(say);
    if args.json {
        say(serde_json::to_string_pretty(&Report { findings: &findings, healthy })?);
    } else if findings.is_empty() {
        say("Nothing is wrong.");
    } else if healthy {
        say("Everything was mended.");
    }
    Ok(if healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A sentence for each deleted study whose files are kept; none where the database is damaged.
async fn kept(app: &App, findings: &[Finding]) -> Result<Vec<String>, StoreError> {
    if findings.iter().any(|finding| finding.subject == Subject::Database) {
        return Ok(Vec::new());
    }
    let now = app.clock.now_ms();
    let deletions = app.store.deletions().await?;
    Ok(deletions.iter().map(|one| deletions::in_words(one, now)).collect())
}

fn describe(findings: &[Finding]) {
    let mut subject = None;
    for finding in findings {
        if subject.replace(finding.subject) != Some(finding.subject) {
            say(format_args!("{}:", finding.subject.title()));
        }
        say(format_args!("  {}: {}.", finding.what, finding.explanation));
        say(match finding.mend {
            Some(mend) => format!("    To mend it, maskdoor doctor {mend}."),
            None => "    This program cannot mend it.".into(),
        });
    }
}

/// Mends the findings, one subject and one kind of mend after the other; asks for each of them first unless `yes`.
async fn mend(
    app: &crate::App,
    findings: &mut [Finding],
    yes: bool,
    quiet: bool,
) -> anyhow::Result<()> {
    let mut parts: Vec<(Subject, &'static str)> = Vec::new();
    for finding in &*findings {
        if let Some(mend) = finding.mend
            && !parts.contains(&(finding.subject, mend))
        {
            parts.push((finding.subject, mend));
        }
    }
    for (subject, mend) in parts {
        let mut of_part: Vec<&mut Finding> = findings
            .iter_mut()
            .filter(|finding| (finding.subject, finding.mend) == (subject, Some(mend)))
            .collect();
        let count = of_part.len();
        if !yes && !asked(subject, mend, count)? {
            continue;
        }
        if let Err(error) = doctor::mend(app, &mut of_part).await {
            note(format_args!("error: {error}"));
        } else if !quiet {
            say(format_args!("{}: {count} mended ({mend}).", subject.title()));
        }
    }
    Ok(())
}

/// Asks whether to mend. The end of the input means no.
fn asked(subject: Subject, mend: &str, count: usize) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    write!(out, "{}: {count} can be mended ({mend}). Mend? [y/N] ", subject.title())?;
    out.flush()?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        writeln!(out)?;
    }
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
