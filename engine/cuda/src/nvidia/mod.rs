//! A GPU by CUDA's driver: its context, one stream, memory, kernels, recorded work.
//!
//! Every call binds the context to its thread first, so a device may pass between threads. Errors name what was tried.

mod beside;
mod compile;
mod products;
mod staging;
#[cfg(test)]
mod tests;

pub(crate) use products::WORKSPACE;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::CString,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cudarc::driver::{
    CudaContext, CudaStream, DriverError,
    result::{self, graph, module},
    sys,
};

use self::{beside::Beside, products::Products, staging::Staging};
use crate::{
    Error, Result,
    gpu::{Address, Fetched, Gpu, Kernel, Kernels, Launch, Product, Recorded, Stream, Traits},
    kernels::Source,
};

/// Blocks may take this much dynamic shared memory without asking for more.
const USUAL_BLOCK_MEMORY: usize = 48 << 10;
/// Compute capability from which bf16, matrix instructions and asynchronous copies are there.
const LEAST_CAPABILITY: u32 = 80;
/// Compute capability from which a kernel may start before the one in front of it has ended.
const EARLY_CAPABILITY: u32 = 90;

/// Contexts by device. They stay as long as the process: libraries keep what they know of a device in its context.
static CONTEXTS: Mutex<BTreeMap<usize, Arc<CudaContext>>> = Mutex::new(BTreeMap::new());

fn context(ordinal: usize) -> std::result::Result<Arc<CudaContext>, DriverError> {
    let mut contexts = CONTEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(context) = contexts.get(&ordinal) {
        return Ok(Arc::clone(context));
    }
    let context = CudaContext::new(ordinal)?;
    contexts.insert(ordinal, Arc::clone(&context));
    Ok(context)
}

/// An NVIDIA GPU.
pub(crate) struct Nvidia {
    context: Arc<CudaContext>,
    stream: Arc<CudaStream>,
    /// For sums over several GPUs.
    beside: Beside,
    traits: Traits,
    /// Where compiled kernels are kept.
    cache: Option<PathBuf>,
    inner: Mutex<Inner>,
}

struct Inner {
    modules: Vec<Module>,
    /// Files that were loaded, by what they were compiled from.
    loaded: HashMap<String, usize>,
    products: Products,
    staging: Staging,
    memory: HashMap<Address, usize>,
    graphs: Vec<Option<[usize; 2]>>,
}

struct Module {
    module: usize,
    functions: HashMap<&'static str, usize>,
}

/// An error of the driver.
pub(crate) fn driver(what: &'static str) -> impl Fn(DriverError) -> Error {
    move |error| {
        // Names and texts come from the driver's own table.
        let name = error.error_name().map(|name| name.to_string_lossy().into_owned());
        let text = error.error_string().map(|text| text.to_string_lossy().into_owned());
        let message = format!(
            "{} ({})",
            text.unwrap_or_else(|_| "unknown error".into()),
            name.unwrap_or_else(|_| format!("{error:?}"))
        );
        Error::Call { what, message }
    }
}

/// An error of a call that takes memory on the device for itself.
pub(crate) fn with_memory(what: &'static str) -> impl Fn(DriverError) -> Error {
    move |error| match error.0 {
        sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => Error::Full { what },
        _ => driver(what)(error),
    }
}

