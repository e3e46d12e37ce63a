//! The maskdoor program: dashboard, job queue, worker and command line.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line: serve, run, presets, datasets, plan, settings, runs, worker |
//! | [`api`], [`assets`], [`figures`] | the web side: JSON, live events, the dashboard's files, drawn figures |
//! | [`app`] | the use cases, and the state that every part shares |
//! | [`access`], [`audit`] | who is let in, and what they changed |
//! | [`tokens`] | names, rights and secrets |
//! | [`store`] | the only SQL |
//! | [`queue`] | schedules runs and takes their results into the store; executors |
//! | [`run_folder`] | the files in a run's folder |
//! | [`http`] | connections: how many, and how long they may be silent |
//! | [`ending`] | tells whoever would go on for ever that the program ends |
//! | [`worker`], [`run_log`] | trains one run in a separate process; its numbers as CSV and for `TensorBoard` |
//! | [`results`] | every run's settings and metrics in memory: filter, group, sort |
//! | [`doctor`] | compares the database with the data folder, and mends |
//! | [`backup`] | copies a data folder into one file while it is used, and back |
//! | [`report`] | a study as one HTML file |
//! | [`replay`] | repeats a finished run and reports differences |
//! | [`data_dir`], [`clock`], [`ids`] | data folder, time and identifiers, which everything else takes as arguments |
//! | [`rolling`] | files of limited length: the log, the record of changes |
//! | [`terminal`] | terminal output |

pub mod access;
pub mod api;
pub mod app;
pub mod assets;
pub mod audit;
pub mod backup;
pub mod base_path;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod doctor;
pub mod ending;
pub mod figures;
pub mod http;
pub mod ids;
pub mod queue;
pub mod replay;
pub mod report;
pub mod results;
pub mod rolling;
pub mod run_folder;
pub mod run_log;
pub mod sheet;
pub mod store;
pub mod terminal;
pub mod tokens;
pub mod worker;

pub use app::App;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
