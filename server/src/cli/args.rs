//! The arguments of each command.

mod evaluate;
mod figure;
mod queue;
mod reconstruct;
mod results;
mod serve;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::{compute::Machine, interchange::ExportFormat};
use shared::{
    DeviceWish, RunKind, StudyId,
    api::Retention,
    dataset::{Share, Transparency},
};

use super::run_ref::RunRef;
use crate::tokens::Rights;

pub(super) use self::{
    evaluate::EvaluateArgs,
    figure::{CurveArgs, FigureArgs},
    queue::{MoveArgs, QueueArgs, QueueCommand},
    reconstruct::ReconstructArgs,
    results::ResultsArgs,
    serve::{ExecutorChoice, LogFormat, ServeArgs},
};
use crate::{
    app::App,
    clock::Clock,
    data_dir::{DataDir, DataDirError},
    ids::IdSource,
};

/// Backdoor studies of masked autoencoders: poison, train, measure, inspect.
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
    /// Lists the runs of a study, which of them already exist, and what the others cost, without starting any.
    Plan(PlanArgs),
    /// Lists the settings of a study: the values each takes, and why it matters.
    Settings(SettingsArgs),
    /// Lists the metrics of runs: their names in expressions, and which values are better.
    Metrics(MetricsArgs),
    /// Lists the runs of all studies with their settings and metrics.
    Runs(RunsArgs),
    /// Lists the runs that wait, in order; moves and holds them, pauses and resumes the queue.
    Queue(QueueArgs),
    /// Writes the table of results, or groups of it, as CSV, JSON, Parquet or LaTeX.
    Results(ResultsArgs),
    /// Repeats a finished run and checks that the result is identical bit for bit: exit code 0 if it is, 1 if not.
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
    /// Shows the devices that train here, their load, and what is missing for GPUs.
    Devices(DevicesArgs),
    /// Adds, lists and removes data sets.
    Datasets(DatasetArgs),
    /// Writes the list of images that a run poisoned, for use by another study.
    Poisons(PoisonArgs),
    /// Imports checkpoints from MAE, timm and Hugging Face, and exports checkpoints to them.
    Checkpoints(CheckpointArgs),
    /// Draws the results of studies as an SVG, PNG or PDF file, or writes their numbers as CSV.
    Figure(FigureArgs),
    /// Writes a study as one HTML file that opens without a server: answer, figures, results, settings, manifests.
    Report(ReportArgs),
    /// Evaluates a classifier on clean and on triggered images: CA, ASR, RA.
    Evaluate(EvaluateArgs),
    /// Draws a pre-trained model's reconstructions of clean and triggered images, as a PNG file.
    Reconstruct(ReconstructArgs),
    /// Shows what takes up the disk: studies by size, and the rest of the data folder.
    Disk(DiskArgs),
    /// Removes checkpoints that nothing needs any more. Without --yes, says what it would free.
    Tidy(TidyArgs),
    /// Compares the database with the data folder, says what is wrong, and mends what can be mended: exit code 0 if nothing is wrong
    /// afterwards, 1 if something is.
    Doctor(DoctorArgs),
    /// Copies the data folder, which may be in use, into one file.
    Backup(BackupArgs),
    /// Makes a data folder from such a file, in a new or empty folder.
    Restore(RestoreArgs),
    /// Makes, lists and removes tokens, with which others may use the server.
    Token(TokenArgs),
    /// Trains the run whose order is in a folder. Started by the program itself.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

