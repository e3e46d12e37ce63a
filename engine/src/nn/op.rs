//! What the layers' own operations share: their tensors' numbers as slices.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor};

/// Whether the layers' own kernels can take this tensor: single precision on the CPU. Everything else goes through candle's
/// differentiable operations.
pub(crate) fn has_kernel(x: &Tensor) -> bool {
    x.dtype() == DType::F32 && x.device().is_cpu()
}

/// The numbers of a contiguous tensor, within an operation.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => candle_core::bail!("an operation of the engine takes contiguous tensors only"),
    }
}

/// Hands the numbers of a contiguous tensor on the CPU to `read`.
pub(crate) fn with_slice<R>(tensor: &Tensor, read: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(read(slice(storage, layout)?)),
        _ => candle_core::bail!("an operation of the engine takes tensors on the CPU only"),
    }
}

/// A tensor of these numbers, with the shape of `like`.
pub(crate) fn tensor_like(data: Vec<f32>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(data, like.shape(), &Device::Cpu)
}
