//! The `maskdoor` program.

use std::process::ExitCode;

/// Training and serving allocate from many threads at once; this allocator does so without a global lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
