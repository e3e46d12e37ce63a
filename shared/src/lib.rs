//! Code shared by the browser and the server. Compiles to WebAssembly; no IO, no clock, no global randomness.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`], [`param`] | [`Settings`]: the value of every setting; the table that describes each of them |
//! | [`study`] | [`StudySpec`]: settings and axes; its graph of runs, validation, presets |
//! | [`image`], [`resize`], [`crop`] | [`Rgb8`] pixels, the bit-exact resize, random crops |
//! | [`trigger`] | image -> image functions that poison a data set and draw the preview |
//! | [`patches`] | the ViT patch grid over an image: touched patches, random masks |
//! | [`ssim`], [`quality`] | structural similarity; how visible a trigger is |
//! | [`survival`] | how much of a trigger training sees after crop and mask |
//! | [`composition`] | poisons that are composed of several images |
//! | [`poison`] | [`PoisonPlan`]: the explicit list of poisoned samples |
//! | [`stream`] | seeded random streams, one per purpose |
//! | [`event`], [`progress`] | [`RunEvent`], the only type that a run emits, and its only reducer |
//! | [`metric`] | CA, ASR, RA with intervals, mean and deviation over seeds |
//! | [`run_kind`], [`run`], [`order`], [`id`] | kinds of runs; states; orders; identifiers |
//! | [`dataset`], [`layout`], [`checkpoint`] | data sets and imported checkpoints |
//! | [`device`] | [`DeviceWish`]: the device that a run asks for |
//! | [`palette`] | the colours of pages and figures |
//! | [`published`] | numbers of the published study, for overlays |
//! | [`chart`] | figures, drawn identically in the browser and on the server |
//! | [`verdict`] | what a study found, in sentences computed from its runs |
//! | [`why`] | why an attack succeeded or failed, in sentences |
//! | [`mod@csv`], [`latex`] | tables as text for spreadsheets and for LaTeX |
//! | [`api`] | request and response bodies |

#![warn(missing_docs)]

pub mod api;
pub mod chart;
pub mod checkpoint;
pub mod composition;
pub mod crop;
pub mod csv;
pub mod dataset;
pub mod day;
pub mod device;
pub mod event;
pub mod field_error;
pub mod id;
pub mod image;
pub mod latex;
pub mod layout;
pub mod metric;
pub mod order;
pub mod palette;
pub mod param;
pub mod patches;
pub mod poison;
pub mod progress;
pub mod published;
pub mod quality;
pub mod resize;
pub mod run;
pub mod run_kind;
pub mod settings;
pub mod ssim;
pub mod stream;
pub mod study;
pub mod survival;
pub mod trigger;
pub mod verdict;
pub mod why;

pub use device::{DeviceKind, DeviceWish};
pub use event::{RunEvent, Stamped, StepTime};
pub use field_error::FieldError;
pub use id::{RunId, StudyId};
pub use image::Rgb8;
pub use metric::Ratio;
pub use order::RunOrder;
pub use poison::PoisonPlan;
pub use progress::Progress;
pub use run::RunState;
pub use run_kind::{Digest, RunKind};
pub use settings::Settings;
pub use study::StudySpec;
pub use trigger::{Stage, Trigger, TriggerSpec};
