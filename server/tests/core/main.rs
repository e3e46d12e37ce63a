//! The store, the jobs and the command line, on real data folders and with the real program.

mod cli;
mod ingest;
mod kill;
mod lists;
mod scheduler;
mod states;
mod support;