impl Nvidia {
    /// Opens a device. The libraries must have been looked for before: without them, cudarc panics.
    pub fn open(ordinal: usize, cache: Option<PathBuf>) -> Result<Self> {
        let open = || -> std::result::Result<_, DriverError> {
            let context = context(ordinal)?;
            let (major, minor) = context.compute_capability()?;
            let attribute = |attribute| context.attribute(attribute).map(|value| value as usize);
            let multiprocessors =
                attribute(sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let block_memory = attribute(
                sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN,
            )?;
            let name = context.name()?;
            let stream = context.new_stream()?;
            Ok((context, stream, (major * 10 + minor) as u32, multiprocessors, block_memory, name))
        };
        let (context, stream, capability, multiprocessors, block_memory, name) =
            open().map_err(with_memory("the GPU cannot be opened"))?;
        if capability < LEAST_CAPABILITY {
            let message = format!(
                "{name} has compute capability {}.{}; training needs 8.0 or later (Ampere). Use the processor",
                capability / 10,
                capability % 10
            );
            return Err(Error::Unsupported(message));
        }
        let versions = versions()?;
        let beside = Beside::new(&context)?;
        let traits = Traits { name, capability, multiprocessors, block_memory, versions };
        let inner = Inner {
            modules: Vec::new(),
            loaded: HashMap::new(),
            products: Products::new()?,
            staging: Staging::default(),
            memory: HashMap::new(),
            graphs: Vec::new(),
        };
        Ok(Self { context, stream, beside, traits, cache, inner: Mutex::new(inner) })
    }

    /// Binds the context to this thread, and keeps other threads out.
    fn enter(&self) -> Result<MutexGuard<'_, Inner>> {
        self.context.bind_to_thread().map_err(driver("the GPU's context cannot be used"))?;
        Ok(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stream(&self) -> sys::CUstream {
        self.stream.cu_stream()
    }
}

/// Versions of the driver, NVRTC and cuBLASLt.
#[expect(unsafe_code, reason = "calls into libraries that are open")]
fn versions() -> Result<String> {
    let (mut driver_version, mut major, mut minor) = (0, 0, 0);
    // SAFETY: the pointers are to variables of this frame.
    unsafe {
        sys::cuDriverGetVersion(&raw mut driver_version)
            .result()
            .map_err(driver("the driver tells no version"))?;
        let _ = cudarc::nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor);
        let cublaslt = cudarc::cublaslt::sys::cublasLtGetVersion();
        Ok(format!("driver {driver_version}, NVRTC {major}.{minor}, cuBLASLt {cublaslt}"))
    }
}

impl Inner {
    /// A kernel's function; its dynamic shared memory is allowed for.
    #[expect(unsafe_code, reason = "handles of the driver")]
    fn function(&mut self, kernel: Kernel, memory: usize) -> Result<sys::CUfunction> {
        let Module { module, functions } = &mut self.modules[kernel.file];
        if let Some(function) = functions.get(kernel.name) {
            return Ok(*function as sys::CUfunction);
        }
        let name = CString::new(kernel.name).expect("a name without NUL");
        // SAFETY: the module stays loaded as long as the device.
        let function = unsafe { module::get_function(*module as sys::CUmodule, name) }
            .map_err(driver("a kernel is not in its file"))?;
        if memory > USUAL_BLOCK_MEMORY {
            let attribute =
                sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: as above.
            unsafe { result::function::set_function_attribute(function, attribute, memory as i32) }
                .map_err(driver("a kernel cannot have its shared memory"))?;
        }
        functions.insert(kernel.name, function as usize);
        Ok(function)
    }
}

impl Gpu for Nvidia {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut inner = self.enter()?;
        let bytes = bytes.next_multiple_of(256).max(256);
        // SAFETY: the memory is freed by `free`.
        let at = unsafe { result::malloc_sync(bytes) }.map_err(|error| {
            if error.0 != sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                return driver("memory cannot be taken")(error);
            }
            let (free, total) = self.context.mem_get_info().unwrap_or_default();
            let ours: usize = inner.memory.values().sum();
            Error::OutOfMemory {
                needed: bytes as u64,
                free: free as u64,
                total: total as u64,
                ours: ours as u64,
            }
        })?;
        inner.memory.insert(at, bytes);
        Ok(at)
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn free(&self, at: Address) {
        if let Ok(mut inner) = self.enter()
            && inner.memory.remove(&at).is_some()
        {
            // SAFETY: it was allocated here and is given up by its owner. The driver waits for work that uses it.
            let _ = unsafe { result::free_sync(at) };
        }
    }

