//! Which instruction set multiplies.

use std::{fmt, str::FromStr, sync::OnceLock};

/// Environment variable that chooses the instruction set: the name of a [`Path`].
pub const KERNELS_VARIABLE: &str = "MASKDOOR_KERNELS";

/// An instruction set that matrix products and loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Path {
    /// What every machine of the target has.
    Portable,
    /// AVX2 with FMA: 8 numbers at a time.
    Avx2,
    /// AVX-512: 16 numbers at a time.
    Avx512,
    /// AVX-512 with products of bf16 pairs.
    Avx512Bf16,
    /// AVX-512, and AMX's tiles for products of bf16 pairs.
    Amx,
}

impl Path {
    /// All of them, the plainest first.
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

    /// What it multiplies with, in words.
    pub const fn tells(self, precision: Precision) -> &'static str {
        match (self, precision) {
            (Self::Portable, Precision::F32) => "four numbers at a time",
            (Self::Avx2, Precision::F32) => "8 numbers at a time",
            (Self::Avx512 | Self::Avx512Bf16 | Self::Amx, Precision::F32) => "16 numbers at a time",
            (Self::Avx512Bf16, Precision::Bf16) => "16 pairs at a time",
            (Self::Amx, Precision::Bf16) => "squares of 16 x 16 pairs at a time",
            (_, Precision::Bf16) => "as f32, of rounded numbers",
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

    /// Those that this processor has, the plainest first.
    pub fn here() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|path| path.is_here())
    }

    /// The one that `MASKDOOR_KERNELS` names, or the fastest of this processor.
    ///
    /// # Errors
    /// A sentence when the variable names none, or one that this processor lacks.
    pub fn chosen() -> Result<Self, String> {
        static CHOSEN: OnceLock<Result<Path, String>> = OnceLock::new();
        CHOSEN.get_or_init(Self::choose).clone()
    }

    fn choose() -> Result<Self, String> {
        let Ok(name) = std::env::var(KERNELS_VARIABLE) else {
            return Ok(Self::here().last().unwrap_or(Self::Portable));
        };
        let path: Self = name.parse().map_err(|error| format!("{KERNELS_VARIABLE}: {error}"))?;
        if path.is_here() {
            Ok(path)
        } else {
            Err(format!(
                "{KERNELS_VARIABLE}: this processor has no {path}; it has {}",
                names(Self::here())
            ))
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
        found.ok_or_else(|| format!("\"{name}\" is none of {}", names(Self::ALL.into_iter())))
    }
}

/// The numbers that matrix products multiply. Sums, parameters and everything else is single precision in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// The upper half of single precision: as many exponents, 8 instead of 24 digits.
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
    /// With the chosen instruction set ([`Path::chosen`]); where the choice cannot be met, with the plainest: a program checks
    /// the choice when it starts.
    pub fn new(precision: Precision) -> Self {
        Self { path: Path::chosen().unwrap_or(Path::Portable), precision }
    }

    /// In single precision.
    pub fn single() -> Self {
        Self::new(Precision::F32)
    }

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
        assert_eq!(error, "\"sse9\" is none of portable, avx2, avx512, avx512-bf16, amx");
        assert_eq!(Path::here().next(), Some(Path::Portable));
    }
}
