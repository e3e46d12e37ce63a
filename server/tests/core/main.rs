//! The store, the jobs and the command line, on real data folders and with the real program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod backup;
mod cli;
mod defences;
mod devices;
mod doctor;
mod ending;
mod evaluate;
mod full_disk;
mod graph;
mod imported;
mod ingest;
mod kill;
mod lists;
mod nodes;
mod old_folder;
mod replay;
mod retention;
mod scheduler;
mod slurm;
mod states;
mod streams;
mod support;
