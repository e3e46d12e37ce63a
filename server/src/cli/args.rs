//! What each command takes.

mod evaluate;
mod reconstruct;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use engine::interchange::ExportFormat;
use shared::{RunId, RunKind, StudyId, chart::FigureKind};

pub(super) use self::{evaluate::EvaluateArgs, reconstruct::ReconstructArgs};
use crate::{app::App, clock::Clock, data_dir::DataDir, ids::IdSource};

/// Backdoor studies of masked autoencoders: poison, train, measure, look.
#[derive(Debug, Parser)]
#[command(name = "maskdoor", version, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serves the dashboard and works the queue.
    Serve(ServeArgs),
    /// Runs a study and prints its results.
    Run(RunArgs),
    /// Lists the runs of a study, what of them is there already, and what the others cost, without starting any.
    Plan(PlanArgs),
    /// Lists the settings of a study: what each takes, and why it matters.
    Settings(SettingsArgs),
    /// Lists the runs of all studies with their settings and metrics.
    Runs(RunsArgs),
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
    /// Tells what trains here, and with which instructions.
    Devices,
    /// Adds, lists and removes data sets.
    Datasets(DatasetArgs),
    /// Writes which images a run poisoned, for another study.
    Poisons(PoisonArgs),
    /// Imports checkpoints of MAE, timm and Hugging Face, and exports ours to them.
    Checkpoints(CheckpointArgs),
    /// Draws the results of studies as an SVG or PNG file, or writes their numbers as CSV.
    Figure(FigureArgs),
    /// Evaluates a classifier on clean and on triggered images: CA, ASR, RA.
    Evaluate(EvaluateArgs),
    /// Draws what a pre-trained model makes of hidden patches, of clean and of triggered images, as a PNG file.
    Reconstruct(ReconstructArgs),
    /// Trains the run whose order lies in a folder. Started by the program itself.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct DataDirArg {
    /// Folder of database and runs [default: the platform's folder for the user's data].
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to serve on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub(super) addr: SocketAddr,
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(flatten)]
    pub(super) jobs: JobsArg,
}

#[derive(Debug, Args)]
pub(super) struct JobsArg {
    /// Runs that train at a time on each device.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) jobs: u32,
}

/// A study, and what is changed of it.
#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    /// A study as a TOML file, or the name of a preset.
    #[arg(value_name = "STUDY")]
    pub(super) study: String,
    /// Sets a setting; may stand several times. `maskdoor settings` lists them.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Varies a setting; may stand several times. Several that move together: "PATH1 & PATH2=V1:W1,V2:W2".
    #[arg(long, value_name = "PATH=V1,V2,...")]
    pub(super) axis: Vec<String>,
    /// Kinds of runs to make: pretrain, knn, probe, finetune [default: as the study says].
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    pub(super) runs: Vec<RunKind>,
    /// Makes every run anew, even where the data folder has one that computes the same.
    #[arg(long)]
    pub(super) fresh: bool,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) study: StudyArgs,
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Prints the runs as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// Only settings with this text in their path or their explanation.
    #[arg(value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// Prints the table as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Only runs of which this is true: 'kind == "probe" && probe.poisons in [1, 3] && asr > 50'.
    #[arg(long, value_name = "EXPR")]
    pub(super) filter: Option<String>,
    /// Sorts by a setting or a metric; with a minus sign before it, the largest first.
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub(super) sort: Option<String>,
    /// Prints the runs as JSON.
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// Prints the runs as CSV.
    #[arg(long)]
    pub(super) csv: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) study: StudyArgs,
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// File to write the results of the finished runs to, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// File that names the training images to poison, one a line, instead of a draw.
    #[arg(long, value_name = "FILE")]
    pub(super) poisons: Option<PathBuf>,
    #[command(flatten)]
    pub(super) jobs: JobsArg,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The run, by its identifier.
    #[arg(value_name = "RUN")]
    pub(super) run: RunId,
    #[command(flatten)]
    pub(super) data: DataDirArg,
}

#[derive(Debug, Subcommand)]
pub(super) enum PresetCommand {
    /// Prints a preset as TOML: the start of a study of your own.
    Show {
        /// The preset.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TriggerCommand {
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
pub(super) struct SheetArgs {
    /// The file to write.
    pub(super) file: PathBuf,
    /// A photograph to draw the triggers on, once for each; without one, pictures of the built-in data set.
    #[arg(long, value_name = "FILE")]
    pub(super) image: Vec<PathBuf>,
    /// Side of the images in pixels [default: 32, and 224 for photographs].
    #[arg(long, value_parser = clap::value_parser!(u32).range(8..=512))]
    pub(super) side: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct DatasetArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(subcommand)]
    pub(super) command: DatasetCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DatasetCommand {
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
pub(super) struct PoisonArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(subcommand)]
    pub(super) command: PoisonCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum PoisonCommand {
    /// Writes the names of the images that a run poisoned, one a line; `run --poisons` takes such a file.
    Export {
        /// The run.
        run: RunId,
        /// The file to write.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct FigureArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Clean accuracy against attack success rate, or attack success rate by poisons, each seed's or their mean.
    #[arg(value_name = "tradeoff|asr-by-poison")]
    pub(super) figure: FigureKind,
    /// File to write: .svg, .png or .csv.
    pub(super) file: PathBuf,
    /// Only this study's runs; may stand several times [default: all studies].
    #[arg(long, value_name = "STUDY")]
    pub(super) study: Vec<StudyId>,
    /// The published series beside them.
    #[arg(long)]
    pub(super) published: bool,
    /// For a dark ground.
    #[arg(long)]
    pub(super) dark: bool,
}

#[derive(Debug, Args)]
pub(super) struct CheckpointArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(subcommand)]
    pub(super) command: CheckpointCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum CheckpointCommand {
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
pub(super) struct AssumeArgs {
    /// Side of the images to see in pixels; positions are interpolated [default: as it was trained].
    #[arg(long, value_name = "PIXELS")]
    pub(super) image_size: Option<u32>,
    /// Heads of the encoder [default: as config.json says, or as is usual at its width].
    #[arg(long, value_name = "N")]
    pub(super) heads: Option<u32>,
    /// Heads of the decoder [default: likewise].
    #[arg(long, value_name = "N")]
    pub(super) decoder_heads: Option<u32>,
    /// Whether its decoder predicts normalised patches [default: as the file says, or not].
    #[arg(long, value_name = "true|false")]
    pub(super) norm_pix_loss: Option<bool>,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// The run's folder.
    pub(super) folder: PathBuf,
    /// The run's lock is held already, by standard input.
    #[arg(long, hide = true)]
    pub(super) locked: bool,
    /// The device to work on.
    #[arg(long, hide = true)]
    pub(super) device: Option<String>,
}

impl DataDirArg {
    /// Opens the data folder.
    pub(super) async fn open(self) -> anyhow::Result<App> {
        let root = match self.data_dir {
            Some(root) => root,
            None => DataDir::default_root()?,
        };
        let clock = Clock::system();
        Ok(App::open(&root, clock.clone(), IdSource::system(clock)).await?)
    }
}