    fn taken(&self) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.memory.values().map(|&bytes| bytes as u64).sum()
    }

    fn room(&self) -> Result<u64> {
        let _inner = self.enter()?;
        let (free, _) =
            self.context.mem_get_info().map_err(driver("memory cannot be asked for"))?;
        Ok(free as u64)
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn clear(&self, at: Address, bytes: usize) -> Result<()> {
        let _inner = self.enter()?;
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: the caller's buffer has that many bytes.
        unsafe { result::memset_d8_async(at, 0, bytes, self.stream()) }
            .map_err(driver("memory cannot be cleared"))
    }

    fn write(&self, to: Address, pieces: &[&[u8]]) -> Result<()> {
        self.enter()?.staging.write(self.stream(), to, pieces)
    }

    fn fetch(&self, from: Address, bytes: usize) -> Result<Fetched> {
        self.enter()?.staging.fetch(self.stream(), from, bytes)
    }

    fn fetched(&self, fetched: Fetched, to: &mut [u8]) -> Result<()> {
        self.enter()?.staging.fetched(fetched, to)
    }

    fn unwanted(&self, fetched: Fetched) {
        if let Ok(mut inner) = self.enter() {
            inner.staging.unwanted(fetched);
        }
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let _inner = self.enter()?;
        self.stream.synchronize().map_err(driver("the GPU's work failed"))?;
        // SAFETY: the caller's buffer has that many bytes, and no work is on its way.
        unsafe { result::memcpy_dtoh_sync(bytes, from) }.map_err(driver("memory cannot be read"))
    }

    fn branch(&self) -> Result<Stream> {
        let _inner = self.enter()?;
        self.beside.branch(self.stream())
    }

    fn rejoin(&self) -> Result<()> {
        let _inner = self.enter()?;
        self.beside.rejoin(self.stream())
    }

    fn ordinal(&self) -> Option<usize> {
        Some(self.context.ordinal())
    }

    #[expect(unsafe_code, reason = "loads machine code that was compiled here")]
    fn load(&self, source: &Source) -> Result<Kernels> {
        let mut inner = self.enter()?;
        let key = source.digest("", "");
        if let Some(&file) = inner.loaded.get(&key) {
            return Ok(Kernels(file));
        }
        let cache = self.cache.as_deref();
        let compiled = compile::compile(source, self.traits.capability, cache)?;
        // SAFETY: the machine code is whole; the driver checks its form.
        let load = |cubin: &[u8]| unsafe { module::load_data(cubin.as_ptr().cast()) };
        let module = match load(&compiled.cubin) {
            Err(error)
                if compiled.was_kept && error.0 != sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY =>
            {
                // The file may be damaged.
                load(&compile::anew(source, self.traits.capability, cache)?.cubin)
            }
            outcome => outcome,
        }
        .map_err(with_memory("kernels cannot be loaded"))?;
        inner.modules.push(Module { module: module as usize, functions: HashMap::new() });
        let file = inner.modules.len() - 1;
        inner.loaded.insert(key, file);
        Ok(Kernels(file))
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn launch(&self, launch: Launch) -> Result<()> {
        let Launch { kernel, grid: (x, y), threads, memory, mut arguments } = launch;
        if x == 0 || y == 0 {
            return Ok(());
        }
        let mut inner = self.enter()?;
        let function = inner.function(kernel, memory)?;
        let mut pointers: Vec<*mut std::ffi::c_void> =
            arguments.iter_mut().map(|word| std::ptr::from_mut(word).cast()).collect();
        let early = self.traits.capability >= EARLY_CAPABILITY;
        // SAFETY: the attribute is a C struct of which zeros are a value; the arguments are those of the kernel, and outlive the call,
        // which copies them.
        let outcome = unsafe {
            let mut attribute: sys::CUlaunchAttribute = std::mem::zeroed();
            attribute.id =
                sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
            attribute.value.programmaticStreamSerializationAllowed = 1;
            let config = sys::CUlaunchConfig {
                gridDimX: x as u32,
                gridDimY: y as u32,
                gridDimZ: 1,
                blockDimX: threads as u32,
                blockDimY: 1,
                blockDimZ: 1,
                sharedMemBytes: memory as u32,
                hStream: self.stream(),
                attrs: &raw mut attribute,
                numAttrs: u32::from(early),
            };
            sys::cuLaunchKernelEx(
                &raw const config,
                function,
                pointers.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        outcome.result().map_err(driver("a kernel cannot be started"))
    }

    fn multiply(&self, product: Product) -> Result<()> {
        self.enter()?.products.multiply(self.stream(), product)
    }

    #[expect(unsafe_code, reason = "calls of the driver")]
    fn record(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<Option<Recorded>> {
        let failed = with_memory("a step cannot be recorded");
        drop(self.enter()?);
        let stream = self.stream();
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is this device's; what is recorded names memory that lives as long as the recording.
        unsafe {
            result::stream::begin_capture(stream, mode).map_err(&failed)?;
            let outcome = work();
            let graph = result::stream::end_capture(stream);
            outcome?;
            let graph = graph.map_err(&failed)?;
            let mut executable: sys::CUgraphExec = std::ptr::null_mut();
            sys::cuGraphInstantiateWithFlags(&raw mut executable, graph, 0)
                .result()
                .map_err(&failed)?;
            sys::cuGraphUpload(executable, stream).result().map_err(&failed)?;
            let mut inner = self.enter()?;
            inner.graphs.push(Some([graph as usize, executable as usize]));
            Ok(Some(Recorded(inner.graphs.len() - 1)))
        }
    }

    #[expect(unsafe_code, reason = "a call of the driver")]
    fn replay(&self, recorded: Recorded) -> Result<()> {
        let inner = self.enter()?;
        let [_, executable] = inner.graphs[recorded.0].expect("a recording that was not forgotten");
        // SAFETY: it is not yet destroyed.
        unsafe { graph::launch(executable as sys::CUgraphExec, self.stream()) }
            .map_err(driver("a recorded step cannot be started"))
    }

    #[expect(unsafe_code, reason = "calls of the driver")]
    fn forget(&self, recorded: Recorded) {
        let Ok(mut inner) = self.enter() else { return };
        let _ = self.stream.synchronize();
        if let Some([graph, executable]) = inner.graphs[recorded.0].take() {
            // SAFETY: nothing of it is at work any more.
            unsafe {
                let _ = graph::exec_destroy(executable as sys::CUgraphExec);
                let _ = graph::destroy(graph as sys::CUgraph);
            }
        }
    }
}

impl Drop for Nvidia {
    #[expect(unsafe_code, reason = "calls of the driver")]
    fn drop(&mut self) {
        let Ok(mut inner) = self.enter() else { return };
        let _ = self.stream.synchronize();
        self.beside.free();
        // SAFETY: the stream is idle, and nobody else has these handles.
        unsafe {
            for [graph, executable] in inner.graphs.drain(..).flatten() {
                let _ = graph::exec_destroy(executable as sys::CUgraphExec);
                let _ = graph::destroy(graph as sys::CUgraph);
            }
            for module in inner.modules.drain(..) {
                let _ = module::unload(module.module as sys::CUmodule);
            }
        }
        inner.staging.free();
        inner.products.free();
    }
}
