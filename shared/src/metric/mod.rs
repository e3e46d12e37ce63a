//! Metrics of a classifier as counts: CA, ASR, RA, top-5 accuracy and confusion matrices; intervals; mean and deviation
//! over seeds; differences between conditions.

mod confusion;
mod difference;
mod evaluation;
mod ratio;
mod spread;

pub use confusion::Confusion;
pub use difference::{Difference, Test};
pub use evaluation::{Evaluation, Metrics};
pub use ratio::{Interval, Ratio};
pub use spread::Spread;
