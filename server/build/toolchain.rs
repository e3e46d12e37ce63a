//! Finds a Rust toolchain that can compile for the browser.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where `scripts/wasm-toolchain.sh` puts a toolchain when rustup may not install the target.
const FALLBACK: &str = "debian-web";

/// A toolchain with the standard library for the browser.
pub enum Toolchain {
    /// The one that builds the rest of the program.
    Active,
    /// Another one, by the name that rustup knows it under.
    Named(String),
}

impl Toolchain {
    /// `MASKDOOR_WASM_TOOLCHAIN` if set, else the active toolchain, else the fallback.
    pub fn find() -> Result<Self, String> {
        if let Ok(name) = env::var("MASKDOOR_WASM_TOOLCHAIN")
            && !name.is_empty()
        {
            return Ok(if name == "default" { Self::Active } else { Self::Named(name) });
        }
        if active_has_target() {
            return Ok(Self::Active);
        }
        if runs(FALLBACK) {
            return Ok(Self::Named(FALLBACK.into()));
        }
        Err(format!(
            "no Rust toolchain here compiles for the browser ({TARGET}).\n\
             Run `scripts/setup.sh` (or `make build`), or `rustup target add {TARGET}`;\n\
             MASKDOOR_SKIP_FRONTEND=1 builds the program without its pages."
        ))
    }

    /// A cargo of this toolchain, free of what the outer cargo told this build script.
    pub fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Active => Command::new(env::var_os("CARGO").unwrap_or("cargo".into())),
            Self::Named(_) => Command::new("cargo"),
        };
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(belongs_to_the_outer_build) {
                command.env_remove(name);
            }
        }
        if let Self::Named(name) = self {
            command.env("RUSTUP_TOOLCHAIN", name);
        }
        command
    }
}

/// Flags, wrappers and targets of the host build must not leak into the browser build. The job server stays: both
/// share the machine's cores through it. Cargo's home and network settings stay, too.
fn belongs_to_the_outer_build(name: &str) -> bool {
    const STAYS: [&str; 5] =
        ["CARGO_HOME", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];
    const GOES: [&str; 9] =
        ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "CLIPPY_", "TARGET", "HOST", "OUT_DIR", "DEP_"];
    GOES.iter().any(|prefix| name.starts_with(prefix))
        && !STAYS.iter().any(|prefix| name.starts_with(prefix))
}

fn active_has_target() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let Ok(answer) = Command::new(rustc).args(["--print", "sysroot"]).output() else {
        return false;
    };
    let sysroot = String::from_utf8_lossy(&answer.stdout);
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib");
    let Ok(entries) = libraries.read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

fn runs(toolchain: &str) -> bool {
    Command::new("rustc")
        .arg("-V")
        .env("RUSTUP_TOOLCHAIN", toolchain)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
