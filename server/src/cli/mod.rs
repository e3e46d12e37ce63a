//! The command line: one file a command.

mod checkpoints;
mod datasets;
mod poisons;
mod presets;
mod replay;
mod results;
mod run;
mod serve;
mod spec_file;
mod triggers;

use std::{io::IsTerminal, net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use engine::checkpoints::ExportFormat;
use shared::RunId;
use tracing_subscriber::EnvFilter;

use crate::{
    app::App, bench, clock::Clock, data_dir::DataDir, ids::IdSource, terminal::note, worker,
};

/// Backdoor studies of masked autoencoders: poison, train, measure, look.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the dashboard and works the queue.
    Serve(ServeArgs),
    /// Runs a study and prints its results.
    Run(RunArgs),
    /// Repeats a finished run and tells whether it gives the same bits: exit code 0 when it does, 1 when not.
    Replay(ReplayArgs),
    /// Lists the ready-made studies, or shows one as TOML.
    Presets {
        #[command(subcommand)]
        command: Option<PresetCommand>,
    },
    /// Lists the triggers of the field, shows one as TOML, or draws all of them.
    Triggers {
        #[command(subcommand)]
        command: Option<TriggerCommand>,
    },
    /// Adds, lists and removes data sets.
    Datasets(DatasetArgs),
    /// Writes which images a run poisoned, for another study.
    Poisons(PoisonArgs),
    /// Imports checkpoints of MAE, timm and Hugging Face, and exports ours to them.
    Checkpoints(CheckpointArgs),
    /// Trains the run whose order lies in a folder. Started by the program itself.
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Measures the program.
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
}

#[derive(Debug, Args)]
struct DataDirArg {
    /// Folder of database and runs [default: the platform's folder for the user's data].
    #[arg(long, value_name = "FOLDER", global = true)]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// Address to serve on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8787")]
    addr: SocketAddr,
    #[command(flatten)]
    data: DataDirArg,
    #[command(flatten)]
    jobs: JobsArg,
}

#[derive(Debug, Args)]
struct JobsArg {
    /// Runs that train at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    jobs: u32,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// A study as a TOML file, or the name of a preset.
    #[arg(value_name = "STUDY")]
    study: String,
    #[command(flatten)]
    data: DataDirArg,
    /// File to write the results of the finished runs to, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// File that names the training images to poison, one a line, instead of a draw.
    #[arg(long, value_name = "FILE")]
    poisons: Option<PathBuf>,
    #[command(flatten)]
    jobs: JobsArg,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// The run, by its identifier.
    #[arg(value_name = "RUN")]
    run: RunId,
    #[command(flatten)]
    data: DataDirArg,
}

#[derive(Debug, Subcommand)]
enum PresetCommand {
    /// Prints a preset as TOML: the start of a study of your own.
    Show {
        /// The preset.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum TriggerCommand {
    /// Prints a trigger with its published parameters as TOML, for a study of your own.
    Show {
        /// The trigger.
        name: String,
        /// Side of the images in pixels.
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(8..=512))]
        side: u32,
    },
    /// Draws a contact sheet of all triggers as a PNG file.
    Sheet(SheetArgs),
}

#[derive(Debug, Args)]
struct SheetArgs {
    /// The file to write.
    file: PathBuf,
    /// A photograph to draw the triggers on, once for each; without one, pictures of the built-in data set.
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// Side of the images in pixels [default: 32, and 224 for photographs].
    #[arg(long, value_parser = clap::value_parser!(u32).range(8..=512))]
    side: Option<u32>,
}

