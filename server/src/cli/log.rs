//! The log: how much of it, in which form, and where it is written.

use std::{io::IsTerminal, path::Path, sync::Mutex};

use anyhow::Context;
use tracing_subscriber::{EnvFilter, fmt::writer::BoxMakeWriter};

use super::{Command, args::LogFormat};
use crate::rolling::Rolling;

/// Length at which the file is put aside, in bytes.
const LONGEST: u64 = 16 << 20;
/// Files that are kept aside.
const ASIDE: u32 = 5;

/// Sets up the log: a server and its workers log what they do; the other commands log only errors.
///
/// # Errors
/// When the file of the log cannot be written.
pub fn watch(command: &Command) -> anyhow::Result<()> {
    let usual = match command {
        Command::Serve(_) | Command::Worker(_) => "info",
        _ => "error",
    };
    let (format, file) = match command {
        Command::Serve(args) => (args.log_format, args.log_file.as_deref()),
        _ => (LogFormat::Text, None),
    };
    let colours = file.is_none() && std::io::stderr().is_terminal();
    let writer = match file {
        Some(file) => BoxMakeWriter::new(Mutex::new(rolling(file)?)),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_env("MASKDOOR_LOG").unwrap_or_else(|_| EnvFilter::new(usual)),
        )
        .with_ansi(colours)
        .with_writer(writer)
        // On a full disk the log cannot be written, and to say so on standard error would fail, too.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}

fn rolling(path: &Path) -> anyhow::Result<Rolling> {
    let mut file = Rolling::new(path, LONGEST, ASIDE);
    let opened = file.open().map(drop);
    opened.with_context(|| {
        format!(
            "the log cannot be written to {}; give --log-file a file in a folder that is there and can be written",
            path.display()
        )
    })?;
    Ok(file)
}
