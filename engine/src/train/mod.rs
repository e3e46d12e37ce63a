//! Training: three loops, each a screen long, and what they share.
//!
//! | module | holds |
//! |---|---|
//! | [`pretrain`], [`linprobe`], [`finetune`] | the loops |
//! | [`batches`] | which samples make which batch; the next batch is made while one trains |
//! | [`accumulate`], [`descent`] | several batches to a step; from gradients to a step of the parameters |
//! | [`replicas`] | gradients of a batch: its shards, and who computes them |
//! | [`features`] | CLS features of many images, kept beside the encoder |
//! | [`neighbours`] | what nearest neighbours find in the encoder during its pre-training |
//! | [`checkpoint`] | checkpoints, written whole or not at all |
//! | [`compare`] | two checkpoints, bit by bit |
//! | [`report`] | a run's events at a readable pace |

pub mod accumulate;
pub mod batches;
pub mod checkpoint;
mod clock;
pub mod compare;
pub mod descent;
pub mod features;
pub mod finetune;
pub mod linprobe;
pub mod neighbours;
pub mod poisons;
pub mod pretrain;
pub mod replicas;
pub mod report;
pub mod resume;
