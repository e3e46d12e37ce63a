//! The GPUs of this machine, as the driver lists them. Nothing is started on them: no context, no memory.
//!
//! The driver applies `CUDA_VISIBLE_DEVICES`, so a number here is the number that every other program of this environment uses.
//! The few functions are opened here and not by `cudarc`, which panics where one is missing.

#![expect(unsafe_code, reason = "calls the driver's C functions")]

use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    path::Path,
};

use crate::{
    Error, Result,
    libraries::{Libraries, Library, open},
};

/// The lowest compute capability whose matrix units take bf16.
const LOWEST: (u32, u32) = (8, 0);

/// A GPU as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuInfo {
    /// Its number among the GPUs that this program may see.
    pub ordinal: u32,
    /// Its model: `NVIDIA H200`.
    pub name: String,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Compute capability.
    pub capability: (u32, u32),
    /// Number of multiprocessors.
    pub multiprocessors: u32,
    /// The version of CUDA that the driver supports.
    pub cuda: (u32, u32),
    /// Version of the driver, where the system tells it.
    pub driver: Option<String>,
    /// Its identifier, the same in every program and after a restart, where the driver tells it.
    pub uuid: Option<String>,
}

impl GpuInfo {
    /// Why the kernels do not run on it; `None` if they do.
    pub fn refusal(&self) -> Option<String> {
        let (major, minor) = self.capability;
        (self.capability < LOWEST).then(|| {
            format!(
                "{} has compute capability {major}.{minor}; training takes {}.{} or above (Ampere, 2020), which multiplies bf16. \
                 It trains on the processor instead",
                self.name, LOWEST.0, LOWEST.1
            )
        })
    }
}

/// The GPUs that this program may see; none where the driver lists none. Never panics, and returns at once where there is no driver.
///
/// # Errors
/// When there is no driver, or it does not start.
pub fn gpus() -> Result<Vec<GpuInfo>> {
    let found = Libraries::open().get(Library::Driver)?;
    gpus_of(&found.file)
}

/// The GPUs that the driver in this file lists.
fn gpus_of(file: &Path) -> Result<Vec<GpuInfo>> {
    let driver = Driver::open(file)?;
    driver.check("the NVIDIA driver does not start", driver.init()?).or_else(none_is_fine)?;
    let Some(count) = driver.number(b"cuDeviceGetCount\0")? else { return Ok(Vec::new()) };
    let version = driver.number(b"cuDriverGetVersion\0")?.unwrap_or_default();
    let cuda = (version / 1000, version % 1000 / 10);
    let loaded = std::fs::read_to_string("/proc/driver/nvidia/version").unwrap_or_default();
    let loaded = kernel_module(&loaded);
    (0..count).map(|ordinal| driver.gpu(ordinal, cuda, loaded.clone())).collect()
}

/// A driver that is there but has no device is no error.
fn none_is_fine(error: Refused) -> Result<()> {
    if error.code == NO_DEVICE { Ok(()) } else { Err(error.error) }
}

/// The driver's version from the text of `/proc/driver/nvidia/version`.
fn kernel_module(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let is_version =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    line.split_whitespace().find(is_version).map(str::to_owned)
}

/// `cuInit`: there is no device, or `CUDA_VISIBLE_DEVICES` hides all.
const NO_DEVICE: c_int = 100;

/// Attributes of a device, from cuda.h.
const MULTIPROCESSORS: c_int = 16;
const CAPABILITY_MAJOR: c_int = 75;
const CAPABILITY_MINOR: c_int = 76;

/// A call that the driver refused.
struct Refused {
    code: c_int,
    error: Error,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// The driver's library.
struct Driver {
    library: std::mem::ManuallyDrop<libloading::Library>,
}

impl Driver {
    fn open(file: &Path) -> Result<Self> {
        let library = open(file).map_err(Error::Missing)?;
        Ok(Self { library })
    }

    /// A function of the library.
    ///
    /// # Safety
    /// `T` must be the function's type in cuda.h.
    unsafe fn function<T: Copy>(&self, name: &'static [u8]) -> Result<T> {
        // SAFETY: the caller gives the function's type.
        let found = unsafe { self.library.get::<T>(name) };
        found.map(|function| *function).map_err(|_| {
            let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(name));
            Error::Missing(format!(
                "the NVIDIA driver has no {name}; it is too old, or a stub of the toolkit"
            ))
        })
    }

