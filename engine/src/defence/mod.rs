//! Defences: pure functions from features, images and labels to scores and decisions. A higher score is more suspicious. None of them is
//! given which images are poisoned.
//!
//! | module | holds |
//! |---|---|
//! | [`features`], [`groups`] | features in double precision; classes, clusters, or all images |
//! | [`eigen`], [`pca`], [`kmeans`] | what several methods compute with |
//! | [`spectral`], [`activation`], [`scan`], [`patch_search`], [`loss_split`] | sample filters: spectral signatures, activation clustering, SCAn, `PatchSearch`, DBD's split by loss |
//! | [`beatrix`] | sample and input filter: Beatrix |
//! | [`strip`], [`patch_processing`], [`bdmae`], [`frequency`] | input filters: STRIP, patch processing, BDMAE, a detector by frequencies |
//! | [`limit`] | the limit of a score, from clean images |
//! | [`decree`] | encoder detector: DECREE |
//! | [`pruning`] | repair: fine-pruning |
//! | [`ssim`], [`window`] | structural similarity; the square to which most attention goes |
//!
//! Sums run over images in an order that their features give, so that neither the order of the images nor the number of threads changes a
//! bit. Beatrix's limit is of folds of the clean images by their places, so their order is part of it.

pub mod activation;
pub mod bdmae;
pub mod beatrix;
pub mod decree;
pub mod eigen;
mod error;
pub mod features;
pub mod frequency;
pub mod groups;
pub mod kmeans;
pub mod limit;
pub mod loss_split;
pub mod patch_processing;
pub mod patch_search;
pub mod pca;
pub mod pruning;
pub mod scan;
pub mod spectral;
pub mod ssim;
pub mod strip;
#[cfg(test)]
mod testing;
pub mod window;

pub use error::DefenceError;
pub use features::Features;
pub(crate) use features::squared_distance;
pub use groups::{Filtered, Groups};
