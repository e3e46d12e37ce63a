//! Figures in a page: `shared::chart` draws them, a thin overlay shows the values.

mod figure;
mod hover;

pub use figure::{Downloads, FigureBox};
