//! A model in training.

use safetensors::SafeTensors;

use crate::{EngineError, model::Group, tensors::NamedTensor};

/// A model in training on a device.
///
/// A trainer owns the parameters, the optimiser's moments and the activations, in its device's memory. It takes batches as the
/// host made them and steps the parameters. What a batch is cut into, and who sums the gradients of its parts, is the
/// trainer's affair: no gradient crosses this edge, so a device, or several of them, may keep its own in any order and precision.
///
/// A trainer that is given the same batches from the same state gives the same bits, and so does one that was restored from
/// [`state`](Self::state) and [`tensors`](Self::tensors) between two batches.
///
/// ```text
/// loop:  step(batch) ──> loss()            at the end of an epoch:  view()     k-NN, evaluation
///                                                                   tensors()  a checkpoint
///                                                                   state()    and a place to go on from
/// ```
pub trait Trainer: Send {
    /// What it is trained on. Made on another thread while it trains on the last one.
    type Batch: Send;
    /// How the model is asked for features or scores while it trains.
    type View: ?Sized;

    /// Takes a batch in, and steps the parameters when it is the last of its [`Step`]. A device may still be at work when this
    /// returns; it may leave the parameters as they are where the loss is not finite.
    ///
    /// # Errors
    /// When the device fails.
    fn step(&mut self, batch: &Self::Batch, step: Step) -> Result<(), EngineError>;

    /// The mean loss of the last batch; waits until the device has it.
    ///
    /// # Errors
    /// When the device fails.
    fn loss(&mut self) -> Result<f64, EngineError>;

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

    /// Takes back what [`tensors`](Self::tensors) and [`state`](Self::state) gave, from one file.
    ///
    /// # Errors
    /// A sentence that names the tensor that is missing or does not fit.
    fn restore(&mut self, file: &SafeTensors<'_>) -> Result<(), String>;

    /// The model as it is now, to ask for features or scores.
    fn view(&self) -> &Self::View;
}

/// A batch's place in the steps of the optimiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Its place among the batches that make a step together, from 0. With place 0 a step begins, whether or not the last one was
    /// complete.
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
    /// Most norm of a step's gradient; 0 for any.
    pub clip_norm: f64,
}
