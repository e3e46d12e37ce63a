//! What `maskdoor evaluate` takes.

use std::path::PathBuf;

use clap::Args;

use super::DataDirArg;

#[derive(Debug, Args)]
pub(in crate::cli) struct EvaluateArgs {
    /// A fine-tuning's identifier, with @EPOCH for another checkpoint than the last; or the folder or model.safetensors of Hugging
    /// Face's `ViTForImageClassification`, or a fine-tuned checkpoint's file.
    #[arg(value_name = "RUN[@EPOCH]|PATH")]
    pub(in crate::cli) checkpoint: String,
    /// Data set whose validation images are taken [default: that of the run's study].
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) dataset: Option<String>,
    /// TOML file with an [attack], such as a study's [default: the attack of the run's study].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) attack: Option<PathBuf>,
    /// Trigger with its published parameters, in its place: one of `maskdoor triggers`.
    #[arg(long, value_name = "TRIGGER", conflicts_with = "attack", requires = "target")]
    pub(in crate::cli) trigger: Option<String>,
    /// The attacker's class, by its name or its number from 0 [default: that of the attack].
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) target: Option<String>,
    /// Validation images of each class, the first by file name [default: all, or as many as the run's study].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) test_per_class: Option<u32>,
    /// File to write the whole result to, confusion matrices included, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
}
