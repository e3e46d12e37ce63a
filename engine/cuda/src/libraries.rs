//! Which of NVIDIA's libraries this machine has, where, and in which version.
//!
//! `cudarc` asks the loader for names alone (`libnvrtc.so.13`) and panics at the first call into a library that is not there. So every
//! library is looked for before it is used, and one that lies elsewhere, such as in a Python wheel, is opened by its path: from then on
//! the loader gives the open one to whoever asks for its name. What is opened stays open, because NVIDIA's libraries have threads of
//! their own that outlive a call; NCCL crashes when it is closed.

#![expect(unsafe_code, reason = "opens C libraries and asks them for their versions")]

use std::{
    ffi::{OsString, c_int},
    fs,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{Error, Result};

/// Environment variable with folders to look in first, separated by colons.
pub const LIBRARIES_VARIABLE: &str = "MASKDOOR_CUDA_LIBRARIES";

/// One of NVIDIA's libraries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Library {
    /// The driver, which every use of a GPU needs.
    Driver,
    /// The compiler of the kernels.
    Nvrtc,
    /// Matrix products.
    CublasLt,
    /// Sums over several GPUs.
    Nccl,
    /// Load, temperature and processes of GPUs.
    Nvml,
}

/// Where a library was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its file, or the name under which the loader gave it.
    pub file: PathBuf,
    /// Its version, where it tells one.
    pub version: Option<String>,
}

/// A library and where it is, or a sentence on what is missing and what brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// The library.
    pub library: Library,
    /// Where it is, or what is missing.
    pub found: Result<Found, String>,
}

/// What this machine has of NVIDIA's libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Libraries {
    sought: Vec<Sought>,
}

impl Library {
    /// All of them, in the order in which they are opened.
    pub const ALL: [Self; 5] = [Self::Driver, Self::Nvrtc, Self::CublasLt, Self::Nccl, Self::Nvml];

    /// The name that NVIDIA gives it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Driver => "NVIDIA driver",
            Self::Nvrtc => "NVRTC",
            Self::CublasLt => "cuBLASLt",
            Self::Nccl => "NCCL",
            Self::Nvml => "NVML",
        }
    }

    /// What it is for.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Driver => "runs anything on a GPU",
            Self::Nvrtc => "compiles the kernels",
            Self::CublasLt => "multiplies matrices",
            Self::Nccl => "adds up over several GPUs",
            Self::Nvml => "tells load and temperature",
        }
    }

    /// Names of its file, the preferred one first. A name of another version has another interface.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Driver => &["libcuda.so.1"],
            Self::Nvrtc => &["libnvrtc.so.13", "libnvrtc.so.12"],
            Self::CublasLt => &["libcublasLt.so.13", "libcublasLt.so.12"],
            Self::Nccl => &["libnccl.so.2"],
            Self::Nvml => &["libnvidia-ml.so.1"],
        }
    }

    /// The package that brings it, for a driver of this major version of CUDA.
    fn brought_by(self, cuda: u32) -> String {
        let wheel = match (self, cuda) {
            (Self::Driver | Self::Nvml, _) => {
                return "it comes with NVIDIA's driver: on Ubuntu `sudo ubuntu-drivers install`, on Debian the package \
                        nvidia-driver; in a container start it with `--gpus all`"
                    .into();
            }
            (Self::Nvrtc, 12) => "nvidia-cuda-nvrtc-cu12",
            (Self::Nvrtc, _) => "nvidia-cuda-nvrtc",
            (Self::CublasLt, 12) => "nvidia-cublas-cu12",
            (Self::CublasLt, _) => "nvidia-cublas",
            (Self::Nccl, 12) => "nvidia-nccl-cu12",
            (Self::Nccl, _) => "nvidia-nccl-cu13",
        };
        format!("`pip install {wheel}` brings it, and so does NVIDIA's toolkit")
    }

    /// The sentence for a library that is not there. `failed` tells of files that were there but could not be opened.
    fn missing(self, cuda: u32, failed: &[String]) -> String {
        let (title, names) = (self.title(), self.names().join(" or "));
        let mut text = format!("no {title} ({names}): {}", self.brought_by(cuda));
        for reason in failed {
            text = format!("{text}; {reason}");
        }
        text
    }
}

