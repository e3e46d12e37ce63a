//! The attack editor.
