//! Models in training on NVIDIA GPUs.
//!
//! A model is given by its sizes, its tensors' names and its flat parameters; the crate knows no files, seeds or data sets. CUDA's
//! libraries are opened at run time; nothing of them is needed to build.
//!
//! | file | holds |
//! |---|---|
//! | `gpu` | the trait `Gpu`: what the trainers need of a device |
//! | `kernels`, `../kernels/` | the kernel files and their constants |
//! | `table`, `flat` | places of the tensors in flat buffers; parameters, gradients and products on the GPU |
//! | `rows`, `attention`, `stack` | norms and tokens, attention, the blocks of a transformer |
//! | `training`, `adamw`, `losses` | what every model in training has: parameters, steps of the optimiser, losses that come back without a wait |
//! | `plans` | passes that are recorded and repeated |
//! | `mae`, `vit` | the masked autoencoder; the classifier of fine-tuning |
//! | `crops` | sets of images on the GPU, cropped, resized and normalised there |
//! | `device` | a GPU that creates them |
//! | `ranks` | one run on several devices |
//! | `buckets`, `reduction`, `communicator` | which gradients they add up when, behind the backward pass, and how |
//! | `count` | how much memory a model would take |
//! | `libraries`, `probe`, `nvml` | which of NVIDIA's libraries and GPUs are here, and their load |
//! | `nvidia` | a device by CUDA's driver |
//! | `emulated` | the kernels on the processor, for tests |

mod adamw;
mod attention;
mod buckets;
mod communicator;
mod count;
mod crops;
mod device;
#[cfg(any(test, feature = "emulation"))]
mod emulated;
mod error;
mod flat;
mod gpu;
mod kernels;
pub mod libraries;
mod losses;
mod mae;
mod model;
mod nvidia;
pub mod nvml;
mod pixels;
mod plans;
mod probe;
mod ranks;
mod reduction;
mod rows;
mod stack;
mod table;
#[cfg(test)]
mod testing;
mod training;
mod vit;

pub use adamw::{Descent, Moments, Place};
pub use communicator::Machines;
pub use count::{mae_features_memory, mae_memory, vit_memory};
pub use crops::{Crop, HeldImages, Mixing, Windows};
pub use device::Device;
pub use error::{Error, Result};
pub use gpu::Traits;
pub use losses::IN_FLIGHT;
pub use mae::{Features, MaeModel, MaeTrainer, MaskedImages, Pictures};
pub use model::{Arithmetic, Blocks, MaeShape, VitShape};
pub use probe::{GpuInfo, gpus};
pub use ranks::{Group, Ranks, Trains};
pub use table::{Pace, Tensor};
pub use training::Training;
pub use vit::{LabelledImages, Planes, VitModel, VitTrainer};
