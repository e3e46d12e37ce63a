//! Figures in a page: `shared::chart` draws them, a thin overlay shows the values.

mod brush;
mod dots;
mod figure;
mod hover;
mod legend;

pub use brush::Brushed;
pub use figure::{Downloads, FigureBox};
pub use legend::Hiding;
