//! Checkpoints in and out: files of other programs as checkpoints of ours, and ours as theirs.
//!
//! ```text
//! .pth ─────────> archive ──> pickle ──┐
//!                                      ├─> tensors ─> names ─> sizes ─> import ─> checkpoint.safetensors ─> export
//! .safetensors ────────────────────────┘            config.json ─┘  positions ─┘
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `archive`, `pickle`, `pth` | PyTorch's files, read as data: nothing in them is ever run |
//! | `tensors` | the tensors of a file, not yet read |
//! | `weights` | the file or files of a model |
//! | `entry` | which part of a file the transformer is |
//! | `names` | what they are called by MAE, timm and transformers |
//! | `sizes`, `config` | the model's sizes, from shapes, `config.json` and custom |
//! | `positions` | position tables for another image size |
//! | `import`, `export` | the two ways |
//! | `classifier`, `vit_config`, `processor`, `shapes` | classifiers to evaluate: ours of a fine-tuning, and Hugging Face's |
//!
//! No file is trusted: whatever its bytes are, reading ends in a model or in words, and takes memory in proportion to the file.

mod archive;
mod classifier;
mod config;
mod entry;
mod export;
mod import;
mod names;
mod pickle;
mod positions;
mod processor;
mod pth;
mod shapes;
mod sizes;
mod tensors;
mod vit_config;
mod weights;

pub use classifier::OpenClassifier;
pub use export::{ExportFile, ExportFormat, export};
pub use import::{ImportOptions, Imported};
pub use positions::interpolate_positions;
