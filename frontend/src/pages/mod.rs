//! The pages, one module each. A page fetches and keeps its state in its address; components only bind.

mod checkpoints;
mod compare;
mod data;
mod devices;
mod estimate;
mod new_study;
mod not_found;
mod reconstruct;
mod studies;
mod study;
mod system;
mod watch;

pub use checkpoints::CheckpointsPage;
pub use compare::ComparePage;
pub use data::DataPage;
pub use new_study::NewStudyPage;
pub use not_found::NotFoundPage;
pub use reconstruct::ReconstructPage;
pub use studies::StudiesPage;
pub use study::StudyPage;
pub use system::SystemPage;
pub use watch::{RunningNow, WatchPage};