#[derive(Debug, Args)]
struct DatasetArgs {
    #[command(flatten)]
    data: DataDirArg,
    #[command(subcommand)]
    command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
enum DatasetCommand {
    /// Adds a folder: images in folders of their classes, or CIFAR, STL-10, GTSRB, MNIST, Tiny-ImageNet as published.
    Add {
        /// Name to call it by.
        name: String,
        /// The folder; its images stay there.
        folder: PathBuf,
    },
    /// Lists all data sets.
    List,
    /// Removes an added data set's entry, never its files.
    Remove {
        /// The data set.
        name: String,
    },
}

#[derive(Debug, Args)]
struct PoisonArgs {
    #[command(flatten)]
    data: DataDirArg,
    #[command(subcommand)]
    command: PoisonCommand,
}

#[derive(Debug, Subcommand)]
enum PoisonCommand {
    /// Writes the names of the images that a run poisoned, one a line; `run --poisons` takes such a file.
    Export {
        /// The run.
        run: RunId,
        /// The file to write.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct CheckpointArgs {
    #[command(flatten)]
    data: DataDirArg,
    #[command(subcommand)]
    command: CheckpointCommand,
}

#[derive(Debug, Subcommand)]
enum CheckpointCommand {
    /// Imports a .pth or .safetensors file, for studies to start from; nothing in it is run.
    Import {
        /// The file; it stays as it is.
        file: PathBuf,
        /// Name to call it by.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        assume: AssumeArgs,
    },
    /// Tells what a file holds, without importing it.
    Inspect {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        assume: AssumeArgs,
    },
    /// Writes a checkpoint for another program.
    Export {
        /// An imported checkpoint's name, or a pre-training's identifier, with @EPOCH for another than the last.
        #[arg(value_name = "NAME|RUN[@EPOCH]")]
        checkpoint: String,
        /// For facebookresearch/mae, transformers, or timm (the encoder alone).
        #[arg(long, value_name = "mae|huggingface|timm")]
        format: ExportFormat,
        /// File to write; for huggingface a folder.
        out: PathBuf,
    },
    /// Lists the imported checkpoints.
    List,
    /// Removes an imported checkpoint.
    Remove {
        /// The checkpoint.
        name: String,
    },
}

/// What a file may not say of itself.
#[derive(Debug, Args)]
struct AssumeArgs {
    /// Side of the images to see in pixels; positions are interpolated [default: as it was trained].
    #[arg(long, value_name = "PIXELS")]
    image_size: Option<u32>,
    /// Heads of the encoder [default: as config.json says, or as is usual at its width].
    #[arg(long, value_name = "N")]
    heads: Option<u32>,
    /// Heads of the decoder [default: likewise].
    #[arg(long, value_name = "N")]
    decoder_heads: Option<u32>,
    /// Whether its decoder predicts normalised patches [default: as the file says, or not].
    #[arg(long, value_name = "true|false")]
    norm_pix_loss: Option<bool>,
}

#[derive(Debug, Args)]
struct WorkerArgs {
    /// The run's folder.
    folder: PathBuf,
    /// The run's lock is held already, by standard input.
    #[arg(long, hide = true)]
    locked: bool,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Fills a data folder with made-up runs and times every list and compare query.
    Store {
        /// Runs to make up.
        #[arg(long, default_value_t = 10_000)]
        runs: u32,
        /// Events of each run.
        #[arg(long, default_value_t = 1_000)]
        points: u32,
        /// File to write the times to: `[{query, p50_ms, p95_ms}]`.
        #[arg(long, value_name = "FILE")]
        json: PathBuf,
        /// Folder to fill, which must be empty; a temporary one when absent.
        #[arg(long, value_name = "FOLDER")]
        data_dir: Option<PathBuf>,
    },
}

/// Runs the program. Errors go to standard error in one form, with exit code 1; a wrong use has code 2.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    watch_log(&cli.command);
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            note(format_args!("error: {}", in_words(&error)));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without those that the words before them tell already.
fn in_words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// A server and its workers tell what they do; the other commands only what goes wrong.
fn watch_log(command: &Command) {
    let usual = match command {
        Command::Serve(_) | Command::Worker(_) => "info",
        _ => "error",
    };
    let filter = EnvFilter::try_from_env("MASKDOOR_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Worker(args) => {
            worker::run(&args.folder, args.locked, &Clock::system())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Presets { command } => presets::run(command).map(|()| ExitCode::SUCCESS),
        Command::Triggers { command } => triggers::run(command).map(|()| ExitCode::SUCCESS),
        Command::Serve(args) => wait_for(serve::run(args)),
        Command::Run(args) => wait_for(run::run(args)),
        Command::Replay(args) => wait_for(replay::run(args)),
        Command::Datasets(args) => wait_for(datasets::run(args)),
        Command::Poisons(args) => wait_for(poisons::run(args)),
        Command::Checkpoints(args) => wait_for(checkpoints::run(args)),
        Command::Bench { command: BenchCommand::Store { runs, points, json, data_dir } } => {
            wait_for(bench::run(runs, points, json, data_dir))
        }
    }
}

fn wait_for(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the program could not start its threads")?
        .block_on(work)
}

impl DataDirArg {
    /// Opens the data folder.
    async fn open(self) -> anyhow::Result<App> {
        let root = match self.data_dir {
            Some(root) => root,
            None => DataDir::default_root()?,
        };
        let clock = Clock::system();
        Ok(App::open(&root, clock.clone(), IdSource::system(clock)).await?)
    }
}
