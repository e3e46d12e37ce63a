//! Pretended libraries for the tests: C files compiled by the system's compiler, which the build of libjpeg needs, too.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

/// Compiles C text to a shared library in a folder that goes with the test.
pub fn compiled(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let [source, library] = ["pretended.c", "libpretended.so"].map(|name| folder.path().join(name));
    std::fs::write(&source, text).expect("a file");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(compiler.status().expect("a C compiler").success(), "{}", source.display());
    (folder, library)
}
