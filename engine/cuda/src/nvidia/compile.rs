//! Kernels from source to machine code by NVRTC, for one compute capability. Works without a GPU.

use std::{
    ffi::{CString, c_char},
    path::{Path, PathBuf},
};

use cudarc::nvrtc::{result, sys};

use crate::{
    Error, Result,
    kernels::{INSTRUCTIONS, Source},
};

/// Machine code.
pub(crate) struct Compiled {
    pub cubin: Vec<u8>,
    /// What the assembler says of registers and spills; empty where the code was kept from before.
    #[cfg_attr(not(test), expect(dead_code, reason = "read by tests"))]
    pub log: String,
    /// Whether it was kept from before.
    pub was_kept: bool,
}

/// Compiles a file for a compute capability such as 90. A file in the cache folder, named by the hash of all that decides the result, is
/// taken instead.
pub(crate) fn compile(source: &Source, capability: u32, cache: Option<&Path>) -> Result<Compiled> {
    let kept = cache.and_then(|folder| std::fs::read(kept_file(source, capability, folder)).ok());
    match kept {
        Some(cubin) => Ok(Compiled { cubin, log: String::new(), was_kept: true }),
        None => anew(source, capability, cache),
    }
}

/// Like [`compile`], whatever the cache folder has.
pub(crate) fn anew(source: &Source, capability: u32, cache: Option<&Path>) -> Result<Compiled> {
    let failed = |log: String| Error::Compile { file: format!("{}.cu", source.name), log };
    let mut options = vec![
        format!("--gpu-architecture=sm_{capability}"),
        "--std=c++17".into(),
        "--ptxas-options=-v".into(),
    ];
    options.extend(source.constants.iter().map(|(name, value)| format!("-D{name}={value}")));
    let (cubin, log) = translate(source, &options).map_err(failed)?;
    if let Some(folder) = cache {
        // What cannot be kept is compiled again.
        let _ = keep(&kept_file(source, capability, folder), &cubin);
    }
    Ok(Compiled { cubin, log, was_kept: false })
}

fn kept_file(source: &Source, capability: u32, folder: &Path) -> PathBuf {
    let digest = source.digest(INSTRUCTIONS, &format!("NVRTC {:?} sm_{capability}", version()));
    folder.join(format!("{}-{}.cubin", source.name, &digest[..32]))
}

/// Writes a file whole or not at all: several runs start at the same time.
fn keep(file: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut beside, content)?;
    beside.persist(file)?;
    Ok(())
}

#[expect(unsafe_code, reason = "a call into an open library")]
fn version() -> (i32, i32) {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the pointers are to variables of this frame.
    let _ = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    (major, minor)
}

#[expect(unsafe_code, reason = "calls into an open library")]
fn translate(source: &Source, options: &[String]) -> Result<(Vec<u8>, String), String> {
    let text = CString::new(source.text(INSTRUCTIONS)).map_err(|error| error.to_string())?;
    let name = CString::new(format!("{}.cu", source.name)).map_err(|error| error.to_string())?;
    let program = result::create_program(&text, Some(&name)).map_err(|error| error.to_string())?;
    // SAFETY: the program is destroyed at the end only; the buffer has the size that NVRTC asked for.
    unsafe {
        let outcome = result::compile_program(program, options);
        let log = result::get_program_log(program).unwrap_or_default();
        let log: Vec<u8> = log.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
        let log = String::from_utf8_lossy(&log).into_owned();
        let code = outcome.map_err(|error| format!("{error}\n{log}")).and_then(|()| {
            let told = |error: result::NvrtcError| error.to_string();
            let mut size = 0;
            sys::nvrtcGetCUBINSize(program, &raw mut size).result().map_err(told)?;
            let mut cubin = vec![0u8; size];
            sys::nvrtcGetCUBIN(program, cubin.as_mut_ptr().cast::<c_char>())
                .result()
                .map_err(told)?;
            Ok(cubin)
        });
        let _ = result::destroy_program(program);
        Ok((code?, log))
    }
}
