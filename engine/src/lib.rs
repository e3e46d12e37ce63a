//! Data sets, models, optimisers, training and evaluation of masked autoencoders under attack.
//!
//! The engine knows no SQL, no HTTP and no screen: it takes a [`shared::order::RunOrder`] and emits
//! [`shared::RunEvent`]s. The way of one run through it:
//!
//! ```text
//! RunOrder -> run::run -> data (decode, skip, limit) -> PoisonPlan -> train::{pretrain, linprobe, finetune}
//!                             batches on a thread of their own ─┘           │ train::fit
//!                                                                           v
//!        checkpoints, events <── compute::Trainer <── model (names, shapes), compute::Params
//!                                     └─ compute::cpu (layers, optimisers) <- kernel
//! ```
//!
//! Each module uses those above it in this table only (`server/tests/order` checks it):
//!
//! | module | holds |
//! |---|---|
//! | [`files`], [`stop`], [`tensors`] | a run folder's names and how files are written; progress and cancelling; named tensors |
//! | [`model`] | what models are: tensors by name and shape; no arithmetic |
//! | [`decode`], [`keys`] | image files to RGB8 pixels within limits; the key images that come with the program |
//! | [`data`] | folders in the layouts of the field, the built-in data set; crops, mirror images, `RandAugment`, mixing, erasing |
//! | [`compute`] | trainers and evaluations on a device; instruction sets end here |
//! | [`checkpoint`], [`interchange`] | our checkpoints; other programs' files in, ours out |
//! | [`eval`] | predictions of a classifier, nearest neighbours, reconstructions |
//! | [`train`] | the training loop, the linear probe, batches, events |
//! | [`run`] | a whole run, from its order to its last event |
//!
//! Every random number comes from [`shared::stream`], and gradients are summed in a fixed order: on one machine a run
//! gives the same bits every time, whatever the number of threads.

#![warn(missing_docs)]

pub mod checkpoint;
pub mod compute;
pub mod data;
pub mod decode;
mod error;
pub mod eval;
pub mod files;
mod hash;
pub mod interchange;
pub mod keys;
pub mod model;
mod parallel;
mod random;
pub mod run;
pub mod stop;
pub mod tensors;
pub mod train;

pub use error::EngineError;
