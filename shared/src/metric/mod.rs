//! Metrics of a classifier as counts: CA, ASR, RA, top-5 accuracy and confusion matrices; intervals; mean and deviation
//! over seeds; differences between conditions; how well a detector separates poisoned from clean.

mod anomaly;
mod bins;
mod confusion;
mod detection;
mod difference;
mod evaluation;
mod goal;
mod judgement;
mod normal;
mod paired;
mod quality;
mod ratio;
mod spread;

pub use anomaly::{anomaly_index, median};
pub use bins::Bins;
pub use confusion::Confusion;
pub use detection::{Detection, Roc};
pub use difference::{Difference, Test};
pub use evaluation::{BackdoorEvaluation, Evaluation, Metrics};
pub use goal::{ClassMap, Goal, Target};
pub use judgement::{Changed, Judgement, OfEncoder, Repaired, Retrained};
pub use normal::normal_quantile;
pub use paired::Discordant;
pub use quality::{Quality, Survival};
pub use ratio::{Interval, Ratio};
pub use spread::Spread;
