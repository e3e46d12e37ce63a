//! What a model in training needs of a GPU: memory, kernels, matrix products, and recorded work.
//!
//! The trainers issue their work through the trait [`Gpu`]: to a device ([`crate::nvidia`]), to the very kernels on the
//! processor ([`crate::emulated`]), or to a count of the memory that they would take ([`crate::count`]).

use std::sync::Arc;

use crate::{Result, kernels::Source};

/// A place in a GPU's memory; 0 is none.
pub(crate) type Address = u64;

/// A stream of a GPU, as its driver knows it; 0 where there is none.
pub(crate) type Stream = u64;

/// What kernels are chosen by, and grids measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traits {
    /// The device's name, as its driver gives it.
    pub name: String,
    /// Compute capability: 90 for 9.0.
    pub capability: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: usize,
    /// Bytes of shared memory that a block may take.
    pub block_memory: usize,
    /// Versions of the driver and the libraries: with the device's name, what the bits of a result depend on.
    pub versions: String,
}

/// How numbers of a matrix product are stored and multiplied. Sums are in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Numbers {
    /// Single precision.
    F32,
    /// Single precision, multiplied with 10 bits of mantissa.
    Tf32,
    /// bf16.
    Bf16,
}

/// A product of a layer that turns rows of `inputs` into rows of `outputs`; weights are `(outputs, inputs)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ProductKind {
    /// `y = x wT`
    Forward,
    /// `y = x wT + bias`
    ForwardBias,
    /// `dx = dy w`
    Inputs,
    /// `dw = dyT x`, in single precision
    Weights,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ProductShape {
    pub kind: ProductKind,
    pub numbers: Numbers,
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// A product: its weights (of `Forward`, `Inputs`) or `x` (of `Weights`), the other factor, the result, and the bias.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub shape: ProductShape,
    pub a: Address,
    pub b: Address,
    pub to: Address,
    pub bias: Address,
}

/// A kernel of a loaded file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kernel {
    /// Index of the file among those loaded.
    pub file: usize,
    /// Its name in the file.
    pub name: &'static str,
}

/// Files of kernels that were loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kernels(pub usize);

impl Kernels {
    pub fn get(self, name: &'static str) -> Kernel {
        Kernel { file: self.0, name }
    }
}

/// A start of a kernel. Arguments are addresses, numbers of 4 bytes in the low half of a word.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub kernel: Kernel,
    pub grid: (usize, usize),
    pub threads: usize,
    /// Bytes of dynamic shared memory of a block.
    pub memory: usize,
    pub arguments: Vec<u64>,
}

/// Work that was recorded and can be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recorded(pub usize);

/// Bytes on their way to the host.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetched(pub usize);

/// A GPU. All work is done in the order of the calls; calls return before it is done, except [`read`](Self::read).
///
/// Addresses are given out by [`allocate`](Self::allocate). Whoever issues work keeps within what was allocated: [`Buffer`] does.
pub(crate) trait Gpu: Send + Sync {
    fn traits(&self) -> &Traits;

    /// # Errors
    /// [`OutOfMemory`](crate::Error::OutOfMemory).
    fn allocate(&self, bytes: usize) -> Result<Address>;

    fn free(&self, at: Address);

    /// Bytes that are allocated.
    fn taken(&self) -> u64;

    /// Bytes that can still be allocated.
    fn room(&self) -> Result<u64>;

    /// Writes zeros.
    fn clear(&self, at: Address, bytes: usize) -> Result<()>;

    /// Writes pieces one behind the other.
    fn write(&self, to: Address, pieces: &[&[u8]]) -> Result<()>;

