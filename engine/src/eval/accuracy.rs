//! Clean accuracy, attack success and robust accuracy of a classifier.

use candle_core::Result;
use shared::metric::Metrics;

use crate::model::Classifier;

/// Counts the predictions on the features of all test images and of the same images with the trigger, row by row.
///
/// # Errors
/// When candle cannot compute them. Panics when the numbers of rows differ.
pub fn evaluate(
    classifier: &Classifier,
    clean: &[f32],
    triggered: &[f32],
    labels: &[u32],
    target_class: u32,
) -> Result<Metrics> {
    let (clean, triggered) = (classifier.predict(clean)?, classifier.predict(triggered)?);
    Ok(Metrics::count(labels, &clean, &triggered, target_class))
}
