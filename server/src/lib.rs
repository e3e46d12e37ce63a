//! The maskdoor program: dashboard, job queue, worker and command line.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line: serve, run, presets, datasets, plan, settings, runs, worker |
//! | [`api`], [`assets`], [`figures`] | the web side: JSON, live events, the dashboard's files, drawn figures |
//! | [`app`] | the use cases, and what every part shares |
//! | [`store`] | the only SQL |
//! | [`queue`] | runs on their way from the queue to the store; executors |
//! | [`run_folder`] | what lies in a run's folder |
//! | [`worker`], [`run_log`] | one run, trained in a process of its own; its numbers as CSV and for `TensorBoard` |
//! | [`results`] | every run's settings and metrics in memory: filter, group, sort |
//! | [`replay`] | a finished run once more, and what differs |
//! | [`data_dir`], [`clock`], [`ids`] | data folder, time and chance, which everything else takes as arguments |
//! | [`terminal`] | what is printed |

pub mod api;
pub mod app;
pub mod assets;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod figures;
pub mod ids;
pub mod queue;
pub mod replay;
pub mod results;
pub mod run_folder;
pub mod run_log;
pub mod sheet;
pub mod store;
pub mod terminal;
pub mod worker;

pub use app::App;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
