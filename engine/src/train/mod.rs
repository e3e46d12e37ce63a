//! Training: one loop for whole models, one for linear probes, and what they share. Both work on any device.
//!
//! | module | holds |
//! |---|---|
//! | [`fit`] | the loop of pre-training and fine-tuning |
//! | [`pretrain`], [`finetune`] | their batches, and what is due at the end of an epoch |
//! | [`implant`] | a backdoor that is implanted into a trained encoder |
//! | [`linprobe`] | the linear probe |
//! | [`schedule`] | the learning rate of each step |
//! | [`batches`] | which samples form which batch; the next batch is prepared while the current one trains |
//! | [`features`] | CLS features of many images, stored next to the encoder |
//! | [`neighbours`] | nearest-neighbour evaluation of the encoder during its pre-training |
//! | [`poisons`] | the training set that an attacker has changed |
//! | [`report`] | a run's events at a readable pace |

pub mod batches;
mod clock;
pub mod features;
pub mod finetune;
pub mod fit;
pub mod implant;
pub mod linprobe;
pub mod neighbours;
pub mod poisons;
pub mod pretrain;
pub mod report;
pub mod schedule;
