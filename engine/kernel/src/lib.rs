//! Arithmetic on slices: matrix products and loops over numbers, compiled for several instruction sets.
//!
//! The only crate of the workspace that contains `unsafe` code. The instruction set is chosen at run time ([`Kernels`]); every choice
//! gives the same numbers up to rounding, and the same bits every time. All work happens on the calling thread; sharing work
//! between threads is up to the caller.
//!
//! | file | holds |
//! |---|---|
//! | `path` | which instruction set multiplies, and how many bits the factors have |
//! | [`vector`] | loops that the compiler vectorises: sums, `exp`, the normal distribution |
//! | `matrix`, `packed`, `matmul` | matrix products: the safe interface to the tiles |
//! | `pack`, `turn` | the panels that tiles read |
//! | `tile`, `kind` | a tile of a product in registers, for each instruction set |
//! | `words` | aligned memory that is reused |

#![warn(missing_docs)]

mod kind;
mod matmul;
mod matrix;
mod pack;
mod packed;
mod path;
mod tile;
#[cfg(target_arch = "x86_64")]
mod turn;
pub mod vector;
mod words;

#[doc(hidden)]
pub use pulp;

pub use matrix::{Matrix, MatrixMut};
pub use packed::{Factor, Packed, Panels};
pub use path::{Kernels, Path, Precision};
