//! The curves of runs: their events, how they are drawn, the panel with its choices.

mod choices;
mod panel;
mod trace;

pub use panel::{Curves, Line};
pub use trace::Follow;
