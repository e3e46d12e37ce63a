//! The engine against implementations that are not ours: cases that `tests/golden/generate.py` made.
//!
//! `MASKDOOR_GOLDEN` names a folder of fresh cases; without it the few of the repository are read. A case states its sizes and
//! options, the tests take any.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adamw;
mod augment;
mod case;
mod checkpoints;
mod finetune;
mod hf_classifier;
mod images;
mod jpegs;
mod layouts;
mod mae;
mod positions;
mod probe;
mod study;
mod triggers;
