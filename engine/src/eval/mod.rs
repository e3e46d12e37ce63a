//! Evaluation: a classifier's predictions, nearest neighbours of an encoder's features, a defence's scores, an autoencoder's reconstructions.

mod accuracy;
mod backdoor;
mod classes;
mod evaluator;
mod knn;
mod predicted;
mod reconstruct;
mod scored;
mod under_trigger;

pub use accuracy::{count, predictions};
pub use backdoor::Backdoor;
pub use classes::InOrder;
pub use evaluator::Evaluator;
pub use knn::Bank;
pub use predicted::{Evaluated, Predicted, Prediction, PredictionsError, discordant};
pub use reconstruct::{Reconstructed, Reconstructor};
pub use scored::{Scored, Scores, ScoresError, read as read_said};
pub use under_trigger::UnderTrigger;
