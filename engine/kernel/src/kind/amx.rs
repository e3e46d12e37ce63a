//! AMX: tile registers of 16 x 16 sums. One instruction adds products of bf16 pairs to them, 16 words of the inner dimension at a
//! time.
//!
//! The compiler does not know the tile registers or their configuration and never touches them, so they keep their values from
//! one instruction here to the next.
#![expect(unsafe_code, reason = "instructions that the compiler has no functions for")]

#[cfg(all(test, target_os = "linux"))]
mod emulation;

use std::arch::asm;

use super::Entry;
use crate::tile::{Call, Part, Piece, Pieces};

/// Rows, columns and words of a tile.
pub(crate) const SIDE: usize = 16;
/// Rows and columns computed at once.
const BLOCK: usize = 2 * SIDE;
/// Bytes of a tile's row.
const ROW_BYTES: u8 = 64;

pub(super) const PAIRS: Entry = Entry { rows: SIDE, columns: BLOCK, lanes: SIDE, run };

/// Whether the processor has the tiles and the system lets this process use them.
pub(crate) fn is_here() -> bool {
    static HERE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *HERE.get_or_init(|| {
        let here = has_tiles() && may_use_tiles();
        #[cfg(all(test, target_os = "linux"))]
        if !here && is_x86_feature_detected!("avx512bf16") {
            emulation::install();
            return true;
        }
        here
    })
}

fn has_tiles() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    if !is_x86_feature_detected!("avx512bf16") || __cpuid(0).eax < 7 {
        return false;
    }
    // Intel's manual: amx-bf16 and amx-tile.
    let features = __cpuid_count(7, 0).edx;
    features >> 22 & 1 == 1 && features >> 24 & 1 == 1
}

/// Asks Linux for permission to use the registers. On other systems the answer is no.
fn may_use_tiles() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILEDATA: i64 = 18;
        let mut result = ARCH_PRCTL;
        // SAFETY: the call only changes what this process may use; like every system call, it overwrites rcx and r11.
        unsafe {
            asm!("syscall", inout("rax") result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XFEATURE_XTILEDATA,
                out("rcx") _, out("r11") _, options(nostack));
        }
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Eight tiles of 16 rows of 64 bytes.
static CONFIGURATION: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        ROW_BYTES as u16,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// `tmm = 16 rows of 64 bytes, stride bytes apart`.
macro_rules! load {
    ($tile:literal, $from:expr, $stride:expr) => {
        asm!(concat!("tileloadd tmm", $tile, ", [{from} + {stride}*1]"), from = in(reg) $from, stride = in(reg) $stride,
            options(nostack, readonly, preserves_flags))
    };
}

macro_rules! store {
    ($tile:literal, $to:expr, $stride:expr) => {
        asm!(concat!("tilestored [{to} + {stride}*1], tmm", $tile), to = in(reg) $to, stride = in(reg) $stride,
            options(nostack, preserves_flags))
    };
}

macro_rules! zero {
    ($tile:literal) => {
        asm!(concat!("tilezero tmm", $tile), options(nostack, nomem, preserves_flags))
    };
}

/// `sum += a b`
macro_rules! add_products {
    ($sum:literal, $a:literal, $b:literal) => {
        asm!(
            concat!("tdpbf16ps tmm", $sum, ", tmm", $a, ", tmm", $b),
            options(nostack, nomem, preserves_flags)
        )
    };
}

/// # Safety
/// [`is_here`] holds, and the call's pointers are valid for its sizes, with the rows and words of A and the columns and words of B
/// rounded up to the next multiple of [`SIDE`].
unsafe fn run(call: &Call<'_>) {
    // SAFETY: by the contract; row and column are within the call's sizes. A block that reaches beyond C is computed in an array that
    // holds all of it, and only the part inside C is copied or added.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const CONFIGURATION, options(nostack, readonly, preserves_flags));
        for column in (0..call.columns).step_by(BLOCK) {
            let columns = BLOCK.min(call.columns - column);
            let wide = columns.div_ceil(SIDE);
            for (at, piece) in Pieces::of(call.parts).enumerate() {
                let add = call.add || at > 0;
                for row in (0..call.rows).step_by(BLOCK) {
                    let rows = BLOCK.min(call.rows - row);
                    let tall = rows.div_ceil(SIDE);
                    let block = Block { call, piece, row, column, width: wide * SIDE };
                    let c = call.c.add(row * call.c_row + column);
                    if rows == tall * SIDE && columns == wide * SIDE {
                        block.sized(tall, wide, c, call.c_row, add);
                        continue;
                    }
                    let mut beside = [0.0f32; BLOCK * BLOCK];
                    block.sized(tall, wide, beside.as_mut_ptr(), BLOCK, false);
                    for row in 0..rows {
                        for column in 0..columns {
                            let to = c.add(row * call.c_row + column);
                            let sum = beside[row * BLOCK + column];
                            *to = if add { *to + sum } else { sum };
                        }
                    }
                }
            }
        }
        asm!("tilerelease", options(nostack, nomem, preserves_flags));
    }
}

