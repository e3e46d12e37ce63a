//! The kernels on the processor: the files that a GPU runs, compiled by a C++ compiler with threads as fibers. It shows whether kernels and
//! the trainers' use of them are right, misses no barrier, and tells nothing of speed.

use std::{
    collections::HashMap,
    ffi::c_void,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use libloading::Library;

use crate::{
    Error, Result,
    gpu::{
        Address, Fetched, Gpu, Kernels, Launch, Numbers, Product, ProductKind, Recorded, Traits,
    },
    kernels::Source,
};

const EMULATION: &str = include_str!("emulated.h");
/// Words behind each piece of memory that nothing may change.
const GUARD: usize = 32;
/// What the compiler is called with; part of the name of what it made.
const OPTIONS: [&str; 6] = ["-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-w"];
/// The memory that it pretends to have, if nothing else is asked for.
const MEMORY: usize = 4 << 30;

/// A processor that stands in for a GPU.
pub(crate) struct Emulated {
    traits: Traits,
    inner: Mutex<Inner>,
    /// Whether warps stand still now and then, so that a missing barrier shows.
    restless: bool,
    /// Bytes that it pretends to have.
    memory: usize,
    /// Kernels and products that it still does before it fails.
    left: AtomicUsize,
}

#[derive(Default)]
struct Inner {
    memory: HashMap<Address, Vec<u64>>,
    taken: usize,
    files: Vec<Library>,
    /// Bytes that were taken and not asked for, by their number.
    fetched: HashMap<usize, Vec<u8>>,
    fetches: usize,
    records: Vec<Vec<Work>>,
    /// The work of a recording in progress.
    recording: Option<Vec<Work>>,
}

#[derive(Clone)]
enum Work {
    Clear(Address, usize),
    Launch(Launch),
    Multiply(Product),
}

/// Kernels keep their threads in static memory, so one runs at a time, whatever GPU it is of.
static RUNNING: Mutex<()> = Mutex::new(());

type Trampoline = unsafe extern "C" fn(i32, i32, i32, i32, *mut *mut c_void);

impl Emulated {
    /// A GPU of compute capability 9.0 with a few multiprocessors.
    pub fn new() -> Self {
        let traits = Traits {
            name: "emulated".into(),
            capability: 90,
            multiprocessors: 2,
            block_memory: 227 << 10,
            versions: String::new(),
        };
        let left = AtomicUsize::new(usize::MAX);
        Self { traits, inner: Mutex::default(), restless: false, memory: MEMORY, left }
    }

    /// The same, with this much memory, in bytes.
    pub fn with_memory(memory: usize) -> Self {
        Self { memory, ..Self::new() }
    }

    /// The same, with warps that stand still now and then.
    #[cfg(test)]
    pub fn restless() -> Self {
        Self { restless: true, ..Self::new() }
    }

    /// The same, which fails after `work` kernels and products.
    #[cfg(test)]
    pub fn failing_after(work: usize) -> Self {
        Self { left: AtomicUsize::new(work), ..Self::new() }
    }

    /// Kernels and products so far, of one that fails after `work` of them.
    #[cfg(test)]
    pub fn done(&self, work: usize) -> usize {
        work - self.left.load(Ordering::Relaxed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Does work, or puts it down where a recording is in progress.
    fn issue(&self, work: Work) -> Result<()> {
        let mut inner = self.inner();
        if let Some(recording) = &mut inner.recording {
            recording.push(work);
            return Ok(());
        }
        self.work(&inner, &work)
    }

    fn work(&self, inner: &Inner, work: &Work) -> Result<()> {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            let message = "the GPU has fallen off the bus".into();
            return Err(Error::Call { what: "a kernel cannot be started", message });
        }
        match work {
            Work::Clear(at, bytes) => inner.slice(*at, *bytes)?.fill(0),
            Work::Launch(launch) => inner.run(launch, self.restless)?,
            Work::Multiply(product) => inner.multiply(product)?,
        }
        Ok(())
    }
}

fn outside(at: Address) -> Error {
    Error::Call { what: "emulated memory", message: format!("nothing was allocated at {at:#x}") }
}

impl Inner {
    /// Memory by its address, checked against what was allocated.
    #[expect(clippy::mut_from_ref, reason = "device memory is shared by all who know an address")]
    #[expect(unsafe_code, reason = "memory by address")]
    fn slice(&self, at: Address, bytes: usize) -> Result<&mut [u8]> {
        let whole = self.memory.iter().find(|(start, words)| {
            (**start..=**start + 8 * words.len() as u64).contains(&at)
                && at + bytes as u64 <= **start + 8 * words.len() as u64
        });
        whole.ok_or_else(|| outside(at))?;
        // SAFETY: the bytes belong to a vector of `memory`, which outlives this borrow; the lock keeps other threads out.
        Ok(unsafe { std::slice::from_raw_parts_mut(at as *mut u8, bytes) })
    }

    #[expect(unsafe_code, reason = "a call into compiled kernels")]
    fn run(&self, launch: &Launch, restless: bool) -> Result<()> {
        if launch.grid.0 == 0 {
            return Ok(());
        }
        let name = format!("run_{}", launch.kernel.name);
        let library = &self.files[launch.kernel.file];
        let failed = |error: libloading::Error| Error::Call {
            what: "emulated kernel",
            message: error.to_string(),
        };
        let mut words = launch.arguments.clone();
        let mut pointers: Vec<*mut c_void> =
            words.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
        assert!(launch.memory <= 227 << 10, "a block has {} bytes of shared memory", launch.memory);
        let _alone = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // SAFETY: the trampoline unpacks the arguments by the kernel's own types; the kernel's memory is that of `memory`.
        unsafe {
            let run = library.get::<Trampoline>(name.as_bytes()).map_err(failed)?;
            let (x, y) = launch.grid;
            run(
                x as i32,
                y as i32,
                launch.threads as i32,
                i32::from(restless),
                pointers.as_mut_ptr(),
            );
        }
        Ok(())
    }

    fn floats(&self, at: Address, count: usize, numbers: Numbers) -> Result<Vec<f32>> {
        Ok(match numbers {
            Numbers::F32 | Numbers::Tf32 => {
                let bytes = self.slice(at, 4 * count)?.chunks_exact(4);
                bytes.map(|b| f32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
            }
            Numbers::Bf16 => {
                let bytes = self.slice(at, 2 * count)?.chunks_exact(2);
                bytes
                    .map(|b| f32::from_bits(u32::from(u16::from_le_bytes([b[0], b[1]])) << 16))
                    .collect()
            }
        })
    }

    fn multiply(&self, product: &Product) -> Result<()> {
        let Product { shape, a, b, to, bias } = *product;
        let (rows, inputs, outputs) = (shape.rows, shape.inputs, shape.outputs);
        let numbers = shape.numbers;
        let of = |at, count| self.floats(at, count, numbers);
        let sum = |count: usize, term: &dyn Fn(usize) -> f32| (0..count).map(term).sum::<f32>();
        let mut result = Vec::new();
        match shape.kind {
            ProductKind::Forward | ProductKind::ForwardBias => {
                let (w, x) = (of(a, outputs * inputs)?, of(b, rows * inputs)?);
                let bias = if shape.kind == ProductKind::ForwardBias {
                    of(bias, outputs)?
                } else {
                    vec![0.0; outputs]
                };
                for row in x.chunks_exact(inputs) {
                    let outputs = w.chunks_exact(inputs).zip(&bias);
                    result.extend(outputs.map(|(w, bias)| sum(inputs, &|k| w[k] * row[k]) + bias));
                }
            }
            ProductKind::Inputs => {
                let (w, dy) = (of(a, outputs * inputs)?, of(b, rows * outputs)?);
                for dy in dy.chunks_exact(outputs) {
                    let mut row = vec![0.0; inputs];
                    for (w, dy) in w.chunks_exact(inputs).zip(dy) {
                        row.iter_mut().zip(w).for_each(|(sum, w)| *sum += w * dy);
                    }
                    result.extend(row);
                }
            }
            ProductKind::Weights => {
                let (x, dy) = (of(a, rows * inputs)?, of(b, rows * outputs)?);
                result = vec![0.0; outputs * inputs];
                for (x, dy) in x.chunks_exact(inputs).zip(dy.chunks_exact(outputs)) {
                    for (to, dy) in result.chunks_exact_mut(inputs).zip(dy) {
                        to.iter_mut().zip(x).for_each(|(sum, x)| *sum += x * dy);
                    }
                }
            }
        }
        if numbers == Numbers::Bf16 && shape.kind != ProductKind::Weights {
            let bytes = crate::gpu::rounded(&result).into_iter().flat_map(u16::to_le_bytes);
            self.slice(to, 2 * result.len())?
                .iter_mut()
                .zip(bytes)
                .for_each(|(to, byte)| *to = byte);
        } else {
            let bytes = result.iter().flat_map(|value| value.to_le_bytes());
            self.slice(to, 4 * result.len())?
                .iter_mut()
                .zip(bytes)
                .for_each(|(to, byte)| *to = byte);
        }
        Ok(())
    }
}

impl Gpu for Emulated {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut inner = self.inner();
        if inner.taken + bytes > self.memory {
            return Err(Error::OutOfMemory {
                needed: bytes as u64,
                free: (self.memory - inner.taken) as u64,
                total: self.memory as u64,
                ours: inner.taken as u64,
            });
        }
        // Aligned as kernels need it, and no number, so that what is read before it is written shows.
        let words = vec![u64::MAX; bytes.div_ceil(8) + 1 + GUARD];
        let at = words.as_ptr() as u64;
        inner.taken += bytes.next_multiple_of(8);
        inner.memory.insert(at, words);
        Ok(at.next_multiple_of(16))
    }

    fn free(&self, at: Address) {
        let mut inner = self.inner();
        let start = [at, at - 8].into_iter().find(|start| inner.memory.contains_key(start));
        if let Some(words) = start.and_then(|start| inner.memory.remove(&start)) {
            let count = words.len() - 1 - GUARD;
            inner.taken -= 8 * count;
            let behind = &words[(at - words.as_ptr() as u64) as usize / 8 + count..];
            assert!(
                behind.iter().all(|&word| word == u64::MAX),
                "a kernel wrote behind its memory"
            );
        }
    }

    fn taken(&self) -> u64 {
        self.inner().taken as u64
    }

    fn room(&self) -> Result<u64> {
        Ok((self.memory - self.inner().taken) as u64)
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<()> {
        self.issue(Work::Clear(at, bytes))
    }

    fn write(&self, to: Address, pieces: &[&[u8]]) -> Result<()> {
        let inner = self.inner();
        assert!(inner.recording.is_none(), "no recorded step writes from the host");
        let bytes = pieces.concat();
        inner.slice(to, bytes.len())?.copy_from_slice(&bytes);
        Ok(())
    }

    fn fetch(&self, from: Address, bytes: usize) -> Result<Fetched> {
        let mut taken = vec![0; bytes];
        self.read(from, &mut taken)?;
        let mut inner = self.inner();
        let number = inner.fetches;
        inner.fetches += 1;
        inner.fetched.insert(number, taken);
        Ok(Fetched(number))
    }

    fn fetched(&self, Fetched(number): Fetched, to: &mut [u8]) -> Result<()> {
        let bytes = self.inner().fetched.remove(&number).expect("bytes that were taken");
        to.copy_from_slice(&bytes);
        Ok(())
    }

    fn unwanted(&self, Fetched(number): Fetched) {
        self.inner().fetched.remove(&number);
    }

    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let inner = self.inner();
        assert!(inner.recording.is_none(), "no recorded step waits");
        bytes.copy_from_slice(inner.slice(from, bytes.len())?);
        Ok(())
    }

    #[expect(unsafe_code, reason = "opens a library that was just compiled")]
    fn load(&self, source: &Source) -> Result<Kernels> {
        let path = compile(source)?;
        let failed = |error: libloading::Error| Error::Call {
            what: "emulated kernels",
            message: error.to_string(),
        };
        // SAFETY: the library has no initialisers.
        let library = unsafe { Library::new(path) }.map_err(failed)?;
        let mut inner = self.inner();
        inner.files.push(library);
        Ok(Kernels(inner.files.len() - 1))
    }

    fn launch(&self, launch: Launch) -> Result<()> {
        self.issue(Work::Launch(launch))
    }

    fn multiply(&self, product: Product) -> Result<()> {
        self.issue(Work::Multiply(product))
    }

    fn record(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<Option<Recorded>> {
        self.inner().recording = Some(Vec::new());
        let outcome = work();
        let mut inner = self.inner();
        let recorded = inner.recording.take().unwrap_or_default();
        outcome?;
        inner.records.push(recorded);
        Ok(Some(Recorded(inner.records.len() - 1)))
    }

    fn replay(&self, recorded: Recorded) -> Result<()> {
        let inner = self.inner();
        inner.records[recorded.0].iter().try_for_each(|work| self.work(&inner, work))
    }

    fn forget(&self, recorded: Recorded) {
        self.inner().records[recorded.0].clear();
    }
}

/// The C++ compiler: that of `CXX`, or `g++`.
fn compiler() -> String {
    std::env::var("CXX").unwrap_or_else(|_| "g++".into())
}

/// Compiles a file into a library, or takes the one that was compiled before.
fn compile(source: &Source) -> Result<PathBuf> {
    let failed = |log: String| Error::Compile { file: source.name.into(), log };
    let compiler = compiler();
    let folder = std::env::temp_dir().join("maskdoor-emulated-kernels");
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let digest = source.digest(EMULATION, &format!("{compiler} {OPTIONS:?}"));
    let library = folder.join(format!("{}-{}.so", source.name, &digest[..16]));
    if library.exists() {
        return Ok(library);
    }
    let mut text = source.text(EMULATION);
    for kernel in source.kernels() {
        let run =
            format!("void run_{kernel}(int x, int y, int threads, int rest, void** arguments)");
        let call = format!("launch({kernel}, x, y, threads, rest, arguments);");
        text.extend(["\nextern \"C\" ", &run, " { ", &call, " }"]);
    }
    // Whole or not at all: tests of several processes compile the same files.
    let work = tempfile::tempdir_in(&folder).map_err(|error| failed(error.to_string()))?;
    let (code, made) = (work.path().join("kernels.cpp"), work.path().join("kernels.so"));
    std::fs::write(&code, text).map_err(|error| failed(error.to_string()))?;
    let constants = source.constants.iter().map(|(name, value)| format!("-D{name}={value}"));
    let outcome = Command::new(&compiler)
        .args(OPTIONS)
        .args(constants)
        .arg(&code)
        .arg("-o")
        .arg(&made)
        .output();
    let outcome = outcome.map_err(|error| failed(format!("{compiler}: {error}")))?;
    if !outcome.status.success() {
        return Err(failed(String::from_utf8_lossy(&outcome.stderr).into_owned()));
    }
    std::fs::rename(&made, &library).map_err(|error| failed(error.to_string()))?;
    Ok(library)
}
