//! Shorthand for a [`Number`](crate::pages::new_study::number::Number) at a place of the specification.

/// A whole number at a place of the specification.
macro_rules! whole {
    ($path:literal, $label:literal, $unit:literal, $low:literal ..= $high:literal, |$spec:ident| $place:expr, $why:literal) => {
        Number {
            path: $path,
            label: $label,
            unit: $unit,
            low: $low as f64,
            high: $high as f64,
            step: 1.0,
            whole: true,
            why: $why,
            get: |$spec| f64::from($place),
            set: |$spec, value| $place = value as u32,
        }
    };
}

/// A number with a fraction at a place of the specification.
macro_rules! real {
    ($path:literal, $label:literal, $unit:literal, $low:literal ..= $high:literal, $step:literal, |$spec:ident| $place:expr, $why:literal) => {
        Number {
            path: $path,
            label: $label,
            unit: $unit,
            low: $low,
            high: $high,
            step: $step,
            whole: false,
            why: $why,
            get: |$spec| $place,
            set: |$spec, value| $place = value,
        }
    };
}

pub(super) use {real, whole};
