//! Compiles the browser half to WebAssembly, cuts off the pages that are loaded later, and writes the JavaScript bindings.

use std::{fs, path::Path};

use crate::{
    files::File,
    read, text,
    toolchain::{TARGET, Toolchain},
};

/// How the bindings call the file that loads further modules, and that file the bindings.
pub const LOADER: &str = "./loader.js";
/// How the loader calls the bindings.
pub const BINDINGS: &str = "./bindings.js";

/// The bound program.
pub struct Program {
    /// The module that starts, without a name of its content yet.
    pub wasm: Vec<u8>,
    /// The bindings: an ES module whose default export loads the module. They import [`LOADER`].
    pub bindings: String,
    /// Loads further modules, by the names that they have here. It imports [`BINDINGS`].
    pub loader: String,
    /// The modules that are loaded later, by name.
    pub later: Vec<(String, Vec<u8>)>,
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
    // Files of an earlier build would be embedded again.
    let parts = out.join("parts");
    let package = out.join("package");
    let _ = fs::remove_dir_all(&parts);
    let _ = fs::remove_dir_all(&package);
    let first = parts.join("frontend.wasm");
    let later = cut(&built, &parts, &first)?;
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&first)
        .web(true)
        .and_then(|bindgen| {
            bindgen
                .typescript(false)
                .omit_default_module_path(true)
                // The further modules import from this one.
                .keep_lld_exports(true)
                .remove_name_section(release)
                .remove_producers_section(release)
                .generate(&package)
        })
        .map_err(|error| format!("wasm-bindgen on {}: {error:#}", first.display()))?;

    let mut snippets = Vec::new();
    collect(&package.join("snippets"), &package, &mut snippets)?;
    Ok(Program {
        wasm: read(&package.join("frontend_bg.wasm"))?,
        bindings: text(&package.join("frontend.js"))?,
        loader: text(&parts.join(LOADER))?,
        later,
        snippets,
    })
}

/// Cuts the program where its functions are marked by `wasm_split`. The part that starts becomes the file `first`; the others are
/// returned by name.
fn cut(program: &Path, parts: &Path, first: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    fs::create_dir_all(parts).map_err(|error| format!("{}: {error}", parts.display()))?;
    let whole = read(program)?;
    let mut options = wasm_split_cli_support::Options::new(&whole);
    options.output_dir = parts;
    options.main_out_path = first;
    options.link_name = LOADER;
    options.main_module = BINDINGS;
    let cut = wasm_split_cli_support::transform(options)
        .map_err(|error| format!("{} cannot be cut: {error:#}", program.display()))?;
    let mut later = Vec::new();
    for path in cut.split_modules {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        later.push((name, read(&path)?));
    }
    later.sort();
    Ok(later)
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
