//! Load, temperature, power and processes of GPUs, as NVIDIA's management library (NVML) tells them.
//!
//! A GPU is named by its identifier: NVML does not apply `CUDA_VISIBLE_DEVICES` and counts in another order than the driver. What a
//! GPU or a driver does not tell is `None`.

#![expect(unsafe_code, reason = "calls NVML's C functions")]

use std::{
    ffi::{CString, c_char, c_int, c_uint, c_ulonglong, c_void},
    mem::ManuallyDrop,
    path::Path,
};

use crate::{
    Error, Result,
    libraries::{Libraries, Library, open},
};

/// What runs on a GPU, and how warm it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Percent of the last second in which a kernel ran.
    pub percent: Option<u32>,
    /// Bytes of its memory in use, by all programs.
    pub memory_used: Option<u64>,
    /// Temperature in degrees Celsius.
    pub celsius: Option<u32>,
    /// Power in watts.
    pub watts: Option<f64>,
    /// The processes that compute on it.
    pub processes: Option<Vec<Process>>,
}

/// A process that computes on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number; in a container that of the host.
    pub pid: u32,
    /// Bytes of the GPU's memory that it has.
    pub memory_bytes: Option<u64>,
}

/// What NVML says of a GPU.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It works, with this load.
    Here(Load),
    /// It is gone: fallen off the bus, or taken away.
    Lost(String),
    /// NVML does not know it, as with parts of a GPU (MIG).
    Unknown,
}

/// NVML, started.
#[derive(Debug)]
pub struct Nvml {
    library: ManuallyDrop<libloading::Library>,
}

type Device = *mut c_void;

/// Codes from nvml.h.
const NOT_FOUND: c_int = 6;
const TOO_SMALL: c_int = 7;
const LOST: c_int = 15;
const NEEDS_RESET: c_int = 16;

/// Most processes that are listed.
const MOST: usize = 256;