impl Libraries {
    /// Looks for all libraries and opens those that are there, once in the life of the program. Never panics.
    pub fn open() -> &'static Self {
        // The loader, too, has one state for the whole process.
        static OPEN: OnceLock<Libraries> = OnceLock::new();
        OPEN.get_or_init(|| Self::look(&Folders::of_environment()))
    }

    fn look(folders: &Folders) -> Self {
        let mut cuda = NEWEST;
        let mut sought = Vec::new();
        for library in Library::ALL {
            let found = find(library, folders, cuda, &open);
            let found = found.map(|(file, handle)| {
                let version = version(library, &handle);
                if library == Library::Driver
                    && let Some(major) = version.as_deref().and_then(major)
                {
                    cuda = major;
                }
                Found { file, version }
            });
            sought.push(Sought { library, found });
        }
        Self { sought }
    }

    /// All libraries.
    pub fn all(&self) -> &[Sought] {
        &self.sought
    }

    /// Where a library is.
    ///
    /// # Errors
    /// When it is not there: what brings it.
    pub fn get(&self, library: Library) -> Result<&Found> {
        let sought = self.sought.iter().find(|sought| sought.library == library);
        match sought.map(|sought| &sought.found) {
            Some(Ok(found)) => Ok(found),
            Some(Err(missing)) => Err(Error::Missing(missing.clone())),
            None => Err(Error::Missing(library.missing(NEWEST, &[]))),
        }
    }

    /// Checks that everything is there that a training on one GPU calls.
    ///
    /// # Errors
    /// Every library that is missing, with what brings it.
    pub fn can_train(&self) -> Result<()> {
        let needed = [Library::Driver, Library::Nvrtc, Library::CublasLt];
        let missing: Vec<String> = needed
            .into_iter()
            .filter_map(|library| self.get(library).err())
            .map(|error| error.to_string())
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(Error::Missing(missing.join("; "))) }
    }
}

/// The newest major version of CUDA whose libraries are known here.
const NEWEST: u32 = 13;

/// A library that stays open.
type Handle = ManuallyDrop<libloading::Library>;

/// Opens a library by its path, or by its name through the loader's own search.
pub(crate) fn open(file: &Path) -> Result<Handle, String> {
    // SAFETY: opening one of NVIDIA's libraries runs its initialisers, which expect nothing of the program. It is never closed, so no
    // code of it goes away while a thread of it runs.
    let library = unsafe { libloading::Library::new(file) };
    library.map(ManuallyDrop::new).map_err(|error| error.to_string())
}

/// Folders in the order in which they are searched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Folders {
    /// Searched before the loader: what the user named, and the toolkit that the environment names.
    before: Vec<PathBuf>,
    /// Searched after it: where toolkits and wheels are usually installed.
    after: Vec<PathBuf>,
}

impl Folders {
    fn of_environment() -> Self {
        Self::of(&|name| std::env::var_os(name), Path::new("/"))
    }

    /// The folders from the environment variables and the file system below `root`.
    fn of(variable: &dyn Fn(&str) -> Option<OsString>, root: &Path) -> Self {
        let mut before = Vec::new();
        if let Some(named) = variable(LIBRARIES_VARIABLE) {
            before.extend(
                std::env::split_paths(&named).filter(|folder| !folder.as_os_str().is_empty()),
            );
        }
        let named =
            |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        for home in ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(named) {
            before.extend(["lib64", "lib"].map(|lib| home.join(lib)));
        }
        let mut after = Vec::new();
        let mut toolkits = below(&root.join("usr/local"), |name| name.starts_with("cuda"));
        // The newest first: cuda-13.0 before cuda-12.9, and `cuda`, which points to the chosen one, before both.
        toolkits.sort_by_key(|folder| {
            let name = file_name(folder);
            let version = name.strip_prefix("cuda-").map(numbers);
            (version.is_some(), std::cmp::Reverse(version))
        });
        after.extend(toolkits.iter().flat_map(|home| ["lib64", "lib"].map(|lib| home.join(lib))));
        let system = [
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/aarch64-linux-gnu",
            "usr/lib64",
            "usr/lib/wsl/lib",
        ];
        after.extend(system.map(|folder| root.join(folder)));
        let pythons = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(named);
        // A virtual environment need not be activated to come first in PATH.
        let path = variable("PATH").unwrap_or_default();
        let in_path = std::env::split_paths(&path)
            .find(|folder| folder.join("python3").exists())
            .and_then(|folder| folder.parent().map(Path::to_path_buf));
        let home = named("HOME").map(|home| home.join(".local"));
        let usual = ["usr/local", "usr"].map(|folder| root.join(folder));
        for python in pythons.chain(in_path).chain(home).chain(usual) {
            after.extend(wheels(&python));
        }
        Self { before, after }
    }
}

