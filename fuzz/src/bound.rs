//! The rule on memory: what an input may take, from its size.

use std::{
    panic,
    sync::{Mutex, Once, PoisonError},
};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held while memory is measured: tests run at the same time.
static ALONE: Mutex<()> = Mutex::new(());

/// Makes panics lines of text. The program catches those of libraries: a backtrace of them takes memory, and libFuzzer would end at them.
static LINES: Once = Once::new();

/// Bytes of memory that an input may take at one time.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// For each of its bytes.
    pub times: usize,
    /// On top of that.
    pub beside: usize,
}

impl Bound {
    /// Does the work that an input of `bytes` bytes asks for, and panics if that takes more memory than this.
    pub fn hold<T>(self, bytes: usize, work: impl FnOnce() -> T) -> T {
        LINES.call_once(|| panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let done = work();
        let taken = MEMORY.peak_usage().saturating_sub(before);
        drop(alone);
        let most = self.times * bytes + self.beside;
        assert!(taken <= most, "{taken} bytes of memory for {bytes} of input; {most} are allowed");
        done
    }
}
