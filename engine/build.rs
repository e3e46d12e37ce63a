//! Gives the engine a hash of everything that its results depend on besides the machine: its own sources and those of the crates
//! it computes with, the versions of the libraries, the compiler and the target.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

/// Sources and versions, relative to this folder.
const INPUTS: [&str; 5] = ["build.rs", "src", "kernel/src", "../shared/src", "../Cargo.lock"];

fn main() -> io::Result<()> {
    let mut hash = Sha256::new();
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
        let mut files = Vec::new();
        find(Path::new(input), &mut files)?;
        files.sort();
        for file in files {
            let bytes = fs::read(&file)?;
            // Names and lengths count too: otherwise text could move from one file to the next without changing the hash.
            hash.update(format!("{} {}\n", file.display(), bytes.len()));
            hash.update(bytes);
        }
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    hash.update(Command::new(rustc).arg("--version").output()?.stdout);
    for variable in ["TARGET", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
        hash.update(env::var(variable).unwrap_or_default());
        hash.update("\n");
    }
    println!("cargo::rustc-env=MASKDOOR_SOURCES={:x}", hash.finalize());
    Ok(())
}

/// All files at or below a path; none where it does not exist, as with `Cargo.lock` in a package.
fn find(place: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if place.is_dir() {
        for entry in fs::read_dir(place)? {
            find(&entry?.path(), files)?;
        }
    } else if place.is_file() {
        files.push(place.to_owned());
    }
    Ok(())
}
