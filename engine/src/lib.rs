//! Data sets, models, optimisers, training and evaluation of masked autoencoders under attack.
//!
//! The engine knows no SQL, no HTTP and no screen: it takes a [`shared::run::RunOrder`] and emits
//! [`shared::RunEvent`]s. The way of one run through it:
//!
//! ```text
//! RunOrder -> job::run -> data (decode, skip, limit) -> PoisonPlan -> train::{pretrain, linprobe}
//!                           batches on a thread of their own ─┘            │
//!   model::{mae, vit, classifier} <- nn <- kernel ── train::replicas ──────┤
//!             optim (AdamW, LARS, schedule) ───────────────────────────────┘-> checkpoints, events
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`decode`], [`keys`] | image files to RGB8 pixels within limits; the key images that come with the program |
//! | [`data`] | folders in the layouts of the field, the built-in data set; crops, mirror images, `RandAugment`, mixing, erasing |
//! | [`nn`] | layers, each in its own file with its forward and backward pass, and their named parameters |
//! | [`model`] | the masked autoencoder and the linear classifier |
//! | [`optim`] | AdamW, LARS, the learning-rate schedule |
//! | [`train`] | the three training loops, batches, replicas, checkpoints |
//! | [`checkpoints`] | other programs' checkpoints in, ours out |
//! | [`eval`] | predictions of a classifier; reconstructions |
//! | [`job`] | a whole run, from its order to its last event |
//! | [`device`], [`stop`] | threads and devices; progress and cancelling of long work |
//!
//! Every random number comes from [`shared::stream`], and gradients are summed in a fixed order: on one machine a run
//! gives the same bits every time, whatever the number of threads.

#![warn(missing_docs)]

pub mod checkpoints;
pub mod data;
pub mod decode;
pub mod device;
mod error;
pub mod eval;
mod hash;
pub mod job;
pub mod keys;
pub mod model;
pub mod nn;
pub mod optim;
pub mod stop;
pub mod train;

pub use error::EngineError;
