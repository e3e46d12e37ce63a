//! The arguments of `maskdoor evaluate`.

use std::path::PathBuf;

use clap::Args;

use super::DataDirArg;

#[derive(Debug, Args)]
pub(in crate::cli) struct EvaluateArgs {
    /// Identifier of a fine-tuning, with @EPOCH for a checkpoint other than the last; or the folder or model.safetensors of a Hugging
    /// Face `ViTForImageClassification`, or the file of a fine-tuned checkpoint.
    #[arg(value_name = "RUN[@EPOCH]|PATH")]
    pub(in crate::cli) checkpoint: String,
    /// The classifier to take of a file that holds several, such as `model_ema` [default: the only one].
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) entry: Option<String>,
    /// Data set whose validation images are used [default: that of the run's study].
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) dataset: Option<String>,
    /// TOML file with an [attack] table, such as a study [default: the attack of the run's study].
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) attack: Option<PathBuf>,
    /// Trigger with its published parameters instead: one of `maskdoor triggers`.
    #[arg(long, value_name = "TRIGGER", conflicts_with = "attack", requires = "target")]
    pub(in crate::cli) trigger: Option<String>,
    /// Target class of the attack, by name or by number from 0, or `all_to_all`: the next class of each [default: that of the attack].
    #[arg(long, value_name = "CLASS")]
    pub(in crate::cli) target: Option<String>,
    /// How the classifier's classes are matched with the data set's: by `names`, by `order`, or by the names in a FILE, which lists the
    /// classifier's classes one per line in its order.
    #[arg(long, value_name = "names|order|FILE", default_value = "names")]
    pub(in crate::cli) classes: String,
    /// Number of validation images of each class, the first by file name [default: that of the run's study, or all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) test_per_class: Option<u32>,
    /// JSON file to write the whole result to, including the confusion matrices.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
}
