//! Where the arithmetic is done: trainers and evaluations on a device.
//!
//! Everything above this folder uses a [`Device`], a [`Trainer`] and their views of a model ([`Encode`], [`Classify`],
//! [`Head`]). It does not depend on which instructions compute, how a batch is divided, or how gradients are summed.
//!
//! | file | holds |
//! |---|---|
//! | `trainer` | [`Trainer`]: a model in training |
//! | `device` | [`Device`]: creates trainers, and models for evaluation |
//! | `view` | [`Encode`], [`Classify`], [`Head`]: what an evaluation needs from a model |
//! | `batch` | batches as they are passed to a trainer |
//! | `params`, `init`, `positions` | a model's parameters in the host's memory, and their initial values |
//! | `patches`, `targets`, `drop_path` | what batches consist of |
//! | `attention_map` | [`attention_loss`]: what a student learns from a teacher's attention |
//! | `implanted` | [`Implanting`]: the loss of an implanted backdoor; `spread` is what DRUPE adds |
//! | `machine`, `places`, `memory` | [`Machine`]: threads and instructions of this machine, its devices by name, its memory |
//! | `state` | an optimiser's state as named tensors |
//! | [`cpu`], [`cuda`] | the processor and an NVIDIA GPU as devices |

mod attention_map;
mod batch;
pub mod cpu;
pub mod cuda;
mod device;
mod drop_path;
mod implanted;
mod init;
mod machine;
mod memory;
mod params;
mod patches;
mod places;
mod positions;
mod state;
mod targets;
mod trainer;
mod view;

pub use attention_map::attention_loss;
pub use batch::{ImageSet, LabelledBatch, LabelledFeatures, MaskedBatch};
pub use device::{Device, DynTrainer, FinetuningTrainer, HeadTrainer, PretrainingTrainer, program};
pub use drop_path::{drop_factor, drop_rate};
pub use implanted::{Implanting, Spread};
pub use init::draw;
pub use machine::{
    DEVICES_VARIABLE, IMAGE_MEMORY_VARIABLE, InstructionSet, KERNELS_VARIABLE, Machine,
    THREADS_VARIABLE,
};
pub use params::{Params, features_as_scores};
pub use patches::patch_moments;
pub use positions::sin_cos_table;
pub use targets::{Targets, soft_cross_entropy};
pub use trainer::{Descend, Step, Trainer};
pub use view::{Classify, Encode, Head, Load, Similar};
