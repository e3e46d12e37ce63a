//! `faults.c`, compiled and loaded into a program: counts what it does to a folder, and fails or kills it at a chosen operation.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

/// `ENOSPC`, `EIO` and `EROFS`.
pub const ERRORS: [(&str, u64); 3] = [("ENOSPC", 28), ("EIO", 5), ("EROFS", 30)];

/// Compiles the library; `None`, with a message, where there is no C compiler or nothing to preload.
pub fn library() -> Option<PathBuf> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        eprintln!("skipped: faults are put between a program and glibc");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/crash/faults.c");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (library, own) =
        (folder.join("faults.so"), folder.join(format!("faults-{}.so", std::process::id())));
    let compiled = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .args([&own, &source])
        .args(["-ldl", "-lpthread"])
        .status();
    match compiled {
        Ok(status) => assert!(status.success(), "faults.c cannot be compiled"),
        Err(error) => {
            eprintln!("skipped: there is no C compiler cc ({error})");
            return None;
        }
    }
    // Tests of other processes may be loading it.
    fs::rename(&own, &library).unwrap();
    Some(library)
}

/// Which processes a fault may come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Any = 0,
    Server = 1,
    Worker = 2,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Nothing = 0,
    /// The process is killed before the operation.
    Kill = 1,
    /// A write is done by half, then the process is killed.
    KillTorn = 2,
    FailOnce = 3,
    /// This operation and all later ones fail until [`State::heal`].
    FailUntilHealed = 4,
}

/// A fault.
#[derive(Clone, Debug)]
pub struct Fault {
    pub what: What,
    pub error: u64,
    pub role: Role,
    /// The operations that count, as `faults.c` names them; empty for all.
    pub label: String,
    /// At which of them, from 1.
    pub at: u64,
}

impl Fault {
    pub fn none() -> Self {
        Self { what: What::Nothing, error: 0, role: Role::Any, label: String::new(), at: 0 }
    }
}

/// The state that the processes share with the suite: `struct state` of `faults.c`.
pub struct State {
    path: PathBuf,
    file: File,
}

const NUMBERS: usize = 8;
const MATCH: usize = 192;
const WHERE: usize = 256;

impl State {
    pub fn new(path: &Path, fault: &Fault) -> Self {
        let mut bytes = vec![0; NUMBERS * 8 + MATCH + WHERE];
        let numbers =
            [0, 0, fault.at, fault.what as u64, fault.error, fault.role as u64, 0, 0].into_iter();
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&u64::to_ne_bytes(number));
        }
        bytes[NUMBERS * 8..][..fault.label.len()].copy_from_slice(fault.label.as_bytes());
        fs::write(path, bytes).unwrap();
        let file = File::options().read(true).write(true).open(path).unwrap();
        Self { path: path.to_owned(), file }
    }

    fn number(&self, place: usize) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, place as u64 * 8).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// Operations of all processes.
    pub fn operations(&self) -> u64 {
        self.number(0)
    }

    /// How often the fault came.
    pub fn fired(&self) -> u64 {
        self.number(7)
    }

    /// Where it came first.
    pub fn place(&self) -> String {
        let mut bytes = [0; WHERE];
        self.file.read_exact_at(&mut bytes, (NUMBERS * 8 + MATCH) as u64).unwrap();
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(WHERE);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    }

    /// Operations succeed from now on.
    pub fn heal(&self) {
        self.file.write_all_at(&1u64.to_ne_bytes(), 6 * 8).unwrap();
    }
}

/// What a program is started with so that faults come to it.
pub struct Shim<'a> {
    pub library: &'a Path,
    pub state: &'a State,
    pub trace: Option<&'a Path>,
}

impl Shim<'_> {
    /// Puts it into a command that works on the data folder.
    pub fn load(&self, command: &mut Command, data: &Path) {
        command.env("LD_PRELOAD", self.library).env("FAULTS_ROOT", data);
        command.env("FAULTS_STATE", &self.state.path);
        if let Some(trace) = self.trace {
            command.env("FAULTS_TRACE", trace);
        }
    }
}
