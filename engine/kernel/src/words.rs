//! Aligned, reusable memory for packed matrices.
#![expect(unsafe_code, reason = "one cast between arrays of plain numbers")]

/// A cache line of 32-bit words.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([u32; 16]);

/// 32-bit words that begin at a cache line: the bits of an `f32`, or two bf16 numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    lines: Vec<Line>,
    len: usize,
}

impl Words {
    /// Memory for `len` words, with unspecified content. Allocates only to grow.
    pub fn sized(&mut self, len: usize) -> &mut [u32] {
        let lines = len.div_ceil(16);
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; 16]));
        }
        self.len = len;
        // SAFETY: the vector holds at least `len` words in a row (an array of `Line`s has no gaps: size and alignment are 64
        // bytes), all of them initialised, and the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), len) }
    }

    /// The words as [`sized`](Self::sized) left them, to write.
    pub fn get_mut(&mut self) -> &mut [u32] {
        self.sized(self.len)
    }

    /// The words as [`sized`](Self::sized) left them.
    pub fn get(&self) -> &[u32] {
        // SAFETY: as in `sized`; `len` is the length last requested, and the vector only grows.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}
