//! A model in training.

use std::ops::Range;

use safetensors::SafeTensors;

use super::ImageSet;
use crate::{EngineError, model::Group, stop::Watch, tensors::NamedTensor};

/// A model in training on a device.
///
/// A trainer owns the parameters, the optimiser's moments and the activations, in its device's memory. It takes batches as the
/// host prepared them and steps the parameters. How a batch is divided, and how the gradients of its parts are summed, is up to the
/// trainer: no gradient crosses this interface, so one or several devices may keep theirs in any order and precision.
///
/// From the same state, a trainer turns the same batches into the same bits, even if it is restored from
/// [`state`](Self::state) and [`tensors`](Self::tensors) between two batches.
///
/// ```text
/// loop:  step(batch) ──> loss()            at the end of an epoch:  view()     k-NN, evaluation
///                                                                   tensors()  a checkpoint
///                                                                   state()    and a point to resume from
/// ```
pub trait Trainer: Send {
    /// What it is trained on. The next batch is prepared on another thread while it trains on the current one.
    type Batch: Send;
    /// The interface for the model's features or scores during training.
    type View: ?Sized;

    /// Processes a batch, and steps the parameters if it is the last of its [`Step`]. The device may still be working when this
    /// returns. It may leave the parameters unchanged if the loss is not finite.
    ///
    /// # Errors
    /// When the device fails.
    fn step(&mut self, batch: &Self::Batch, step: Step) -> Result<(), EngineError>;

    /// Which of a batch's images the trainer needs; the others may be empty. Where several machines train together, each needs its own part.
    fn share(&self, images: usize) -> Range<usize> {
        0..images
    }

    /// Takes images into the device's memory if they fit beside batches like this one. Says whether it did: then batches may name crops of
    /// them. A crop has the same pixels wherever it is made.
    ///
    /// # Errors
    /// When an image cannot be read; when the device fails; [`DataError::Stopped`](crate::data::DataError::Stopped) when the watch stops the work.
    fn hold(
        &mut self,
        _: &ImageSet<'_>,
        _like: &Self::Batch,
        _: &mut dyn Watch,
    ) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// The mean loss of the earliest batch that was not asked for yet; waits until the device has computed it.
    ///
    /// # Errors
    /// When the device fails.
    fn loss(&mut self) -> Result<f64, EngineError>;

    /// How many further batches the device takes before the loss of a batch is asked for, so that it never waits for the host.
    fn in_flight(&self) -> usize {
        0
    }

    /// The model as it is now, as a checkpoint holds it: every tensor under its name.
    ///
    /// # Errors
    /// When the device fails.
    fn tensors(&self) -> Result<Vec<NamedTensor>, EngineError>;

    /// What the next step depends on besides [`tensors`](Self::tensors): the optimiser's moments and steps.
    ///
    /// # Errors
    /// When the device fails.
    fn state(&self) -> Result<Vec<NamedTensor>, EngineError>;

    /// Restores what [`tensors`](Self::tensors) and [`state`](Self::state) returned, from one file.
    ///
    /// # Errors
    /// A message that names the tensor that is missing or does not fit.
    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String>;

    /// The model as it is now, for its features or scores.
    fn view(&self) -> &Self::View;
}

/// A batch's place in the steps of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its place among the batches of a step, counted from 0. Place 0 begins a new step, whether or not the last one was complete.
    pub place: usize,
    /// The step's learning rate.
    pub lr: f64,
}

/// How `AdamW` trains a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Descend {
    /// Decay of the first and the second moment.
    pub betas: (f64, f64),
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Rate and decay of each trainable tensor.
    pub groups: Vec<Group>,
    /// Batches that make a step.
    pub accumulate: u32,
    /// Maximum norm of a step's gradient; 0 for no limit.
    pub clip_norm: f64,
}
