//! How much memory a model would take on a GPU, without one: the trainers' own code, on a GPU that only counts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Arithmetic, Descent, MaeModel, MaeShape, MaeTrainer, Result, Tensor, Traits, VitShape,
    VitTrainer,
    gpu::{Address, Fetched, Gpu, Kernels, Launch, Product, Recorded},
    kernels::Source,
    nvidia::WORKSPACE,
};

/// Room for CUDA's context, the kernels and the libraries. It is an assumption: no device has been measured yet.
const CONTEXT: u64 = 640 << 20;

/// Counts memory, and does nothing.
struct Counter {
    traits: Traits,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    taken: HashMap<Address, u64>,
    now: u64,
    most: u64,
    next: Address,
}

impl Gpu for Counter {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = (bytes as u64).next_multiple_of(256);
        memory.next += 256 + bytes;
        memory.now += bytes;
        memory.most = memory.most.max(memory.now);
        let at = memory.next;
        memory.taken.insert(at, bytes);
        Ok(at)
    }

    fn free(&self, at: Address) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.now -= memory.taken.remove(&at).unwrap_or(0);
    }

    fn taken(&self) -> u64 {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn room(&self) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn clear(&self, _: Address, _: usize) -> Result<()> {
        Ok(())
    }

    fn write(&self, _: Address, _: &[&[u8]]) -> Result<()> {
        Ok(())
    }

    fn read(&self, _: Address, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(0);
        Ok(())
    }

    fn fetch(&self, _: Address, _: usize) -> Result<Fetched> {
        Ok(Fetched(0))
    }

    fn fetched(&self, _: Fetched, to: &mut [u8]) -> Result<()> {
        to.fill(0);
        Ok(())
    }

    fn unwanted(&self, _: Fetched) {}

    fn load(&self, _: &Source) -> Result<Kernels> {
        Ok(Kernels(0))
    }

    fn launch(&self, _: Launch) -> Result<()> {
        Ok(())
    }

    fn multiply(&self, _: Product) -> Result<()> {
        Ok(())
    }

    fn record(&self, _: &mut dyn FnMut() -> Result<()>) -> Result<Option<Recorded>> {
        Ok(None)
    }

    fn replay(&self, _: Recorded) -> Result<()> {
        Ok(())
    }

    fn forget(&self, _: Recorded) {}
}

/// The most that `work` takes on a GPU like this, with what CUDA takes.
fn most(traits: &Traits, work: impl FnOnce(&Arc<dyn Gpu>) -> Result<()>) -> Result<u64> {
    let counter = Arc::new(Counter { traits: traits.clone(), memory: Mutex::default() });
    let gpu: Arc<dyn Gpu> = Arc::clone(&counter) as Arc<dyn Gpu>;
    work(&gpu)?;
    let memory = counter.memory.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(memory.most + WORKSPACE as u64 + CONTEXT)
}

/// Bytes of a GPU's memory that pre-training takes, for batches of `images` images with `visible` visible patches each.
///
/// # Errors
/// When the GPU's kernels do not serve the model.
pub fn mae_memory(
    traits: &Traits,
    arithmetic: Arithmetic,
    shape: MaeShape,
    tensors: &[Tensor],
    descent: Descent,
    (images, visible): (usize, usize),
) -> Result<u64> {
    most(traits, |gpu| {
        MaeTrainer::new(gpu, arithmetic, shape, tensors, &[], descent)?.reserve(images, visible)
    })
}

/// Bytes of a GPU's memory that features of `images` images at once take.
///
/// # Errors
/// When the GPU's kernels do not serve the model.
pub fn mae_features_memory(
    traits: &Traits,
    arithmetic: Arithmetic,
    shape: MaeShape,
    tensors: &[Tensor],
    images: usize,
) -> Result<u64> {
    most(traits, |gpu| {
        MaeModel::new(gpu, arithmetic, shape, tensors, &[])?.reserve_features(images)
    })
}

/// Bytes of a GPU's memory that fine-tuning takes, for batches of `images` images.
///
/// # Errors
/// When the GPU's kernels do not serve the model.
pub fn vit_memory(
    traits: &Traits,
    arithmetic: Arithmetic,
    shape: VitShape,
    tensors: &[Tensor],
    descent: Descent,
    (images, dropping): (usize, bool),
) -> Result<u64> {
    most(traits, |gpu| {
        VitTrainer::new(gpu, arithmetic, shape, tensors, descent)?.reserve(images, dropping)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Blocks, testing::mae_tensors};

    #[test]
    fn vit_b_at_the_published_size_takes_less_than_pytorch() {
        let shape = MaeShape {
            side: 224,
            patch: 16,
            encoder: Blocks { width: 768, depth: 12, heads: 12 },
            decoder: Blocks { width: 512, depth: 8, heads: 16 },
        };
        let tensors = mae_tensors(&shape);
        let numbers: usize = tensors.iter().map(|tensor| tensor.len).sum();
        assert_eq!(numbers, 111_907_840, "ViT-B with MAE's decoder");
        // An H200.
        let traits = Traits {
            name: String::new(),
            capability: 90,
            multiprocessors: 132,
            block_memory: 227 << 10,
            versions: String::new(),
        };
        let descent = Descent { betas: (0.9, 0.95), accumulate: 1, clip_norm: 0.0 };
        let of = |arithmetic, images| {
            let bytes = mae_memory(&traits, arithmetic, shape, &tensors, descent, (images, 49));
            bytes.unwrap() as f64 / f64::from(1 << 30)
        };
        // PyTorch 2.11 takes 13.2 GiB for 256 images.
        assert!((9.0..12.5).contains(&of(Arithmetic::Bf16, 256)));
        // Parameters, their rounded copy, moments and gradients are 18 bytes a number: 1.9 GiB.
        assert!((3.0..5.0).contains(&of(Arithmetic::Bf16, 48)));
        assert!(of(Arithmetic::F32, 256) > 1.5 * of(Arithmetic::Bf16, 256));
        assert!(of(Arithmetic::Bf16Stream, 256) < of(Arithmetic::Bf16, 256));
    }
}
