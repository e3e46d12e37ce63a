//! Figures with hover.
