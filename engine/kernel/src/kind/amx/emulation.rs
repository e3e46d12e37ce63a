//! AMX in software, for tests on processors that lack it. There, each AMX instruction raises `SIGILL`; the signal's handler does what
//! the instruction would have done (Intel's manual, volume 2, and chapter 18 of volume 1) and resumes after it.

use std::{cell::UnsafeCell, mem::zeroed, ptr::null_mut};

use libc::{SA_SIGINFO, SIGILL, c_int, c_void, siginfo_t, ucontext_t};

/// The registers of a thread.
struct Tiles {
    configured: bool,
    tiles: [[[u32; 16]; 16]; 8],
}

thread_local! {
    static TILES: UnsafeCell<Tiles> =
        const { UnsafeCell::new(Tiles { configured: false, tiles: [[[0; 16]; 16]; 8] }) };
}

/// Gives the threads of this process tiles from now on.
pub(super) fn install() {
    // SAFETY: the handler has the signature that `SA_SIGINFO` requires; it only touches the interrupted thread's registers and tiles,
    // and the memory that the instruction names.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handle as *const () as usize;
        action.sa_flags = SA_SIGINFO;
        assert_eq!(libc::sigaction(SIGILL, &raw const action, null_mut()), 0);
    }
}

/// Reads an instruction's bytes.
struct Decoder {
    at: *const u8,
    /// The inverted bits X, B and R of the prefix; they select registers 8 to 15.
    high: [usize; 3],
}

impl Decoder {
    /// # Safety
    /// There is another byte.
    unsafe fn byte(&mut self) -> u8 {
        // SAFETY: by the contract.
        unsafe {
            let byte = *self.at;
            self.at = self.at.add(1);
            byte
        }
    }

    /// # Safety
    /// An instruction's memory operand follows.
    unsafe fn address(&mut self, modrm: u8, registers: &[i64]) -> (*mut u8, usize) {
        /// General registers in the order of their numbers, as indices into the context.
        const NUMBERED: [c_int; 16] = [
            libc::REG_RAX,
            libc::REG_RCX,
            libc::REG_RDX,
            libc::REG_RBX,
            libc::REG_RSP,
            libc::REG_RBP,
            libc::REG_RSI,
            libc::REG_RDI,
            libc::REG_R8,
            libc::REG_R9,
            libc::REG_R10,
            libc::REG_R11,
            libc::REG_R12,
            libc::REG_R13,
            libc::REG_R14,
            libc::REG_R15,
        ];
        let value = |register: usize| registers[NUMBERED[register] as usize] as usize;
        // SAFETY: by the contract.
        unsafe {
            let (mut base, mut stride) = (usize::from(modrm & 7), 0);
            if base == 4 {
                let sib = self.byte();
                base = usize::from(sib & 7);
                let index = usize::from(sib >> 3 & 7) | self.high[0] << 3;
                if index != 4 {
                    stride = value(index) << (sib >> 6);
                }
            }
            assert!(modrm >> 6 != 0 || base & 7 != 5, "an address without a base register");
            let base = value(base | self.high[1] << 3);
            let offset = match modrm >> 6 {
                0 => 0,
                1 => self.byte().cast_signed() as isize,
                _ => i32::from_le_bytes(std::array::from_fn(|_| self.byte())) as isize,
            };
            (base.wrapping_add_signed(offset) as *mut u8, stride)
        }
    }
}

extern "C" fn handle(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system passes the interrupted thread's context; its instruction pointer is valid for the instruction.
    unsafe {
        let registers = &mut (*context.cast::<ucontext_t>()).uc_mcontext.gregs;
        let start = registers[libc::REG_RIP as usize] as *const u8;
        let mut decoder = Decoder { at: start, high: [0; 3] };
        let prefix: [u8; 3] = std::array::from_fn(|_| decoder.byte());
        if prefix[0] != 0xc4 || prefix[1] & 0x1f != 2 {
            libc::abort(); // not an AMX instruction: a real error
        }
        decoder.high = [6, 5, 7].map(|bit| usize::from(!prefix[1] >> bit & 1));
        let (kind, third) = (prefix[2] & 3, usize::from(!prefix[2] >> 3 & 7));
        let (opcode, modrm) = (decoder.byte(), decoder.byte());
        let (reg, rm) = (usize::from(modrm >> 3 & 7), usize::from(modrm & 7));
        TILES.with(|state| {
            let state = &mut *state.get();
            let configures = opcode == 0x49 && kind == 0;
            if !configures && !state.configured {
                libc::abort(); // a processor refuses it, too
            }
            let tiles = &mut state.tiles;
            match (opcode, kind, modrm >> 6) {
                (0x49, 0, 3) => state.configured = false,
                (0x49, 0, _) => {
                    let (from, _) = decoder.address(modrm, registers);
                    let bytes = from.cast::<[u8; 64]>().read();
                    let whole = (0..8).all(|i| {
                        bytes[16 + 2 * i] == 64 && bytes[17 + 2 * i] == 0 && bytes[48 + i] == 16
                    });
                    if bytes[0] != 1 || bytes[1..16] != [0; 15] || !whole {
                        libc::abort(); // only the kernels' tile shape is emulated
                    }
                    state.configured = true;
                    *tiles = [[[0; 16]; 16]; 8];
                }
                (0x49, 3, 3) => tiles[reg] = [[0; 16]; 16],
                (0x4b, 3, 0..3) => {
                    let (from, stride) = decoder.address(modrm, registers);
                    for (i, row) in tiles[reg].iter_mut().enumerate() {
                        *row = from.add(i * stride).cast::<[u32; 16]>().read_unaligned();
                    }
                }
                (0x4b, 2, 0..3) => {
                    let (to, stride) = decoder.address(modrm, registers);
                    for (i, row) in tiles[reg].iter().enumerate() {
                        to.add(i * stride).cast::<[u32; 16]>().write_unaligned(*row);
                    }
                }
                (0x5c, 2, 3) => tiles[reg] = with_products(tiles[reg], &tiles[rm], &tiles[third]),
                _ => libc::abort(),
            }
        });
        registers[libc::REG_RIP as usize] = decoder.at as i64;
    }
}

/// `sums + a b`: row `m` of `a` holds the pairs for each `k`, row `k` of `b` the pairs for each column `n`.
fn with_products(
    mut sums: [[u32; 16]; 16],
    a: &[[u32; 16]; 16],
    b: &[[u32; 16]; 16],
) -> [[u32; 16]; 16] {
    let halves = |word: u32| [word << 16, word & 0xffff_0000].map(f32::from_bits);
    for (sums, a) in sums.iter_mut().zip(a) {
        for (a, b) in a.iter().zip(b) {
            let a = halves(*a);
            for (sum, b) in sums.iter_mut().zip(b) {
                let b = halves(*b);
                *sum = (f32::from_bits(*sum) + a[0] * b[0] + a[1] * b[1]).to_bits();
            }
        }
    }
    sums
}
