//! What reads bytes of others, as functions of bytes: `one` of each module takes an input and panics where the program would.
//!
//! | module | feeds |
//! |---|---|
//! | [`images`] | the decoders |
//! | [`checkpoints`] | import of checkpoints and classifiers, our own checkpoints |
//! | [`datasets`] | folders in every layout |
//! | [`studies`] | study files in TOML and JSON, settings and axes of the command line |
//! | [`runs`] | a run's folder: order, events, resume points |
//! | [`backups`] | restoring |
//! | [`requests`] | the whole server, by requests made from its `OpenAPI` document |
//! | [`bound`] | the rule on memory |
//! | [`folder`] | several files as one input |
//! | [`draw`] | choices from an input |
//!
//! Each target holds what it takes to its [`Bound`](bound::Bound), and checks that what was read survives writing and reading.
//! `scripts/fuzz.sh` runs them under libFuzzer, whose programs are in `targets/`; the tests of this crate feed them the inputs in
//! `corpus/`, which are those that libFuzzer kept and those that once failed.

pub mod backups;
pub mod bound;
pub mod checkpoints;
pub mod datasets;
pub mod draw;
pub mod folder;
pub mod images;
pub mod requests;
pub mod runs;
pub mod studies;