/// Up to 2 x 2 tiles.
#[derive(Clone, Copy)]
struct Block<'a> {
    call: &'a Call<'a>,
    piece: Piece<'a>,
    row: usize,
    column: usize,
    /// Width of B's panel.
    width: usize,
}

impl Block<'_> {
    /// # Safety
    /// As for [`run`], for this block of `tall x wide` tiles; C has room for all of them.
    unsafe fn sized(self, tall: usize, wide: usize, c: *mut f32, c_row: usize, add: bool) {
        // SAFETY: by the contract.
        unsafe {
            match (tall, wide) {
                (2, 2) => self.tiles::<2, 2>(c, c_row, add),
                (2, 1) => self.tiles::<2, 1>(c, c_row, add),
                (1, 2) => self.tiles::<1, 2>(c, c_row, add),
                _ => self.tiles::<1, 1>(c, c_row, add),
            }
        }
    }

    /// # Safety
    /// As for [`sized`](Self::sized).
    unsafe fn tiles<const TALL: usize, const WIDE: usize>(
        self,
        c: *mut f32,
        c_row: usize,
        add: bool,
    ) {
        let stride = c_row * size_of::<f32>();
        // SAFETY: by the contract, a tile of C is 16 rows of 16 numbers.
        unsafe {
            let corner = |i: usize, j: usize| c.add(i * SIDE * c_row + j * SIDE);
            if add {
                load!(0, corner(0, 0), stride);
                if WIDE == 2 {
                    load!(1, corner(0, 1), stride);
                }
                if TALL == 2 {
                    load!(2, corner(1, 0), stride);
                }
                if TALL == 2 && WIDE == 2 {
                    load!(3, corner(1, 1), stride);
                }
            } else {
                zero!(0);
                zero!(1);
                zero!(2);
                zero!(3);
            }
            for (part, from, words) in self.piece.parts() {
                self.add_part::<TALL, WIDE>(part, from, words);
            }
            store!(0, corner(0, 0), stride);
            if WIDE == 2 {
                store!(1, corner(0, 1), stride);
            }
            if TALL == 2 {
                store!(2, corner(1, 0), stride);
            }
            if TALL == 2 && WIDE == 2 {
                store!(3, corner(1, 1), stride);
            }
        }
    }

    /// Adds the products of `words` words of a part, starting at `from`; both are multiples of 16.
    ///
    /// # Safety
    /// As for [`sized`](Self::sized).
    #[expect(clippy::inline_always, reason = "the innermost loop")]
    #[inline(always)]
    unsafe fn add_part<const TALL: usize, const WIDE: usize>(
        self,
        part: &Part,
        from: usize,
        words: usize,
    ) {
        let Self { call, row, column, width, .. } = self;
        let [a_stride, b_stride] = [call.a_row, width].map(|words| words * size_of::<u32>());
        // SAFETY: by the contract, words, rows and columns exist up to the next multiple of 16.
        unsafe {
            let mut a = part.a.add(row * part.a_block + from * call.a_step);
            let mut b = part.b.add(column * part.b_words + from * width);
            for _ in 0..words / SIDE {
                load!(4, a, a_stride);
                load!(6, b, b_stride);
                add_products!(0, 4, 6);
                if WIDE == 2 {
                    load!(7, b.add(SIDE), b_stride);
                    add_products!(1, 4, 7);
                }
                if TALL == 2 {
                    load!(5, a.add(SIDE * part.a_block), a_stride);
                    add_products!(2, 5, 6);
                }
                if TALL == 2 && WIDE == 2 {
                    add_products!(3, 5, 7);
                }
                a = a.wrapping_add(SIDE * call.a_step);
                b = b.wrapping_add(SIDE * width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Path;

    #[test]
    fn the_tiles_are_tested_here() {
        if is_x86_feature_detected!("avx512bf16") && cfg!(target_os = "linux") {
            assert!(Path::here().any(|path| path == Path::Amx), "by the processor or in software");
        } else {
            eprintln!("skipped: the tiles of AMX need Linux and a processor with AVX-512 and bf16");
        }
    }
}
