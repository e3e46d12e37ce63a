//! The `maskdoor` program.

use std::process::ExitCode;

/// Training and serving allocate in many threads at once, which this allocator does without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