#[derive(Clone, Debug, Args)]
pub(super) struct DataDirArg {
    /// Folder of the database and the runs [default: the platform's folder for the user's data].
    #[arg(long, value_name = "FOLDER", global = true)]
    pub(super) data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(subcommand)]
    pub(super) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and prints it. It cannot be shown again.
    Add {
        /// Its name: who or what has it.
        name: String,
        /// What it allows: read sees everything, run also starts and cancels runs, admin also deletes studies and adds data.
        #[arg(long, default_value = "admin")]
        rights: Rights,
        /// Days until it expires [default: never].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: Option<u32>,
    },
    /// Lists all tokens.
    List,
    /// Removes a token, and signs out the browsers that came with it.
    Remove {
        /// The token's name.
        name: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct JobsArg {
    /// Number of runs that train at the same time on each device.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) jobs: u32,
    /// The devices that runs are assigned to, such as cpu,cuda:0 [default: `MASKDOOR_DEVICES`, or the processor].
    #[arg(long, value_name = "DEVICE,...")]
    pub(super) devices: Option<String>,
}

impl JobsArg {
    /// The machine with the devices that the command names.
    pub(super) fn machine(&self, machine: Machine) -> anyhow::Result<Machine> {
        match &self.devices {
            Some(list) => machine.with_devices(list).context("--devices"),
            None => Ok(machine),
        }
    }
}

/// A study, and changes to it.
#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    /// A study as a TOML file, or the name of a preset.
    #[arg(value_name = "STUDY")]
    pub(super) study: String,
    /// Sets a setting; may be repeated. `maskdoor settings` lists them.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(super) set: Vec<String>,
    /// Varies a setting; may be repeated. To vary several together: "PATH1 & PATH2=V1:W1,V2:W2".
    #[arg(long, value_name = "PATH=V1,V2,...")]
    pub(super) axis: Vec<String>,
    /// Kinds of runs to create: pretrain, implant, knn, probe, finetune, defence [default: as the study says].
    #[arg(long, value_name = "KIND,...", value_delimiter = ',')]
    pub(super) runs: Vec<RunKind>,
    /// Runs everything again, even if the data folder already has an equal run.
    #[arg(long)]
    pub(super) fresh: bool,
    /// The device to train on: auto, cpu, cuda:N for a certain GPU, a number of GPUs, or nodes of a cluster such as 2x8 [default: as the study says].
    #[arg(long, value_name = "DEVICE")]
    pub(super) device: Option<DeviceWish>,
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
    /// Only settings with this text in their path or explanation.
    #[arg(value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// Prints the table as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    /// Only metrics with this text in their name or title.
    #[arg(value_name = "TEXT")]
    pub(super) search: Option<String>,
    /// Prints the list as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RunsArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Only runs for which this expression is true: 'kind == "probe" && probe.poisons in [1, 3] && asr > 50'.
    #[arg(long, value_name = "EXPR")]
    pub(super) filter: Option<String>,
    /// Sorts by a setting or a metric; a leading minus sign sorts in descending order.
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
    /// JSON file to write the results of the finished runs to.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// File that lists the training images to poison, one per line, instead of a random draw.
    #[arg(long, value_name = "FILE")]
    pub(super) poisons: Option<PathBuf>,
    #[command(flatten)]
    pub(super) jobs: JobsArg,
}

#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    /// Prints the devices and NVIDIA's libraries as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Identifier of the run, or the first digits of its digest.
    #[arg(value_name = "RUN")]
    pub(super) run: RunRef,
    #[command(flatten)]
    pub(super) data: DataDirArg,
}

