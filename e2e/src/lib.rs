//! Browser journeys against the real program: the harness. The journeys themselves are in `tests/journeys`.
//!
//! | module | holds |
//! |---|---|
//! | [`journey`] | [`travel`]: one journey from an empty data folder, its evidence when it fails |
//! | [`dashboard`] | [`Dashboard`]: the program with its own data folder and port |
//! | [`api`] | requests to that program's API |
//! | [`axe`] | every page held against axe-core |
//! | [`browser`] | [`Browser`]: a headless Chromium that clicks, drags, types and reads |
//! | [`find`] | elements by role and accessible name |
//! | [`wait`] | waiting for a condition, with a deadline |

pub mod api;
pub mod axe;
pub mod browser;
pub mod dashboard;
pub mod find;
pub mod journey;
pub mod wait;

pub use browser::{Browser, FOREIGN_HOST, Screen};
pub use dashboard::Dashboard;
pub use find::Role;
pub use journey::{travel, travel_past};
pub use wait::until;
