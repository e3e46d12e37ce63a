//! `maskdoor results`: the table of results as a file, or on the terminal.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, anyhow, bail};

use super::args::ResultsArgs;
use crate::{app::tables::TableQuery, results::Format, terminal::say};

pub async fn run(args: ResultsArgs) -> anyhow::Result<ExitCode> {
    let format = match (args.format, &args.out) {
        (Some(format), _) => format.into(),
        (None, Some(file)) => format_of(file)?,
        (None, None) => Format::Text,
    };
    if format == Format::Parquet && args.out.is_none() {
        bail!("Parquet is no text to print; name a file with --out");
    }
    let query = TableQuery {
        filter: args.filter,
        sort: args.sort,
        columns: args.columns,
        by: args.by,
        of: args.of,
    };
    let app = args.data.open().await?;
    let made = app.result_file(query, format).await;
    app.store.close().await;
    let bytes = made?;
    match args.out {
        Some(file) => {
            let place = file.display();
            fs::write(&file, bytes).with_context(|| format!("{place} cannot be written"))?;
            say(place);
        }
        None => say(String::from_utf8(bytes).context("a text is not UTF-8")?.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

/// The format, from the file's extension.
fn format_of(file: &Path) -> anyhow::Result<Format> {
    let extension = file.extension().unwrap_or_default().to_string_lossy();
    extension.parse().map_err(|reason| anyhow!("{}: {reason}", file.display()))
}
