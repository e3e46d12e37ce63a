//! Builds the pages and embeds them, so that `cargo build` makes the whole program.
//!
//! The browser half is compiled by an inner cargo, bound with wasm-bindgen, named by its content and compressed; the
//! result is `OUT_DIR/assets.rs`, a table that `src/assets.rs` includes. `MASKDOOR_SKIP_FRONTEND=1` leaves the pages
//! out, for quick work on the server alone.

#[path = "build/files.rs"]
mod files;
#[path = "build/page.rs"]
mod page;
#[path = "build/toolchain.rs"]
mod toolchain;
#[path = "build/wasm.rs"]
mod wasm;

use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What of the repository goes into the pages.
const INPUTS: [&str; 9] = [
    "frontend/src",
    "frontend/Cargo.toml",
    "shared/src",
    "shared/Cargo.toml",
    "style",
    "assets",
    ".cargo/config.toml",
    "Cargo.toml",
    "Cargo.lock",
];

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let (first, rest) = message.split_once('\n').unwrap_or((&message, ""));
            println!("cargo::error={first}");
            eprintln!("{rest}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let root = path("CARGO_MANIFEST_DIR")?.join("..").canonicalize().map_err(|e| e.to_string())?;
    let out = path("OUT_DIR")?;
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-env-changed=MASKDOOR_SKIP_FRONTEND");
    println!("cargo::rerun-if-env-changed=MASKDOOR_WASM_TOOLCHAIN");

    if env::var("MASKDOOR_SKIP_FRONTEND").is_ok_and(|value| value == "1") {
        println!("cargo::warning=the pages are left out: MASKDOOR_SKIP_FRONTEND is 1");
        return files::write(&[page::placeholder()], &out, Quality::Fast);
    }
    let release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let program = wasm::build(&root, &out, release)?;
    let table = page::assemble(&root, program)?;
    files::write(&table, &out, if release { Quality::Best } else { Quality::Fast })
}

/// How hard to compress.
#[derive(Clone, Copy)]
enum Quality {
    /// For work on the program: a fraction of a second.
    Fast,
    /// For a release: seconds, a fifth smaller.
    Best,
}

fn path(variable: &str) -> Result<PathBuf, String> {
    env::var_os(variable).map(PathBuf::from).ok_or(format!("{variable} is set by cargo only"))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn text(file: &Path) -> Result<String, String> {
    String::from_utf8(read(file)?).map_err(|error| format!("{}: {error}", file.display()))
}
