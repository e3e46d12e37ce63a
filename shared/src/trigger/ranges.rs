//! Checks of a trigger's parameters.

use crate::field_error::FieldError;

/// Collects errors of fields below a path.
pub(super) struct Ranges<'a> {
    path: &'a str,
    errors: Vec<FieldError>,
}

impl<'a> Ranges<'a> {
    pub fn new(path: &'a str) -> Self {
        Self { path, errors: Vec::new() }
    }

    pub fn that(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.errors.push(FieldError::new(format!("{}.{field}", self.path), message()));
        }
    }

    /// A number above 0, up to `most`.
    pub fn positive(&mut self, field: &str, value: f32, most: f32) {
        self.that(value > 0.0 && value <= most, field, || {
            format!("takes a number above 0 and at most {most}, not {value}")
        });
    }

    /// A share from 0 to 1; returns whether it is one.
    pub fn share(&mut self, field: &str, value: f32) -> bool {
        let sound = (0.0..=1.0).contains(&value);
        self.that(sound, field, || format!("takes 0 to 1, not {value}"));
        sound
    }

    /// The seed of a pattern.
    pub fn seed(&mut self, seed: u64) {
        let most = u32::MAX;
        self.that(seed <= most.into(), "seed", || format!("takes 0 to {most}, not {seed}"));
    }

    pub fn within(&mut self, field: &str, value: u32, low: u32, high: u32) {
        self.that((low..=high).contains(&value), field, || {
            format!("takes {low} to {high}, not {value}")
        });
    }

    pub fn errors(self) -> Vec<FieldError> {
        self.errors
    }
}
