//! The functions of NCCL that data-parallel training calls.

#![expect(unsafe_code, reason = "calls a C library")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use crate::{
    Error, Result,
    gpu::{Address, Stream},
};

/// `ncclSuccess`
pub const SUCCESS: c_int = 0;
/// `ncclInProgress`
pub const IN_PROGRESS: c_int = 7;
/// `ncclFloat32`
const FLOAT32: c_int = 7;
/// `ncclSum`
const SUM: c_int = 0;

/// `ncclUniqueId`: one rank makes it, and all ranks join with it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Id([c_char; 128]);

impl Id {
    /// As another machine takes it.
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.iter().map(|&it| it as u8).collect()
    }

    /// From another machine; `None` for what is none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 128] = bytes.try_into().ok()?;
        Some(Self(bytes.map(|it| it as c_char)))
    }
}

/// `ncclConfig_t` as NCCL 2.14 has it. Later versions read its size and its version, and take their own defaults for the rest.
#[repr(C)]
struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
}

type Communicator = *mut c_void;

/// NCCL's functions. The library stays open: its own threads outlive a call.
pub struct Library {
    get_version: unsafe extern "C" fn(*mut c_int) -> c_int,
    get_unique_id: unsafe extern "C" fn(*mut Id) -> c_int,
    init_rank: unsafe extern "C" fn(*mut Communicator, c_int, Id, c_int, *mut Config) -> c_int,
    async_error: unsafe extern "C" fn(Communicator, *mut c_int) -> c_int,
    group_start: unsafe extern "C" fn() -> c_int,
    group_end: unsafe extern "C" fn() -> c_int,
    all_reduce: unsafe extern "C" fn(
        *const c_void,
        *mut c_void,
        usize,
        c_int,
        c_int,
        Communicator,
        *mut c_void,
    ) -> c_int,
    abort: unsafe extern "C" fn(Communicator) -> c_int,
    error_string: unsafe extern "C" fn(c_int) -> *const c_char,
    last_error: unsafe extern "C" fn(Communicator) -> *const c_char,
}

fn get<T: Copy>(library: &libloading::Library, name: &str) -> Result<T, String> {
    // SAFETY: the callers give each function its type from NCCL's header, which has not changed since 2.14.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    symbol
        .map(|symbol| *symbol)
        .map_err(|_| format!("it has no {name}: NCCL 2.14 or later is needed"))
}

impl Library {
    /// The functions of an open library, which is never closed.
    ///
    /// # Errors
    /// When it lacks one of them.
    pub fn of(library: &libloading::Library) -> Result<Self, String> {
        Ok(Self {
            get_version: get(library, "ncclGetVersion")?,
            get_unique_id: get(library, "ncclGetUniqueId")?,
            init_rank: get(library, "ncclCommInitRankConfig")?,
            async_error: get(library, "ncclCommGetAsyncError")?,
            group_start: get(library, "ncclGroupStart")?,
            group_end: get(library, "ncclGroupEnd")?,
            all_reduce: get(library, "ncclAllReduce")?,
            abort: get(library, "ncclCommAbort")?,
            error_string: get(library, "ncclGetErrorString")?,
            last_error: get(library, "ncclGetLastError")?,
        })
    }

    /// What a code means, and what NCCL says of it.
    pub fn error(&self, what: &'static str, code: c_int) -> Error {
        // SAFETY: both give texts of their own, the second that of the thread's last error or none.
        let [text, last] = unsafe {
            [(self.error_string)(code), (self.last_error)(std::ptr::null_mut())].map(|text| {
                if text.is_null() {
                    String::new()
                } else {
                    CStr::from_ptr(text).to_string_lossy().trim().to_owned()
                }
            })
        };
        let more = if last.is_empty() { String::new() } else { format!(", {last}") };
        Error::Call { what, message: format!("{text} (NCCL, code {code}){more}") }
    }

    fn check(&self, what: &'static str, code: c_int) -> Result<()> {
        if code == SUCCESS { Ok(()) } else { Err(self.error(what, code)) }
    }

    /// Its version as one number.
    pub fn version(&self) -> Result<c_int> {
        let mut version = 0;
        // SAFETY: the pointer is to a variable of this frame.
        self.check("NCCL tells no version", unsafe { (self.get_version)(&raw mut version) })?;
        Ok(version)
    }

    /// A new group's id.
    pub fn id(&self) -> Result<Id> {
        let mut id = Id([0; 128]);
        // SAFETY: as above.
        self.check("NCCL makes no group", unsafe { (self.get_unique_id)(&raw mut id) })?;
        Ok(id)
    }

    /// Begins to join a group with the GPU that is bound to this thread. Gives the communicator and NCCL's code.
    pub fn begin(&self, id: Id, rank: usize, ranks: usize) -> (Option<usize>, c_int) {
        let mut communicator: Communicator = std::ptr::null_mut();
        let (size, magic) = (size_of::<Config>(), 0xcafe_beef);
        let mut config = Config { size, magic, version: 21400, blocking: 0 };
        let (rank, ranks) = (rank as c_int, ranks as c_int);
        // SAFETY: the pointers are to variables of this frame; NCCL copies the configuration.
        let code =
            unsafe { (self.init_rank)(&raw mut communicator, ranks, id, rank, &raw mut config) };
        ((!communicator.is_null()).then_some(communicator as usize), code)
    }

    /// How far a communicator is with what it was asked for.
    pub fn state(&self, communicator: usize) -> c_int {
        let mut state = SUCCESS;
        // SAFETY: the communicator was not aborted: the caller holds its lock.
        let code = unsafe { (self.async_error)(communicator as Communicator, &raw mut state) };
        if code == SUCCESS { state } else { code }
    }

    /// Begins to add up in place, behind the stream's work so far.
    pub fn sum(&self, communicator: usize, parts: &[(Address, usize)], stream: Stream) -> c_int {
        let is_error = |code: &c_int| *code != SUCCESS && *code != IN_PROGRESS;
        // SAFETY: as above; the numbers are of the caller's memory on the GPU.
        unsafe {
            let begun = (self.group_start)();
            if begun != SUCCESS {
                return begun;
            }
            let sum = |&(at, count): &(Address, usize)| {
                let (from, to) = (at as *const c_void, at as *mut c_void);
                let communicator = communicator as Communicator;
                (self.all_reduce)(
                    from,
                    to,
                    count,
                    FLOAT32,
                    SUM,
                    communicator,
                    stream as *mut c_void,
                )
            };
            let failed = parts.iter().map(sum).find(is_error);
            let ended = (self.group_end)();
            failed.unwrap_or(ended)
        }
    }

    /// Ends all that a communicator does, and gives it back.
    pub fn abort(&self, communicator: usize) {
        // SAFETY: its owner gives it up, and nobody else calls with it any more.
        unsafe { (self.abort)(communicator as Communicator) };
    }
}
