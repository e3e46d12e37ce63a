//! The arguments of `maskdoor reconstruct`.

use std::path::PathBuf;

use clap::Args;
use shared::api::Split;

use super::{super::run_ref::RunRef, DataDirArg};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReconstructArgs {
    /// A pre-training, whose study provides images and trigger.
    pub(in crate::cli) run: RunRef,
    /// PNG file to write.
    pub(in crate::cli) file: PathBuf,
    /// Epoch of the checkpoint [default: the last].
    #[arg(long, value_name = "N", conflicts_with = "imported")]
    pub(in crate::cli) epoch: Option<u32>,
    /// Imported checkpoint to use instead of the run's.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) imported: Option<String>,
    /// Part of the data set: train or test.
    #[arg(long, value_name = "PART", default_value = "test", value_parser = split)]
    pub(in crate::cli) split: Split,
    /// Images by their indices in that part, from 0.
    #[arg(long, value_name = "I1,I2,...", value_delimiter = ',', default_value = "0,1,2,3")]
    pub(in crate::cli) images: Vec<u32>,
    /// Image file to show instead of images of the data set, squeezed into a square as they are; may be repeated.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["split", "images"])]
    pub(in crate::cli) picture: Vec<PathBuf>,
    /// Share of hidden patches [default: that of the run's pre-training].
    #[arg(long, value_name = "SHARE", conflicts_with = "hide")]
    pub(in crate::cli) mask_ratio: Option<f64>,
    /// Seed of the mask, which is the same for all images.
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "hide")]
    pub(in crate::cli) mask_seed: u64,
    /// Patches to hide instead of a random mask, by their indices row by row, from 0.
    #[arg(long, value_name = "P1,P2,...", value_delimiter = ',')]
    pub(in crate::cli) hide: Vec<u32>,
    /// JSON file to write the error of every patch to.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) json: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) data: DataDirArg,
}

fn split(text: &str) -> Result<Split, String> {
    match text {
        "train" => Ok(Split::Train),
        "test" => Ok(Split::Test),
        _ => Err("takes train or test".into()),
    }
}