#[repr(C)]
#[derive(Default)]
struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[repr(C)]
#[derive(Default)]
struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProcessInfo {
    pid: c_uint,
    used: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

impl Nvml {
    /// Opens and starts it.
    ///
    /// # Errors
    /// When it is not there or does not start.
    pub fn open() -> Result<Self> {
        Self::of(&Libraries::open().get(Library::Nvml)?.file)
    }

    fn of(file: &Path) -> Result<Self> {
        let nvml = Self { library: open(file).map_err(Error::Missing)? };
        // SAFETY: the function's type in nvml.h.
        let code = unsafe { nvml.function::<unsafe extern "C" fn() -> c_int>(b"nvmlInit_v2\0") }
            .map_or(-1, |init| unsafe { init() });
        if code == 0 {
            return Ok(nvml);
        }
        Err(Error::Call { what: "NVML does not start", message: format!("code {code}") })
    }

    /// What it says of the GPU with this identifier.
    pub fn look(&self, uuid: &str) -> Seen {
        let Some(device) = self.device(uuid) else { return Seen::Unknown };
        let device = match device {
            Ok(device) => device,
            Err(LOST | NEEDS_RESET) => return Seen::Lost(GONE.into()),
            Err(_) => return Seen::Unknown,
        };
        let memory = self.asked::<Memory>(b"nvmlDeviceGetMemoryInfo\0", device);
        if let Err(LOST | NEEDS_RESET) = memory {
            return Seen::Lost(GONE.into());
        }
        let percent = self.asked::<Utilization>(b"nvmlDeviceGetUtilizationRates\0", device);
        let milliwatts = self.asked::<c_uint>(b"nvmlDeviceGetPowerUsage\0", device);
        Seen::Here(Load {
            percent: percent.ok().map(|rates| rates.gpu),
            memory_used: memory.ok().map(|memory| memory.used),
            celsius: self.celsius(device),
            watts: milliwatts.ok().map(|milliwatts| f64::from(milliwatts) / 1000.0),
            processes: self.processes(device),
        })
    }

    /// The GPU's handle, or the code of the refusal; `None` where NVML cannot be asked, or does not know the GPU.
    fn device(&self, uuid: &str) -> Option<Result<Device, c_int>> {
        type Function = unsafe extern "C" fn(*const c_char, *mut Device) -> c_int;
        let text = CString::new(uuid).ok()?;
        let mut device = std::ptr::null_mut();
        // SAFETY: the function's type in nvml.h; the text ends with 0, and the handle is written to a variable of its type.
        let code = unsafe {
            self.function::<Function>(b"nvmlDeviceGetHandleByUUID\0")?(
                text.as_ptr(),
                &raw mut device,
            )
        };
        match code {
            0 => Some(Ok(device)),
            NOT_FOUND => None,
            code => Some(Err(code)),
        }
    }

    /// Asks for a value that one function writes.
    fn asked<T: Default>(&self, name: &[u8], device: Device) -> Result<T, c_int> {
        let mut value = T::default();
        // SAFETY: the functions that this is called with have this type in nvml.h, with `T` as declared there.
        let code = unsafe {
            self.function::<unsafe extern "C" fn(Device, *mut T) -> c_int>(name)
                .map_or(-1, |function| function(device, &raw mut value))
        };
        if code == 0 { Ok(value) } else { Err(code) }
    }

    fn celsius(&self, device: Device) -> Option<u32> {
        type Function = unsafe extern "C" fn(Device, c_uint, *mut c_uint) -> c_int;
        let mut celsius = 0;
        // SAFETY: the function's type in nvml.h; sensor 0 is the chip, the only one there is.
        let code = unsafe {
            self.function::<Function>(b"nvmlDeviceGetTemperature\0")?(device, 0, &raw mut celsius)
        };
        (code == 0).then_some(celsius)
    }

    fn processes(&self, device: Device) -> Option<Vec<Process>> {
        type Function = unsafe extern "C" fn(Device, *mut c_uint, *mut ProcessInfo) -> c_int;
        let mut list = [ProcessInfo::default(); MOST];
        let mut count = MOST as c_uint;
        // SAFETY: the type of both functions in nvml.h, which write at most `count` entries of this layout.
        let code = unsafe {
            let function = self
                .function::<Function>(b"nvmlDeviceGetComputeRunningProcesses_v3\0")
                .or_else(|| self.function(b"nvmlDeviceGetComputeRunningProcesses_v2\0"))?;
            function(device, &raw mut count, list.as_mut_ptr())
        };
        if code != 0 && code != TOO_SMALL {
            return None;
        }
        let told = list.iter().take(count as usize);
        let process = |told: &ProcessInfo| Process {
            pid: told.pid,
            // All ones where the driver cannot tell.
            memory_bytes: (told.used != c_ulonglong::MAX).then_some(told.used),
        };
        Some(told.map(process).collect())
    }

    /// A function of the library, where it has it.
    ///
    /// # Safety
    /// `T` must be the function's type in nvml.h.
    unsafe fn function<T: Copy>(&self, name: &[u8]) -> Option<T> {
        // SAFETY: the caller gives the function's type.
        unsafe { self.library.get::<T>(name) }.ok().map(|function| *function)
    }
}

/// What is said of a GPU that is gone.
const GONE: &str =
    "the GPU has fallen off the bus; the kernel's log says why (`dmesg | grep -i nvrm`)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::compiled;

    /// NVML with three GPUs: one that tells everything, one that tells little, one that is lost.
    const NVML: &str = r#"
        #include <string.h>
        typedef struct { unsigned gpu, memory; } rates;
        typedef struct { unsigned long long total, free, used; } bytes;
        typedef struct { unsigned pid; unsigned long long used; unsigned a, b; } process;
        static char all, little;
        int nvmlInit_v2(void) { return 0; }
        int nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
            if (!strcmp(uuid, "GPU-lost")) return 15;
            if (!strcmp(uuid, "GPU-all")) *device = &all;
            else if (!strcmp(uuid, "GPU-little")) *device = &little;
            else return 6;
            return 0;
        }
        int nvmlDeviceGetUtilizationRates(void *device, rates *out) {
            if (device != &all) return 3;
            out->gpu = 97; out->memory = 40; return 0;
        }
        int nvmlDeviceGetMemoryInfo(void *device, bytes *out) {
            out->total = 80ull << 30; out->used = 7ull << 30; out->free = 73ull << 30; return 0;
        }
        int nvmlDeviceGetTemperature(void *device, unsigned sensor, unsigned *out) { *out = 61; return device == &all ? sensor : 3; }
        int nvmlDeviceGetPowerUsage(void *device, unsigned *out) { *out = 412500; return device == &all ? 0 : 3; }
        int nvmlDeviceGetComputeRunningProcesses_v2(void *device, unsigned *count, process *list) {
            if (device != &all || *count < 2) return 3;
            *count = 2;
            list[0].pid = 100; list[0].used = 6ull << 30;
            list[1].pid = 101; list[1].used = ~0ull;
            return 0;
        }
    "#;

    #[test]
    fn what_a_gpu_tells_is_told_and_the_rest_is_left_out() {
        let (_folder, file) = compiled(NVML);
        let nvml = Nvml::of(&file).expect("it starts");
        let processes = vec![
            Process { pid: 100, memory_bytes: Some(6 << 30) },
            Process { pid: 101, memory_bytes: None },
        ];
        assert_eq!(
            nvml.look("GPU-all"),
            Seen::Here(Load {
                percent: Some(97),
                memory_used: Some(7 << 30),
                celsius: Some(61),
                watts: Some(412.5),
                processes: Some(processes),
            })
        );
        let little = Load { memory_used: Some(7 << 30), ..Load::default() };
        assert_eq!(nvml.look("GPU-little"), Seen::Here(little));
        assert_eq!(nvml.look("GPU-lost"), Seen::Lost(GONE.into()));
        assert_eq!(nvml.look("GPU-other"), Seen::Unknown);
    }

    #[test]
    fn nvml_that_does_not_start_is_an_error() {
        let (_folder, file) = compiled("int nvmlInit_v2(void) { return 9; }");
        let error = Nvml::of(&file).expect_err("it does not start").to_string();
        assert_eq!(error, "NVML does not start: code 9");
        let (_folder, file) = compiled("int nothing(void) { return 0; }");
        assert!(Nvml::of(&file).is_err());
    }
}