#[derive(Debug, Subcommand)]
pub(super) enum PresetCommand {
    /// Prints a preset as TOML, as a starting point for your own study.
    Show {
        /// The preset.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TriggerCommand {
    /// Prints a trigger with its published parameters as TOML, for your own study.
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
    /// A photograph to draw the triggers on; may be repeated [default: pictures of the built-in data set].
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

/// What becomes of transparent pixels.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TransparencyArg {
    Drop,
    White,
}

impl From<TransparencyArg> for Transparency {
    fn from(choice: TransparencyArg) -> Self {
        match choice {
            TransparencyArg::Drop => Self::Drop,
            TransparencyArg::White => Self::White,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum DatasetCommand {
    /// Adds a folder: one subfolder of images per class, ImageNet, CIFAR, STL-10, GTSRB, MNIST, Tiny-ImageNet as published, Parquet or
    /// WebDataset shards, or lists of files.
    Add {
        /// Its name.
        name: String,
        /// The folder; its images stay there.
        folder: PathBuf,
        /// What becomes of transparent pixels: `drop` shows them without their alpha, as torchvision does; `white` lays them on white.
        #[arg(long, default_value = "drop")]
        transparency: TransparencyArg,
        /// Holds out this share of each class's training images for validation, such as 0.1, in a folder without validation images.
        #[arg(long, value_name = "SHARE")]
        split: Option<Share>,
        /// Seed of the draw of the images that are held out.
        #[arg(long, value_name = "SEED", default_value_t = 0, requires = "split")]
        split_seed: u64,
    },
    /// Adds the present state of a data set's folder as a new version of it: NAME@2, NAME@3 and so on.
    Update {
        /// The data set.
        name: String,
    },
    /// Lists all data sets.
    List,
    /// Removes the entry of an added data set, but not its files.
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
    /// Writes the names of the images that a run poisoned, one per line, for `run --poisons`.
    Export {
        /// Identifier of the run, or the first digits of its digest.
        run: RunRef,
        /// The file to write.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Mends everything that can be mended without asking.
    #[arg(long)]
    pub(super) yes: bool,
    /// Prints what was found as JSON. Nothing is asked: without --yes nothing is mended.
    #[arg(long)]
    pub(super) json: bool,
}

/// Which checkpoints are kept.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct KeepArgs {
    /// Removes the checkpoints of runs that finished more than N days ago, and so did all that start from them. Studies tagged keep are
    /// left alone; results always stay [default: all checkpoints are kept].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    keep_days: Option<u32>,
    /// Keeps the last checkpoint of each run nevertheless, from which other runs can start.
    #[arg(long, requires = "keep_days")]
    keep_last: bool,
}

impl KeepArgs {
    /// The policy; none keeps everything.
    pub(super) fn policy(self) -> Option<Retention> {
        let Self { keep_days, keep_last } = self;
        keep_days.map(|days| Retention { days, keep_last })
    }
}

#[derive(Debug, Args)]
pub(super) struct TidyArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    #[command(flatten)]
    pub(super) keep: KeepArgs,
    /// Removes it.
    #[arg(long)]
    pub(super) yes: bool,
    /// Prints it as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DiskArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Prints the numbers as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// File to write, such as maskdoor.tar.zst. One of that name is replaced when the new one is whole.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Leaves out the checkpoints of runs and the states that they resume from. Results, curves, poison lists and imported checkpoints
    /// stay; a study that needs a checkpoint trains it again.
    #[arg(long)]
    pub(super) without_checkpoints: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// The file that `maskdoor backup` wrote.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) data: DataDirArg,
}

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    pub(super) data: DataDirArg,
    /// Identifier of the study.
    #[arg(value_name = "STUDY")]
    pub(super) study: StudyId,
    /// HTML file to write.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
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
    /// Imports a .pth or .safetensors file for studies to start from; no code in it is executed.
    Import {
        /// The file; it is not changed.
        file: PathBuf,
        /// Its name.
        #[arg(long)]
        name: String,
        #[command(flatten)]
        assume: AssumeArgs,
    },
    /// Shows what a file holds, without importing it.
    Inspect {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        assume: AssumeArgs,
    },
    /// Writes a checkpoint for another program.
    Export {
        /// Name of an imported checkpoint, or identifier of a pre-training, with @EPOCH for a checkpoint other than the last.
        #[arg(value_name = "NAME|RUN[@EPOCH]")]
        checkpoint: String,
        /// Format of facebookresearch/mae, transformers, or timm (encoder only).
        #[arg(long, value_name = "mae|huggingface|timm")]
        format: ExportFormat,
        /// File to write; a folder for huggingface.
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

/// Model properties that a file may not contain.
#[derive(Debug, Args)]
pub(super) struct AssumeArgs {
    /// Side of the input images in pixels; positions are interpolated [default: as trained].
    #[arg(long, value_name = "PIXELS")]
    pub(super) image_size: Option<u32>,
    /// Heads of the encoder [default: from config.json, or the usual number for its width].
    #[arg(long, value_name = "N")]
    pub(super) heads: Option<u32>,
    /// Heads of the decoder [default: as for the encoder].
    #[arg(long, value_name = "N")]
    pub(super) decoder_heads: Option<u32>,
    /// Whether the decoder predicts normalised patches [default: from the file, or false].
    #[arg(long, value_name = "true|false")]
    pub(super) norm_pix_loss: Option<bool>,
    /// The model to take of a file that holds several, such as teacher or student [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub(super) entry: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct WorkerArgs {
    /// The run's folder.
    pub(super) folder: PathBuf,
    /// The run's lock is already held, through standard input.
    #[arg(long, hide = true)]
    pub(super) locked: bool,
    /// The worker is a cluster's job: no lock says whether it lives.
    #[arg(long, hide = true, conflicts_with = "locked")]
    pub(super) job: bool,
    /// The device to train on, or several separated by commas.
    #[arg(long, hide = true)]
    pub(super) device: Option<String>,
    /// The devices that the queue was told to use.
    #[arg(long, hide = true)]
    pub(super) devices: Option<String>,
    /// Nodes that train this run, each with a worker. Which one this is, and which attempt, say `--node` and `--meeting`, or Slurm's variables.
    #[arg(long, hide = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) nodes: Option<u32>,
    /// The place of this worker's node, counted from 0.
    #[arg(long, hide = true, requires = "nodes")]
    pub(super) node: Option<u32>,
    /// A word that all workers of this attempt have in common, and no other.
    #[arg(long, hide = true, requires = "nodes")]
    pub(super) meeting: Option<String>,
    /// Seconds for which the workers wait for each other.
    #[arg(long, hide = true, default_value_t = 30)]
    pub(super) meet_seconds: u32,
}

impl DataDirArg {
    /// The data folder, whether it exists or not.
    pub(super) fn root(self) -> Result<PathBuf, DataDirError> {
        self.data_dir.map_or_else(DataDir::default_root, Ok)
    }

    /// Opens the data folder.
    pub(super) async fn open(self) -> anyhow::Result<App> {
        let root = self.root()?;
        let clock = Clock::system();
        Ok(App::open(&root, Machine::from_environment()?, clock.clone(), IdSource::system(clock))
            .await?)
    }
}
