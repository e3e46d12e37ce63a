//! Compiles the browser half to WebAssembly and writes its JavaScript bindings.

use std::{fs, path::Path};

use crate::{
    files::File,
    read,
    toolchain::{TARGET, Toolchain},
};

/// The bound program.
pub struct Program {
    /// The module, without a name of its content yet.
    pub wasm: Vec<u8>,
    /// The bindings: an ES module whose default export loads the module.
    pub bindings: Vec<u8>,
    /// JavaScript that crates brought along; the bindings import it by these paths.
    pub snippets: Vec<File>,
}

/// Compiles and binds the crate `frontend`.
pub fn build(root: &Path, out: &Path, release: bool) -> Result<Program, String> {
    let profile = if release { "web" } else { "web-dev" };
    // A folder of its own: the outer cargo holds the lock of the usual one.
    let target_dir = root.join("target/web");
    let answer = Toolchain::find()?
        .cargo()
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--package",
            "frontend",
            "--target",
            TARGET,
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(&target_dir)
        .output()
        .map_err(|error| format!("cargo for the browser half cannot be started: {error}"))?;
    if !answer.status.success() {
        let log = String::from_utf8_lossy(&answer.stderr);
        return Err(format!("the browser half does not compile:\n{}", log.trim_end()));
    }

    let built = target_dir.join(TARGET).join(profile).join("frontend.wasm");
    let package = out.join("package");
    // Files of an earlier build would be embedded again.
    let _ = fs::remove_dir_all(&package);
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&built)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .omit_default_module_path(true)
                .remove_name_section(release)
                .remove_producers_section(release)
                .generate(&package)
        })
        .map_err(|error| format!("wasm-bindgen on {}: {error:#}", built.display()))?;

    let mut snippets = Vec::new();
    collect(&package.join("snippets"), &package, &mut snippets)?;
    Ok(Program {
        wasm: read(&package.join("frontend_bg.wasm"))?,
        bindings: read(&package.join("frontend.js"))?,
        snippets,
    })
}

fn collect(folder: &Path, base: &Path, found: &mut Vec<File>) -> Result<(), String> {
    let Ok(entries) = folder.read_dir() else { return Ok(()) };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, base, found)?;
        } else {
            let name = path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned();
            found.push(File::lasting(name, read(&path)?));
        }
    }
    Ok(())
}
