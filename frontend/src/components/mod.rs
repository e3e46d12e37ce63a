//! Components that several pages share.

mod confirm;
mod controls;
mod fetched;
pub mod format;
mod icon;
mod message;
mod modal;
mod pager;
mod pixels;
mod problem;
mod progress;
mod show_more;
mod sort_head;
mod status;
mod themed;
mod upload;

pub use confirm::Confirm;
pub use controls::{ChipButton, Field, Segmented};
pub use fetched::{Fetched, fetched, fetched_every};
pub use icon::{Glyph, Icon};
pub use message::message;
pub use modal::Modal;
pub use pager::Pager;
pub use pixels::{PixelCanvas, decode_rgb};
pub use problem::{FieldMessage, ProblemBox};
pub use progress::{ProgressBar, ProgressRing};
pub use show_more::ShowMore;
pub use sort_head::{SortHead, next_sort};
pub use status::StateBadge;
pub use themed::{theme_changed, theme_changes};
pub use upload::{picked, send_file};
