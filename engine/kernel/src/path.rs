//! Which instruction set multiplies.

use std::{fmt, str::FromStr, sync::OnceLock};

/// An instruction set that matrix products and loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// What every processor of the target has.
    Portable,
    /// AVX2 with FMA: 8 numbers at a time.
    Avx2,
    /// AVX-512: 16 numbers at a time.
    Avx512,
    /// AVX-512 with products of bf16 pairs.
    Avx512Bf16,
    /// AVX-512, and AMX's tiles for products of bf16 pairs. Used only when requested by name: its speed has not been measured on a
    /// processor with AMX.
    Amx,
}

impl Path {
    /// All of them, from the most basic to the most advanced.
    pub const ALL: [Self; 5] =
        [Self::Portable, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Amx => "amx",
        }
    }

    /// Describes for people how it multiplies.
    pub const fn tells(self, precision: Precision) -> &'static str {
        match (self, precision) {
            (Self::Portable, Precision::F32) => "four numbers at a time",
            (Self::Avx2, Precision::F32) => "8 numbers at a time",
            (Self::Avx512 | Self::Avx512Bf16 | Self::Amx, Precision::F32) => "16 numbers at a time",
            (Self::Avx512Bf16, Precision::Bf16) => "16 pairs at a time",
            (Self::Amx, Precision::Bf16) => "squares of 16 x 16 pairs at a time",
            (_, Precision::Bf16) => "as f32, with rounded factors",
        }
    }

    /// Whether this processor has it.
    pub fn is_here(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = || pulp::x86::V4::try_new().is_some();
            match self {
                Self::Portable => true,
                Self::Avx2 => avx2 && pulp::x86::V3::try_new().is_some(),
                Self::Avx512 => avx2 && avx512(),
                Self::Avx512Bf16 => avx2 && avx512() && is_x86_feature_detected!("avx512bf16"),
                Self::Amx => avx2 && avx512() && crate::kind::amx::is_here(),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// Those that this processor has, from the most basic to the most advanced.
    pub fn here() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_here())
    }

    /// The fastest one of this processor among those that have been measured: all but [`Amx`](Self::Amx).
    pub fn fastest() -> Self {
        static FASTEST: OnceLock<Path> = OnceLock::new();
        *FASTEST.get_or_init(|| Self::fastest_of(Self::here()))
    }

    fn fastest_of(here: impl Iterator<Item = Self>) -> Self {
        here.filter(|&path| path != Self::Amx).max().unwrap_or(Self::Portable)
    }

    /// The one with this name, or [`fastest`](Self::fastest) for `None`.
    ///
    /// # Errors
    /// A message when no path has this name, or this processor lacks it.
    pub fn named(name: Option<&str>) -> Result<Self, String> {
        let Some(name) = name else { return Ok(Self::fastest()) };
        let path: Self = name.parse()?;
        if path.is_here() {
            Ok(path)
        } else {
            Err(format!("this processor has no {path}; it has {}", names(Self::here())))
        }
    }
}

fn names(paths: impl Iterator<Item = Path>) -> String {
    paths.map(Path::name).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|path| path.name() == name);
        found.ok_or_else(|| format!("\"{name}\" is not one of {}", names(Self::ALL.into_iter())))
    }
}

/// The precision of the numbers that matrix products multiply. Sums, parameters and everything else are single precision in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// The upper half of single precision: the same range of exponents, 8 instead of 24 significant bits.
    Bf16,
}

/// How a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels {
    /// Instruction set.
    pub path: Path,
    /// Factors of the products.
    pub precision: Precision,
}

impl Kernels {
    /// The same instruction set in single precision.
    #[must_use]
    pub fn in_single(self) -> Self {
        Self { precision: Precision::F32, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for path in Path::ALL {
            assert_eq!(path.name().parse(), Ok(path));
        }
        let error = "sse9".parse::<Path>().unwrap_err();
        assert_eq!(error, "\"sse9\" is not one of portable, avx2, avx512, avx512-bf16, amx");
        assert_eq!(Path::here().next(), Some(Path::Portable));
    }

    #[test]
    fn amx_is_used_only_when_it_is_asked_for() {
        assert_eq!(Path::fastest_of(Path::ALL.into_iter()), Path::Avx512Bf16);
        assert_eq!(Path::fastest_of([Path::Portable, Path::Avx2].into_iter()), Path::Avx2);
        assert_eq!(Path::named(None), Ok(Path::fastest()));
        assert_ne!(Path::fastest(), Path::Amx);
        assert_eq!(Path::named(Some("amx")).is_ok(), Path::Amx.is_here());
        assert_eq!(Path::named(Some("portable")), Ok(Path::Portable));
    }
}
