//! Browser journeys against the real program: the harness. The journeys themselves are in `tests/journeys`.
//!
//! | module | holds |
//! |---|---|
//! | [`journey`] | [`travel`]: one journey from an empty data folder, its evidence when it fails |
//! | [`dashboard`] | [`Dashboard`]: the program on a data folder and a port of its own |
//! | [`api`] | requests to that program's API |
//! | [`browser`] | [`Browser`]: a headless Chromium that clicks, drags, types and reads |
//! | [`find`] | elements by role and accessible name, as a reader of the page names them |
//! | [`wait`] | waiting for something to come true, with a deadline |

pub mod api;
pub mod browser;
pub mod dashboard;
pub mod find;
pub mod journey;
pub mod wait;

pub use browser::{Browser, Screen};
pub use dashboard::Dashboard;
pub use find::Role;
pub use journey::{travel, travel_past};
pub use wait::until;
