//! The maskdoor program: dashboard, job queue, worker and command line.
//!
//! | module | holds |
//! |---|---|
//! | [`app`] | what every part shares |
//! | [`store`] | the only SQL |
//! | [`jobs`] | studies and runs on their way from the queue to the store |
//! | [`data_dir`], [`clock`], [`ids`] | data folder, time and chance, which everything else takes as arguments |

pub mod app;
pub mod clock;
pub mod data_dir;
pub mod ids;
pub mod jobs;
pub mod store;

pub use app::App;

/// Version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