/// The folders of NVIDIA's wheels below a Python installation: `lib/python3.12/site-packages/nvidia/cu13/lib`.
fn wheels(python: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut versions = below(&python.join("lib"), |name| name.starts_with("python3"));
    versions.sort_by_key(|folder| std::cmp::Reverse(numbers(&file_name(folder))));
    for version in versions {
        for packages in ["site-packages", "dist-packages"] {
            let mut wheels = below(&version.join(packages).join("nvidia"), |_| true);
            // `cu13` before `cuda_nvrtc`, which is of CUDA 12: the newer one first.
            wheels.sort();
            found.extend(wheels.into_iter().map(|wheel| wheel.join("lib")));
        }
    }
    found
}

/// The folders in a folder whose name is wanted; none where it cannot be read.
fn below(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| wanted(&file_name(path)) && path.is_dir())
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The numbers in a name, to compare versions: `cuda-12.9` comes before `cuda-12.10`.
fn numbers(name: &str) -> Vec<u32> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn major(version: &str) -> Option<u32> {
    numbers(version).first().copied()
}

/// Finds and opens a library: in the folders before the loader, by the loader, in the folders after it.
fn find<T>(
    library: Library,
    folders: &Folders,
    cuda: u32,
    open: &dyn Fn(&Path) -> Result<T, String>,
) -> Result<(PathBuf, T), String> {
    let mut failed = Vec::new();
    let mut by_path = |folder: &PathBuf| {
        for file in files(library, folder, cuda) {
            if library == Library::Nvrtc {
                // NVRTC 13.0 asks for them by name alone. A version that finds its own does not mind.
                for builtins in starting_with(folder, "libnvrtc-builtins.so.") {
                    let _ = open(&builtins);
                }
            }
            match open(&file) {
                Ok(handle) => return Some((file, handle)),
                Err(error) => failed.push(format!("{} cannot be opened ({error})", file.display())),
            }
        }
        None
    };
    if let Some(found) = folders.before.iter().find_map(&mut by_path) {
        return Ok(found);
    }
    for name in ordered(library, cuda) {
        if let Ok(handle) = open(Path::new(name)) {
            let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
            let file = mapped(&maps, name).unwrap_or_else(|| name.into());
            return Ok((file, handle));
        }
    }
    if let Some(found) = folders.after.iter().find_map(&mut by_path) {
        return Ok(found);
    }
    Err(library.missing(cuda, &failed))
}

/// The names of a library's file, with that of the driver's version of CUDA first: a driver of CUDA 12 does not take code of 13.
fn ordered(library: Library, cuda: u32) -> Vec<&'static str> {
    let mut names = library.names().to_vec();
    if names.len() > 1 {
        let end = format!(".so.{cuda}");
        names.sort_by_key(|name| !name.ends_with(&end));
    }
    names
}

/// The files of a library in a folder, the preferred one first.
fn files(library: Library, folder: &Path, cuda: u32) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in ordered(library, cuda) {
        let exact = folder.join(name);
        if exact.exists() {
            files.push(exact);
        } else {
            // `libnvrtc.so.13.0.88` without the link that is usually beside it.
            files.extend(starting_with(folder, &format!("{name}.")));
        }
    }
    files
}

/// The files in a folder whose name starts like this, the highest version first.
fn starting_with(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
        .map(|entry| entry.path())
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(numbers(&file_name(file))));
    files
}

/// The file of a library that the loader found by name, from the text of `/proc/self/maps`.
fn mapped(maps: &str, name: &str) -> Option<PathBuf> {
    let stem = name.split(".so").next()?;
    let paths = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let is_it = |path: &&str| {
        let file = path.rsplit('/').next().unwrap_or_default();
        file.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".so"))
    };
    paths.into_iter().find(is_it).map(PathBuf::from)
}

/// The version that a library tells of itself.
fn version(library: Library, handle: &libloading::Library) -> Option<String> {
    let packed = |number: usize, unit: usize| format!("{}.{}", number / unit, number % unit / 10);
    match library {
        Library::Driver => {
            // The version of CUDA that it supports.
            let number = one_number(handle, b"cuDriverGetVersion\0")?;
            Some(packed(number, 1000))
        }
        Library::Nvrtc => {
            type Function = unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int;
            let (mut major, mut minor) = (0, 0);
            // SAFETY: this is the function's declaration in nvrtc.h; it writes the two numbers.
            let code = unsafe {
                let function = handle.get::<Function>(b"nvrtcVersion\0").ok()?;
                function(&raw mut major, &raw mut minor)
            };
            (code == 0).then(|| format!("{major}.{minor}"))
        }
        Library::CublasLt => {
            type Function = unsafe extern "C" fn() -> usize;
            // SAFETY: this is the function's declaration in cublasLt.h; it takes nothing.
            let number =
                unsafe { handle.get::<Function>(b"cublasLtGetVersion\0").ok().map(|f| f()) }?;
            // 12.9.1 is 120901, 11.3 was 11300.
            let (major, minor, patch) = (number / 10_000, number / 100 % 100, number % 100);
            Some(format!("{major}.{minor}.{patch}"))
        }
        Library::Nccl => {
            let number = one_number(handle, b"ncclGetVersion\0")?;
            Some(format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100))
        }
        // It is of the driver's version.
        Library::Nvml => None,
    }
}

