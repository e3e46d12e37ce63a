//! Data sets: image folders and the built-in one, drawn by the program.
//!
//! An [`Index`] lists the images without opening one; [`inspect`] reads them all once, when a data set is added;
//! [`load_all`] reads those of a study into memory.

pub mod augment;
mod error;
mod index;
mod inspect;
mod load;

pub use error::DataError;
pub use index::{Entry, Index};
pub use inspect::inspect;
pub use load::{Pixels, Sample, load_all};
