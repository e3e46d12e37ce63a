//! The kernel files, and the constants that each is compiled with.

use sha2::{Digest, Sha256};

/// What a GPU has instructions for.
pub(crate) const INSTRUCTIONS: &str = include_str!("../kernels/ptx.cuh");
const COMMON: &str = include_str!("../kernels/common.cuh");
const ROWS: &str = include_str!("../kernels/rows.cuh");

/// A file of kernels with its constants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub name: &'static str,
    /// What every file uses, then the file.
    parts: Vec<&'static str>,
    pub constants: Vec<(&'static str, usize)>,
}

/// How a model's numbers are stored between its kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    /// Activations in single precision instead of bf16.
    pub activations_f32: bool,
    /// The residual stream and its gradient in single precision instead of bf16.
    pub residual_f32: bool,
}

impl Storage {
    /// Bytes of a number of an activation.
    pub fn activation(self) -> usize {
        if self.activations_f32 { 4 } else { 2 }
    }

    /// Bytes of a number of the residual stream.
    pub fn residual(self) -> usize {
        if self.residual_f32 { 4 } else { 2 }
    }
}

macro_rules! file {
    ($name:literal $(, $also:expr)*) => {
        Source {
            name: $name,
            parts: vec![COMMON, $($also,)* include_str!(concat!("../kernels/", $name, ".cu"))],
            constants: Vec::new(),
        }
    };
}

impl Source {
    /// Norms of `width` numbers; `single` where the norm's result is in single precision whatever the activations are.
    pub fn norm(width: usize, single: bool) -> Self {
        let source = file!("norm", ROWS).with(&[("WIDTH", width)]);
        if single { source.with(&[("OUT_F32", 1)]) } else { source }
    }

    pub fn tokens(width: usize) -> Self {
        file!("tokens", ROWS).with(&[("WIDTH", width)])
    }

    pub fn gelu(hidden: usize) -> Self {
        file!("gelu").with(&[("HIDDEN", hidden)])
    }

    pub fn attention() -> Self {
        file!("attention")
    }

    pub fn attention_plain() -> Self {
        file!("attention_plain")
    }

    pub fn pixels(side: usize, patch: usize) -> Self {
        file!("pixels").with(&[("SIDE", side), ("PATCH", patch)])
    }

    /// Crops of images of side `from`, resized to `to` by up to `taps` weights.
    pub fn crops(from: usize, to: usize, taps: usize) -> Self {
        file!("crops").with(&[("FROM", from), ("SIDE", to), ("TAPS", taps)])
    }

    pub fn loss() -> Self {
        file!("loss")
    }

    pub fn sums() -> Self {
        file!("sums")
    }

    pub fn adamw() -> Self {
        file!("adamw")
    }

    /// With these constants, too.
    pub fn with(mut self, constants: &[(&'static str, usize)]) -> Self {
        self.constants.extend_from_slice(constants);
        self
    }

    /// With numbers stored like this.
    pub fn stored(mut self, storage: Storage) -> Self {
        if storage.activations_f32 {
            self.constants.push(("ACT_F32", 1));
        }
        if storage.residual_f32 {
            self.constants.push(("RES_F32", 1));
        }
        self
    }

    /// The text to compile, behind the device's instructions or their emulation.
    pub fn text(&self, instructions: &str) -> String {
        let (file, common) = self.parts.split_last().expect("a file");
        format!("{instructions}\n{}\n#line 1 \"{}.cu\"\n{file}", common.concat(), self.name)
    }

    /// Names of the file's kernels.
    #[cfg(any(test, feature = "emulation"))]
    pub fn kernels(&self) -> impl Iterator<Item = &'static str> {
        let file: &'static str = self.parts.last().expect("a file");
        file.split("__global__").skip(1).map(|after| {
            // The bounds of the launch are calls of macros; the name is what the last opening bracket of the head follows.
            let bounds =
                after.find("__launch_bounds__(").map_or(0, |at| at + "__launch_bounds__(".len());
            let mut depth = 1;
            let end = after[bounds..].find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let rest = &after[bounds + end.expect("bounds end") + 1..];
            rest[..rest.find('(').expect("a kernel has arguments")].trim()
        })
    }

    /// SHA-256 in hex of all that the compiled file depends on besides the compiler.
    pub fn digest(&self, instructions: &str, compiler: &str) -> String {
        let text = format!("{compiler}\n{:?}\n{}", self.constants, self.text(instructions));
        format!("{:x}", Sha256::digest(text))
    }
}

#[cfg(test)]
mod tests;