/// Calls a function that writes a number and returns 0.
fn one_number(handle: &libloading::Library, name: &[u8]) -> Option<usize> {
    type Function = unsafe extern "C" fn(*mut c_int) -> c_int;
    let mut number = 0;
    // SAFETY: `cuDriverGetVersion` and `ncclGetVersion` are declared like this; both may be called before anything else.
    let code = unsafe {
        let function = handle.get::<Function>(name).ok()?;
        function(&raw mut number)
    };
    (code == 0).then_some(number).and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tempfile::TempDir;

    use super::*;

    /// A file system with these empty files.
    fn with(files: &[&str]) -> TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        root
    }

    fn folders(root: &TempDir, variables: &[(&str, &str)]) -> Folders {
        let variable = |name: &str| {
            let value = variables.iter().find(|(known, _)| *known == name)?.1;
            Some(value.replace("ROOT", &root.path().display().to_string()).into())
        };
        Folders::of(&variable, root.path())
    }

    /// A loader that opens files that exist and knows no names, and notes what it was asked for.
    fn find_in(
        root: &TempDir,
        library: Library,
        folders: &Folders,
        cuda: u32,
    ) -> (Vec<String>, Result<String, String>) {
        let asked = RefCell::new(Vec::new());
        let short =
            |path: &Path| path.strip_prefix(root.path()).unwrap_or(path).display().to_string();
        let open = |path: &Path| {
            asked.borrow_mut().push(short(path));
            if path.is_absolute() && path.exists() { Ok(()) } else { Err("no such file".into()) }
        };
        let found = find(library, folders, cuda, &open).map(|(file, ())| short(&file));
        (asked.into_inner(), found)
    }

    #[test]
    fn folders_are_searched_in_their_order() {
        let root = with(&[
            "usr/local/cuda-12.9/lib64/x",
            "usr/local/cuda-12.10/lib64/x",
            "usr/local/cuda-13.0/lib64/x",
            "usr/local/cuda/lib64/x",
            "venv/lib/python3.9/site-packages/nvidia/cublas/lib/x",
            "venv/lib/python3.12/site-packages/nvidia/cu13/lib/x",
            "venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib/x",
            "usr/lib/python3/dist-packages/nvidia/nccl/lib/x",
            "opt/torch/bin/python3",
            "opt/torch/lib/python3.12/site-packages/nvidia/nccl/lib/x",
            "opt/other/bin/python3",
            "opt/other/lib/python3.12/site-packages/nvidia/nccl/lib/x",
        ]);
        let found = folders(
            &root,
            &[
                (LIBRARIES_VARIABLE, "/one::/two"),
                ("CUDA_HOME", "/opt/cuda"),
                ("CUDA_PATH", ""),
                ("VIRTUAL_ENV", "ROOT/venv"),
                ("PATH", "ROOT/none:ROOT/opt/torch/bin:ROOT/opt/other/bin"),
            ],
        );
        let told = |folders: &[PathBuf]| -> Vec<String> {
            let short = |folder: &PathBuf| {
                folder.strip_prefix(root.path()).unwrap_or(folder).display().to_string()
            };
            folders.iter().map(short).collect()
        };
        assert_eq!(told(&found.before), ["/one", "/two", "/opt/cuda/lib64", "/opt/cuda/lib"]);
        let after = told(&found.after);
        let at = |folder: &str| {
            after
                .iter()
                .position(|known| known == folder)
                .unwrap_or_else(|| panic!("{folder}: {after:?}"))
        };
        let order = [
            "usr/local/cuda/lib64",
            "usr/local/cuda-13.0/lib64",
            "usr/local/cuda-12.10/lib64",
            "usr/local/cuda-12.9/lib64",
            "usr/lib/x86_64-linux-gnu",
            "venv/lib/python3.12/site-packages/nvidia/cu13/lib",
            "venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib",
            "venv/lib/python3.9/site-packages/nvidia/cublas/lib",
            "opt/torch/lib/python3.12/site-packages/nvidia/nccl/lib",
            "usr/lib/python3/dist-packages/nvidia/nccl/lib",
        ];
        assert!(order.map(at).is_sorted(), "{after:?}");
        assert!(after.iter().all(|folder| !folder.contains("other")), "the first python3 alone");
    }

    #[test]
    fn a_named_folder_comes_before_the_loader_and_the_usual_ones_after() {
        let root = with(&["mine/libnccl.so.2", "usr/lib64/libnccl.so.2"]);
        let named = folders(&root, &[(LIBRARIES_VARIABLE, "ROOT/mine")]);
        let (asked, found) = find_in(&root, Library::Nccl, &named, 13);
        assert_eq!(
            (asked, found),
            (vec!["mine/libnccl.so.2".into()], Ok("mine/libnccl.so.2".into()))
        );
        let (asked, found) = find_in(&root, Library::Nccl, &folders(&root, &[]), 13);
        assert_eq!(asked, ["libnccl.so.2", "usr/lib64/libnccl.so.2"]);
        assert_eq!(found, Ok("usr/lib64/libnccl.so.2".into()));
    }

    #[test]
    fn the_built_ins_are_opened_before_the_compiler() {
        let wheel = "venv/lib/python3.12/site-packages/nvidia/cu13/lib";
        let [builtins, compiler] =
            ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"].map(|name| format!("{wheel}/{name}"));
        let root = with(&[&builtins, &compiler]);
        let folders = folders(&root, &[("VIRTUAL_ENV", "ROOT/venv")]);
        let (asked, found) = find_in(&root, Library::Nvrtc, &folders, 13);
        assert_eq!(asked, ["libnvrtc.so.13", "libnvrtc.so.12", &builtins, &compiler]);
        assert_eq!(found, Ok(compiler));
    }

    #[test]
    fn a_driver_of_cuda_12_gets_libraries_of_cuda_12() {
        let root = with(&[
            "lib/libcublasLt.so.13",
            "lib/libcublasLt.so.12.9.1",
            "lib/libcublasLt.so.12.10.0",
        ]);
        let folders = folders(&root, &[(LIBRARIES_VARIABLE, "ROOT/lib")]);
        let found = |cuda| find_in(&root, Library::CublasLt, &folders, cuda).1;
        assert_eq!(found(13), Ok("lib/libcublasLt.so.13".into()));
        assert_eq!(found(12), Ok("lib/libcublasLt.so.12.10.0".into()));
    }

    #[test]
    fn what_is_missing_is_told_with_the_package_that_brings_it() {
        let root = with(&["lib/libnvrtc.so.13"]);
        let folders = folders(&root, &[(LIBRARIES_VARIABLE, "ROOT/lib")]);
        let told =
            |library, cuda| find_in(&root, library, &folders, cuda).1.expect_err("none here");
        assert_eq!(
            told(Library::CublasLt, 13),
            "no cuBLASLt (libcublasLt.so.13 or libcublasLt.so.12): `pip install nvidia-cublas` brings it, and so does NVIDIA's toolkit"
        );
        assert!(told(Library::Nccl, 12).contains("`pip install nvidia-nccl-cu12`"));
        assert!(told(Library::Nccl, 13).contains("`pip install nvidia-nccl-cu13`"));
        assert!(told(Library::Driver, 13).contains("`sudo ubuntu-drivers install`"));
        // A file that is there but cannot be opened is named.
        let libraries = Libraries::look(&folders);
        let error = libraries.get(Library::Nvrtc).expect_err("an empty file").to_string();
        assert!(error.contains("lib/libnvrtc.so.13 cannot be opened ("), "{error}");
        let error = libraries.can_train().expect_err("nothing is here").to_string();
        assert!(error.contains("no NVRTC (libnvrtc.so.13 or libnvrtc.so.12)"), "{error}");
    }

    #[test]
    fn a_library_that_the_loader_found_has_a_path() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 12   /usr/lib/libcudart.so.13\n\
                    7f02-7f03 r-xp 00000000 08:01 13   /usr/lib/x86_64-linux-gnu/libcuda.so.580.95\n7f04-7f05 rw-p 0 0:0 0\n";
        assert_eq!(
            mapped(maps, "libcuda.so.1"),
            Some("/usr/lib/x86_64-linux-gnu/libcuda.so.580.95".into())
        );
        assert_eq!(mapped(maps, "libnccl.so.2"), None);
    }
}
