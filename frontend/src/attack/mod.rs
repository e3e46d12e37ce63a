//! The attack editor's preview: images of the data set as raw pixels, poisoned and drawn in the browser by the same code
//! that poisons the training set. No request goes out while a slider moves.

mod drag;
mod glyph;
mod key;
mod mosaic;
mod overlay;
mod painter;
mod picture;
mod preview;
mod render;

pub use glyph::{TriggerGlyph, TriggerOnImage};
pub use key::{SIDES, key_pixels, wanted_key};
pub use overlay::patches_path;
pub use picture::{Picture, Which, pictures, samples_path, split_name};
pub use preview::{Preview, Scene};
pub use render::{Training, numbers};