    /// Waits for all work before.
    fn read(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Takes bytes as they are behind all work so far, without waiting for them.
    fn fetch(&self, from: Address, bytes: usize) -> Result<Fetched>;

    /// Bytes that were taken, as many as there were; waits until the GPU is that far.
    fn fetched(&self, fetched: Fetched, to: &mut [u8]) -> Result<()>;

    /// Gives up bytes that nobody asks for any more.
    fn unwanted(&self, fetched: Fetched);

    /// Lets a second stream go on behind all work so far, and gives it, for calls of a library. What is issued to the GPU later may run
    /// beside it until [`rejoin`](Self::rejoin). The GPU is bound to this thread.
    fn branch(&self) -> Result<Stream> {
        Ok(0)
    }

    /// Lets later work wait for that of the second stream.
    fn rejoin(&self) -> Result<()> {
        Ok(())
    }

    /// The number by which NVIDIA's libraries know it.
    fn ordinal(&self) -> Option<usize> {
        None
    }

    fn load(&self, source: &Source) -> Result<Kernels>;

    fn launch(&self, launch: Launch) -> Result<()>;

    fn multiply(&self, product: Product) -> Result<()>;

    /// Records the work that `work` issues instead of doing it; `None` where this GPU records nothing, and then `work` was not called.
    fn record(&self, work: &mut dyn FnMut() -> Result<()>) -> Result<Option<Recorded>>;

    fn replay(&self, recorded: Recorded) -> Result<()>;

    fn forget(&self, recorded: Recorded);
}

/// A kernel's argument: a count.
pub(crate) fn int(value: usize) -> u64 {
    u64::from(u32::try_from(value).expect("a count in 32 bits"))
}

/// A kernel's argument: a number.
pub(crate) fn real(value: f32) -> u64 {
    u64::from(value.to_bits())
}

/// Memory on a GPU, given back when it is dropped.
pub(crate) struct Buffer {
    gpu: Arc<dyn Gpu>,
    at: Address,
    bytes: usize,
}

impl Buffer {
    /// Memory with no content yet.
    pub fn new(gpu: &Arc<dyn Gpu>, bytes: usize) -> Result<Self> {
        let at = gpu.allocate(bytes.max(1))?;
        Ok(Self { gpu: Arc::clone(gpu), at, bytes })
    }

    /// Zeros.
    pub fn zeros(gpu: &Arc<dyn Gpu>, bytes: usize) -> Result<Self> {
        let buffer = Self::new(gpu, bytes)?;
        gpu.clear(buffer.at, bytes)?;
        Ok(buffer)
    }

    /// These numbers.
    pub fn of<T: Plain>(gpu: &Arc<dyn Gpu>, values: &[T]) -> Result<Self> {
        let buffer = Self::new(gpu, size_of_val(values))?;
        buffer.write(values)?;
        Ok(buffer)
    }

    pub fn at(&self) -> Address {
        self.at
    }

    /// Writes numbers to its beginning.
    pub fn write<T: Plain>(&self, values: &[T]) -> Result<()> {
        assert!(size_of_val(values) <= self.bytes, "what is written fits");
        self.gpu.write(self.at, &[bytes_of(values)])
    }

    /// Writes pieces one behind the other, from its beginning on.
    pub fn write_pieces(&self, pieces: &[&[u8]]) -> Result<()> {
        let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(bytes <= self.bytes, "what is written fits");
        self.gpu.write(self.at, pieces)
    }

    /// Its first numbers.
    pub fn read<T: Plain + Default + Clone>(&self, count: usize) -> Result<Vec<T>> {
        let mut values = vec![T::default(); count];
        assert!(size_of_val(&values[..]) <= self.bytes, "what is read is there");
        self.gpu.read(self.at, bytes_of_mut(&mut values))?;
        Ok(values)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.gpu.free(self.at);
    }
}

/// Numbers without padding, of which every pattern of bits is one.
///
/// # Safety
/// As said.
#[expect(unsafe_code, reason = "a promise about a type's layout")]
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => {$(
        // SAFETY: it is a number, or a `repr(C)` struct of numbers without gaps.
        #[expect(unsafe_code, reason = "see above")]
        unsafe impl $crate::gpu::Plain for $type {}
    )*};
}
pub(crate) use plain;
plain!(u8, u16, u32, i32, f32, f64);

#[expect(unsafe_code, reason = "a view of numbers as bytes")]
fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: `Plain` types have no padding.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}

#[expect(unsafe_code, reason = "a view of numbers as bytes")]
fn bytes_of_mut<T: Plain>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: `Plain` types have no padding, and take any bits.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
}

/// Numbers as bf16, to the nearest, ties to even.
pub(crate) fn rounded(values: &[f32]) -> Vec<u16> {
    let round = |value: &f32| {
        let bits = value.to_bits();
        if value.is_nan() { 0x7fc0 } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
    };
    values.iter().map(round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_even() {
        let of = |bits: u32| rounded(&[f32::from_bits(bits)])[0];
        assert_eq!(rounded(&[1.0, -2.0]), [0x3f80, 0xc000]);
        assert_eq!(of(0x3f80_8000), 0x3f80, "half way, to even");
        assert_eq!(of(0x3f81_8000), 0x3f82, "half way, to even");
        assert_eq!(of(0x3f80_8001), 0x3f81);
        assert_eq!(rounded(&[f32::INFINITY])[0], 0x7f80);
    }
}
