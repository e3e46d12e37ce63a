//! The maskdoor program: dashboard, job queue, worker and command line.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | the command line: serve, run, presets, datasets, worker, bench |
//! | [`api`], [`assets`], [`figures`] | the web side: JSON, live events, the dashboard's files, drawn figures |
//! | [`app`] | what every part shares |
//! | [`store`] | the only SQL |
//! | [`jobs`] | studies and runs on their way from the queue to the store |
//! | [`worker`], [`run_log`] | one run, trained in a process of its own; its numbers as CSV and for `TensorBoard` |
//! | [`replay`] | a finished run once more, and what differs |
//! | [`data_dir`], [`clock`], [`ids`] | data folder, time and chance, which everything else takes as arguments |
//! | [`terminal`], [`bench`](mod@bench) | what is printed; how fast the lists are |

pub mod api;
pub mod app;
pub mod assets;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod data_dir;
pub mod figures;
pub mod ids;
pub mod jobs;
pub mod replay;
pub mod run_log;
pub mod sheet;
pub mod store;
pub mod terminal;
pub mod worker;

pub use app::App;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
