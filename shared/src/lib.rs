//! What the browser and the server both use. Compiles to WebAssembly; no IO, no clock, no global randomness.
//!
//! | module | holds |
//! |---|---|
//! | [`study`] | [`StudySpec`]: what a study is; its validation, its grid of runs, its presets |
//! | [`image`], [`resize`] | [`Rgb8`] pixels and the bit-exact bilinear resize |
//! | [`trigger`] | image -> image functions that poison a data set and draw the preview |
//! | [`patches`] | the ViT patch grid over an image: touched patches, random masks |
//! | [`poison`] | [`PoisonPlan`]: the explicit list of poisoned samples |
//! | [`stream`] | seeded random streams, one per purpose |
//! | [`event`], [`progress`] | [`RunEvent`], the one type that a run emits, and its only reducer |
//! | [`metric`] | CA, ASR, RA with intervals, mean and deviation over seeds |
//! | [`run`], [`id`] | run states and their legal transitions; identifiers |
//! | [`published`] | the numbers of the published study, for overlays |
//! | [`chart`] | figures, drawn the same in the browser and on the server |
//! | [`api`] | request and response bodies |

#![warn(missing_docs)]

pub mod api;
pub mod chart;
pub mod event;
pub mod id;
pub mod image;
pub mod metric;
pub mod patches;
pub mod poison;
pub mod progress;
pub mod published;
pub mod resize;
pub mod run;
pub mod stream;
pub mod study;
pub mod trigger;

pub use event::{RunEvent, Stamped, StepTime};
pub use id::{RunId, StudyId};
pub use image::Rgb8;
pub use metric::Ratio;
pub use poison::PoisonPlan;
pub use progress::Progress;
pub use run::{Phase, RunState};
pub use study::{FieldError, StudySpec};
pub use trigger::{Stage, Trigger, TriggerSpec};
