//! Data sets: folders in the layouts of the field, and the built-in one, drawn by the program.
//!
//! | step | function |
//! |---|---|
//! | a data set is added: its layout is found, every image decoded once, unreadable ones are named | [`inspect`] |
//! | its images are listed, in the order that every plan and page means | [`Index::open`], [`Index::limited`] |
//! | one image is looked at | [`Index::load`] |
//! | a file that is in no data set is looked at as if it were | [`picture`] |
//! | a study's images are read into memory, or left in their files when they are many | [`load_within`] |
//! | an image becomes a row of a batch | [`augment`] |

pub mod augment;
mod error;
mod fingerprint;
mod index;
mod inspect;
mod known;
mod layout;
mod load;
pub mod mix;
mod parallel;
mod records;
pub mod shapes;
mod unicode;

pub use error::{DataError, Unreadable};
pub use index::{Entry, Index, picture};
pub use inspect::{Inspected, inspect};
pub use load::{Pixels, Sample, load_within};
pub use unicode::composed;
use unicode::decomposed;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
