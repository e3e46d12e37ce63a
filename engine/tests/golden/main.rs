//! The engine against independent implementations, with cases made by `tests/golden/generate.py`.
//!
//! `MASKDOOR_GOLDEN` names a folder of fresh cases; without it, the few cases in the repository are used. A case states its
//! sizes and options; the tests accept any.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adamw;
mod augment;
mod case;
mod checkpoints;
mod decree;
mod defences;
mod embedding_decoder;
mod finetune;
mod frequency;
mod hf_classifier;
mod images;
mod implant_step;
mod implants;
mod jpegs;
mod layouts;
mod loss_split;
mod mae;
mod nad;
mod pictures;
mod positions;
mod probe;
mod shards;
mod ssim;
mod study;
mod triggers;