    fn init(&self) -> Result<c_int> {
        // SAFETY: the function's type in cuda.h; the only flags are 0.
        unsafe { Ok(self.function::<unsafe extern "C" fn(c_uint) -> c_int>(b"cuInit\0")?(0)) }
    }

    /// Calls a function that writes a number; `None` where there is no device.
    fn number(&self, name: &'static [u8]) -> Result<Option<u32>> {
        let mut number = 0;
        // SAFETY: `cuDeviceGetCount` and `cuDriverGetVersion` have this type in cuda.h.
        let code = unsafe {
            self.function::<unsafe extern "C" fn(*mut c_int) -> c_int>(name)?(&raw mut number)
        };
        if code == NO_DEVICE {
            return Ok(None);
        }
        self.check("the NVIDIA driver cannot be asked", code)?;
        Ok(u32::try_from(number).ok())
    }

    fn gpu(&self, ordinal: u32, cuda: (u32, u32), driver: Option<String>) -> Result<GpuInfo> {
        type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
        type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
        type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
        type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
        let what = "a GPU cannot be asked for what it is";
        let mut device = 0;
        let mut name = [0; 256];
        let mut memory = 0;
        // SAFETY: the functions' types in cuda.h; every pointer is to a variable of the type that is written, and of the length given.
        unsafe {
            self.check(
                what,
                self.function::<Get>(b"cuDeviceGet\0")?(&raw mut device, ordinal as c_int),
            )?;
            let get_name = self.function::<Name>(b"cuDeviceGetName\0")?;
            // One less than there is: the last byte stays 0.
            self.check(what, get_name(name.as_mut_ptr(), name.len() as c_int - 1, device))?;
            self.check(
                what,
                self.function::<Memory>(b"cuDeviceTotalMem_v2\0")?(&raw mut memory, device),
            )?;
        }
        let attribute = |which| -> Result<u32> {
            let mut value = 0;
            // SAFETY: the function's type in cuda.h; it writes one number.
            let code = unsafe {
                self.function::<Attribute>(b"cuDeviceGetAttribute\0")?(
                    &raw mut value,
                    which,
                    device,
                )
            };
            self.check(what, code)?;
            Ok(u32::try_from(value).unwrap_or_default())
        };
        // SAFETY: the last byte of the buffer is 0.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
        Ok(GpuInfo {
            ordinal,
            name,
            memory_bytes: memory as u64,
            capability: (attribute(CAPABILITY_MAJOR)?, attribute(CAPABILITY_MINOR)?),
            multiprocessors: attribute(MULTIPROCESSORS)?,
            cuda,
            driver,
            uuid: self.uuid(device),
        })
    }

