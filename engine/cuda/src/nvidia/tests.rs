//! What needs NVIDIA's runtime compiler, but no GPU.

use std::sync::Mutex;

use super::compile::compile;
use crate::{
    Result,
    attention::Attention,
    gpu::{Address, Fetched, Gpu, Kernels, Launch, Product, Recorded, Traits},
    kernels::{Source, Storage},
    libraries::Libraries,
    model::Arithmetic,
};

/// Architectures that kernels are compiled for, with the shared memory of a block in KiB.
const ARCHITECTURES: [(u32, usize); 5] = [(80, 163), (86, 99), (90, 227), (100, 227), (120, 99)];

/// Compiles what is loaded, and keeps the words of the assembler.
struct Compiler {
    traits: Traits,
    said: Mutex<Vec<(String, String)>>,
}

impl Gpu for Compiler {
    fn traits(&self) -> &Traits {
        &self.traits
    }

    fn fetch(&self, _: Address, _: usize) -> Result<Fetched> {
        unreachable!("only compiles")
    }

    fn fetched(&self, _: Fetched, _: &mut [u8]) -> Result<()> {
        unreachable!("only compiles")
    }

    fn unwanted(&self, _: Fetched) {}

    fn load(&self, source: &Source) -> Result<Kernels> {
        let compiled = compile(source, self.traits.capability, None)?;
        let name = format!("{} {:?}", source.name, source.constants);
        self.said.lock().unwrap().push((name, compiled.log));
        Ok(Kernels(0))
    }

    fn allocate(&self, _: usize) -> Result<Address> {
        unreachable!("only compiles")
    }

    fn free(&self, _: Address) {}

    fn taken(&self) -> u64 {
        0
    }

    fn clear(&self, _: Address, _: usize) -> Result<()> {
        unreachable!("only compiles")
    }

    fn write(&self, _: Address, _: &[&[u8]]) -> Result<()> {
        unreachable!("only compiles")
    }

    fn room(&self) -> Result<u64> {
        Ok(u64::MAX)
    }

    fn read(&self, _: Address, _: &mut [u8]) -> Result<()> {
        unreachable!("only compiles")
    }

    fn launch(&self, _: Launch) -> Result<()> {
        unreachable!("only compiles")
    }

    fn multiply(&self, _: Product) -> Result<()> {
        unreachable!("only compiles")
    }

    fn record(&self, _: &mut dyn FnMut() -> Result<()>) -> Result<Option<Recorded>> {
        Ok(None)
    }

    fn replay(&self, _: Recorded) -> Result<()> {
        unreachable!("only compiles")
    }

    fn forget(&self, _: Recorded) {}
}

/// Bytes that a kernel spills, by the assembler's words.
fn spilled(log: &str) -> usize {
    let before = log.match_indices(" bytes spill stores").map(|(at, _)| &log[..at]);
    before.filter_map(|text| text.split_whitespace().next_back()?.parse::<usize>().ok()).sum()
}

/// Compiles the kernels of a stack: its width, heads and tokens.
fn stack(gpu: &Compiler, storage: Storage, width: usize, heads: usize, tokens: usize) {
    for source in [
        Source::norm(width, false),
        Source::norm(width, true),
        Source::tokens(width),
        Source::gelu(4 * width),
    ] {
        gpu.load(&source.stored(storage)).unwrap();
    }
    Attention::new(gpu, storage, tokens, heads, width / heads).unwrap();
}

#[test]
#[expect(unsafe_code, reason = "asks whether a library is there")]
fn every_kernel_compiles_for_every_architecture() {
    // Whoever asks for a library by its name gets what is open.
    let _ = Libraries::open();
    // SAFETY: only opens the library.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        eprintln!("skipped: there is no libnvrtc; scripts/nvrtc.sh fetches it");
        return;
    }
    for (capability, memory) in ARCHITECTURES {
        let traits = Traits {
            name: String::new(),
            capability,
            multiprocessors: 1,
            block_memory: memory << 10,
            versions: String::new(),
        };
        let gpu = Compiler { traits, said: Mutex::default() };
        for arithmetic in [Arithmetic::F32, Arithmetic::Bf16, Arithmetic::Bf16Stream] {
            let storage = arithmetic.storage();
            // ViT-B's encoder and decoder in pre-training, its encoder in fine-tuning; the 32-pixel model of `cifar10-quick`.
            stack(&gpu, storage, 768, 12, 50);
            stack(&gpu, storage, 512, 16, 197);
            stack(&gpu, storage, 768, 12, 197);
            stack(&gpu, storage, 192, 3, 17);
            stack(&gpu, storage, 128, 4, 65);
            for source in [(224, 16), (32, 4), (224, 14), (224, 32)]
                .map(|(side, patch)| Source::pixels(side, patch))
            {
                gpu.load(&source.stored(storage)).unwrap();
            }
            if arithmetic != Arithmetic::Bf16Stream {
                // ViT-L and ViT-H.
                stack(&gpu, storage, 1024, 16, 50);
                stack(&gpu, storage, 1280, 16, 65);
                stack(&gpu, storage, 512, 16, 257);
            }
        }
        let crops = [Source::crops(224, 224, 4), Source::crops(32, 32, 4)];
        for source in crops.into_iter().chain([Source::loss(), Source::sums(), Source::adamw()]) {
            gpu.load(&source).unwrap();
        }
        let said = gpu.said.into_inner().unwrap();
        for (name, log) in &said {
            let spilled = spilled(log);
            if spilled > 0 {
                eprintln!("sm_{capability} {name}: {spilled} bytes spilled");
            }
            // What is known; a kernel that spills more has lost the registers for its sums.
            let most = if name.contains(r#"("PATCH", 32)"#) { 1024 } else { 256 };
            assert!(spilled <= most, "sm_{capability} {name} spills {spilled} bytes");
        }
    }
}

#[test]
fn spills_are_read_from_the_assemblers_words() {
    let log = "ptxas info    : Function properties for norm_backward\n    0 bytes stack frame, 24 bytes spill stores, 24 bytes spill loads\n\
               ptxas info    : Used 128 registers\n    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n";
    assert_eq!(spilled(log), 24);
}
