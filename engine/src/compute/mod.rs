//! Where the arithmetic is done: trainers and evaluations on a device.
//!
//! Everything above this folder speaks to a [`Device`], a [`Trainer`] and what they let it see ([`Encode`], [`Classify`],
//! [`Head`]). Which instructions compute, how a batch is cut, and who sums gradients ends here.
//!
//! | file | holds |
//! |---|---|
//! | `trainer` | [`Trainer`]: a model in training |
//! | `device` | [`Device`]: what makes trainers and evaluations |
//! | `view` | [`Encode`], [`Classify`], [`Head`]: what an evaluation asks of a model |
//! | `batch` | batches as they cross the edge of a trainer |
//! | `params`, `init`, `positions` | a model's parameters in the host's memory, and what they begin with |
//! | `patches`, `targets`, `drop_path` | what batches are made of |
//! | `machine` | [`Machine`]: threads, instructions and memory of this machine |
//! | [`cpu`] | the processor as a device |

mod batch;
pub mod cpu;
mod device;
mod drop_path;
mod init;
mod machine;
mod params;
mod patches;
mod positions;
mod targets;
mod trainer;
mod view;

pub use batch::{LabelledBatch, LabelledFeatures, MaskedBatch};
pub use device::{Device, DynTrainer, FinetuningTrainer, HeadTrainer, PretrainingTrainer};
pub use drop_path::{drop_factor, drop_rate};
pub use init::draw;
pub use machine::{
    IMAGE_MEMORY_VARIABLE, InstructionSet, KERNELS_VARIABLE, Machine, THREADS_VARIABLE,
};
pub use params::Params;
pub use patches::patch_moments;
pub use positions::sin_cos_table;
pub use targets::{Targets, soft_cross_entropy};
pub use trainer::{Descend, Step, Trainer};
pub use view::{Classify, Encode, Head, Load, Similar};
