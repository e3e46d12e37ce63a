//! The arguments of `maskdoor serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use crate::base_path::BasePath;

use super::{DataDirArg, JobsArg, KeepArgs};

#[derive(Debug, Args)]
pub(in crate::cli) struct ServeArgs {
    /// Address to serve on; port 0 picks any free port.
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub(in crate::cli) addr: SocketAddr,
    /// A name under which browsers reach this server, such as that of a reverse proxy; may be repeated. Addresses and localhost are
    /// always known.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) host: Vec<String>,
    /// The path below which a reverse proxy serves this server, such as /maskdoor. The proxy may pass the path on or take it off.
    #[arg(long, value_name = "PATH", default_value_t)]
    pub(in crate::cli) base_path: BasePath,
    /// Lets in every program and user of this machine without a token; for 127.0.0.1 alone.
    #[arg(long, conflicts_with = "password_file")]
    pub(in crate::cli) without_token: bool,
    /// A file whose first line is a password that signs in, besides the tokens of `maskdoor token`.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) password_file: Option<PathBuf>,
    /// How the lines of the log are written: `text` for people, `json` for programs, an object a line.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in crate::cli) log_format: LogFormat,
    /// A file to write the log to, instead of standard error. At 16 MiB it is put aside as FILE.1; five of those are kept.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) log_file: Option<PathBuf>,
    /// A folder from which data sets and checkpoints may be added; may be repeated [default: any folder at 127.0.0.1, none beyond].
    #[arg(long, value_name = "FOLDER")]
    pub(in crate::cli) data_root: Vec<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) keep: KeepArgs,
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
    #[command(flatten)]
    pub(in crate::cli) jobs: JobsArg,
    /// What trains the runs: `local` is this machine, `slurm` a cluster whose commands are installed here and whose nodes share the
    /// data folder (docs/cluster.md). Runs that ask for the device `here` train on this machine all the same.
    #[arg(long, value_enum, default_value_t)]
    pub(in crate::cli) executor: ExecutorChoice,
    /// File with the settings of the executor [default: maskdoor.toml in the data folder].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) config: Option<PathBuf>,
}

/// What trains the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ExecutorChoice {
    /// This machine.
    #[default]
    Local,
    /// A Slurm cluster.
    Slurm,
}

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    #[default]
    Text,
    Json,
}
