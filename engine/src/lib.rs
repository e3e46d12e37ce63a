//! Data sets, models, optimisers, training and evaluation of masked autoencoders under attack.
//!
//! The engine knows nothing of SQL, HTTP or the user interface: it takes a [`shared::order::RunOrder`] and emits
//! [`shared::RunEvent`]s. How a run passes through it:
//!
//! ```text
//! RunOrder -> run::run -> data (decode, skip, limit) -> PoisonPlan -> train::{pretrain, linprobe, finetune}
//!                             batches on a thread of their own ─┘           │ train::fit
//!                                                                           v
//!        checkpoints, events <── compute::Trainer <── model (names, shapes), compute::Params
//!                                     └─ compute::cpu (layers, optimisers) <- kernel
//! ```
//!
//! Each module uses only those above it in this table (`server/tests/order` checks it):
//!
//! | module | holds |
//! |---|---|
//! | [`files`], [`stop`], [`tensors`] | a run folder's file names and how files are written; progress and cancelling; named tensors |
//! | [`nodes`] | one run on several machines: how they meet, and what they tell each other |
//! | [`model`] | descriptions of models: tensors by name and shape; no arithmetic |
//! | [`decode`], [`keys`] | image files to RGB8 pixels within limits; the key images that come with the program |
//! | [`data`] | folders in common layouts, the built-in data set; crops, mirror images, `RandAugment`, mixing, erasing |
//! | [`compute`] | trainers and evaluations on a device; hides the instruction sets |
//! | [`checkpoint`], [`interchange`] | our checkpoints; import and export of other programs' files |
//! | [`eval`] | predictions of a classifier, nearest neighbours, reconstructions |
//! | [`defence`] | defences against backdoors, as functions of features, images and labels |
//! | [`train`] | the training loop, the linear probe, batches, events |
//! | [`inside`] | what is inside an encoder: a map of its features, attention roll-out |
//! | [`run`] | a whole run, from its order to its last event |
//!
//! Every random number comes from [`shared::stream`], and gradients are summed in a fixed order: on one machine a run
//! gives the same bits every time, whatever the number of threads.

#![warn(missing_docs)]

pub mod checkpoint;
pub mod compute;
pub mod data;
pub mod decode;
pub mod defence;
mod error;
pub mod eval;
pub mod files;
mod hash;
pub mod inside;
pub mod interchange;
pub mod keys;
pub mod model;
pub mod nodes;
mod parallel;
mod random;
pub mod run;
pub mod stop;
pub mod tensors;
pub mod train;

pub use error::EngineError;
