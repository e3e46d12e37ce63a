//! Parts that several pages use.

mod icon;
mod progress;

pub use icon::{Glyph, Icon};
pub use progress::{ProgressBar, ProgressRing};