    /// The identifier of a device: `GPU-` and 32 digits in groups.
    fn uuid(&self, device: c_int) -> Option<String> {
        type Function = unsafe extern "C" fn(*mut [u8; 16], c_int) -> c_int;
        let mut bytes = [0; 16];
        // SAFETY: the type of both functions in cuda.h; they write 16 bytes.
        let code = unsafe {
            let function = self
                .function::<Function>(b"cuDeviceGetUuid_v2\0")
                .or_else(|_| self.function::<Function>(b"cuDeviceGetUuid\0"));
            function.ok()?(&raw mut bytes, device)
        };
        (code == 0).then(|| {
            let digits = format!("{:032x}", u128::from_be_bytes(bytes));
            let groups =
                [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            format!("GPU-{}", groups.join("-"))
        })
    }

    fn check(&self, what: &'static str, code: c_int) -> Result<(), Refused> {
        if code == 0 {
            return Ok(());
        }
        Err(Refused { code, error: Error::Call { what, message: self.words(code) } })
    }

    /// What a code means, and what to do about it where that is known.
    fn words(&self, code: c_int) -> String {
        type Function = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
        let mut text = std::ptr::null();
        // SAFETY: the function's type in cuda.h; it writes the address of a text that lives as long as the library, or null.
        let said = unsafe {
            let function = self.function::<Function>(b"cuGetErrorString\0").ok();
            let known = function.is_some_and(|function| function(code, &raw mut text) == 0);
            (known && !text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        let said = said.unwrap_or_else(|| "unknown error".into());
        let advice = match code {
            34 => {
                "; this libcuda.so is the toolkit's stub: take the folder `stubs` out of the search path"
            }
            304 | 999 => {
                "; is the kernel module nvidia_uvm loaded (`nvidia-modprobe -u`), and does the container have `--gpus all`?"
            }
            803 => {
                "; the kernel module and the library are of different versions: restart the machine"
            }
            804 => {
                "; this GPU takes no newer CUDA than its driver has: remove the package cuda-compat"
            }
            _ => "",
        };
        format!("{said} (code {code}){advice}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compiled;

    /// A driver with two GPUs, or whatever `INIT` says.
    const DRIVER: &str = r#"
        #include <string.h>
        int cuInit(unsigned flags) { return INIT; }
        int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
        int cuDeviceGetCount(int *count) { *count = 2; return INIT; }
        int cuDeviceGet(int *device, int ordinal) { *device = ordinal + 40; return ordinal < 2 ? 0 : 101; }
        int cuDeviceGetName(char *name, int length, int device) {
            strncpy(name, device == 40 ? "NVIDIA H200" : "Tesla V100", length); return 0;
        }
        int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)141 << 30; return 0; }
        int cuDeviceGetAttribute(int *value, int which, int device) {
            *value = which == 16 ? 132 : which == 75 ? (device == 40 ? 9 : 7) : 0; return 0;
        }
        int cuDeviceGetUuid_v2(unsigned char *bytes, int device) {
            for (int i = 0; i < 16; i++) bytes[i] = i * 16 + 10; return 0;
        }
        int cuGetErrorString(int code, const char **text) { *text = code == 803 ? "versions differ" : 0; return code == 803 ? 0 : 1; }
    "#;

    fn pretended(init: &str) -> Result<Vec<GpuInfo>> {
        let (_folder, file) = compiled(&DRIVER.replace("INIT", init));
        gpus_of(&file)
    }

    #[test]
    fn a_driver_tells_what_its_gpus_are() {
        let gpus = pretended("0").expect("two GPUs");
        let first = &gpus[0];
        assert_eq!((gpus.len(), first.ordinal, first.name.as_str()), (2, 0, "NVIDIA H200"));
        assert_eq!((first.capability, first.multiprocessors, first.cuda), ((9, 0), 132, (13, 0)));
        assert_eq!(first.memory_bytes, 141 << 30);
        assert_eq!(first.uuid.as_deref(), Some("GPU-0a1a2a3a-4a5a-6a7a-8a9a-aabacadaeafa"));
        assert_eq!(first.refusal(), None);
        let refusal = gpus[1].refusal().expect("too old");
        assert!(
            refusal
                .starts_with("Tesla V100 has compute capability 7.0; training takes 8.0 or above"),
            "{refusal}"
        );
    }

    #[test]
    fn a_driver_without_a_device_lists_none() {
        assert_eq!(pretended("100"), Ok(Vec::new()));
    }

    #[test]
    fn a_driver_that_does_not_start_says_why() {
        let told = |init| pretended(init).expect_err("it does not start").to_string();
        assert_eq!(
            told("803"),
            "the NVIDIA driver does not start: versions differ (code 803); the kernel module and the library are of different \
             versions: restart the machine"
        );
        assert!(told("34").starts_with(
            "the NVIDIA driver does not start: unknown error (code 34); this libcuda.so is the"
        ));
    }

    #[test]
    fn a_library_that_is_no_driver_is_refused() {
        let (_folder, file) = compiled("int nothing(void) { return 0; }");
        let error = gpus_of(&file).expect_err("no driver").to_string();
        assert_eq!(
            error,
            "the NVIDIA driver has no cuInit; it is too old, or a stub of the toolkit"
        );
        assert!(matches!(gpus_of(Path::new("/nowhere/libcuda.so.1")), Err(Error::Missing(_))));
    }

    #[test]
    fn a_machine_is_asked_without_a_panic() {
        // Whatever this machine has: a list, or a sentence.
        if let Err(error) = gpus() {
            assert!(error.to_string().len() > 20, "{error}");
        }
    }

    #[test]
    fn the_drivers_version_is_read_from_the_kernels_file() {
        let text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (root@host)\n\
                    GCC version:  gcc version 13.3.0 (Ubuntu)\n";
        assert_eq!(kernel_module(text).as_deref(), Some("580.95.05"));
        assert_eq!(kernel_module(""), None);
    }
}
