//! What several tests need: pretended libraries, which are C files compiled by the system's compiler; the GPU at hand; a model's tensors.

use std::{path::PathBuf, process::Command, sync::Arc};

use tempfile::TempDir;

use crate::{MaeShape, Pace, Tensor, gpu::Gpu, nvidia::Nvidia};

/// The number of the GPU that `MASKDOOR_TEST_GPU` names.
pub fn test_gpu() -> Option<usize> {
    let ordinal = std::env::var("MASKDOOR_TEST_GPU").ok()?;
    Some(ordinal.parse().expect("MASKDOOR_TEST_GPU is a GPU's number"))
}

/// The GPU that `MASKDOOR_TEST_GPU` names.
pub fn real_gpu() -> Option<Arc<dyn Gpu>> {
    let cache = std::env::var_os("MASKDOOR_KERNEL_CACHE").map(Into::into);
    Some(Arc::new(Nvidia::open(test_gpu()?, cache).expect("a GPU")))
}

/// Compiles C text to a shared library in a folder that goes with the test.
pub fn compiled(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let [source, library] = ["pretended.c", "libpretended.so"].map(|name| folder.path().join(name));
    std::fs::write(&source, text).expect("a file");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    assert!(compiler.status().expect("a C compiler").success(), "{}", source.display());
    (folder, library)
}

/// The tensors of a masked autoencoder, by the names that its layers ask for.
pub fn mae_tensors(shape: &MaeShape) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    let mut add = |name: &str, len: usize, trained: bool| {
        let trained = trained.then_some(Pace { rate: 1.0, decay: 0.05 });
        tensors.push(Tensor { name: name.into(), len, trained });
    };
    let (width, decoder) = (shape.encoder.width, shape.decoder.width);
    let (pixels, rows) = (shape.pixels(), 1 + shape.patches());
    add("cls_token", width, true);
    add("pos_embed", rows * width, false);
    add("mask_token", decoder, true);
    add("decoder_pos_embed", rows * decoder, false);
    let mut layers = vec![("patch_embed.proj".to_owned(), pixels, width)];
    for (name, blocks) in [("blocks", shape.encoder), ("decoder_blocks", shape.decoder)] {
        let width = blocks.width;
        for i in 0..blocks.depth {
            let of = |layer: &str| format!("{name}.{i}.{layer}");
            layers.extend([
                (of("norm1"), 1, width),
                (of("attn.qkv"), width, 3 * width),
                (of("attn.proj"), width, width),
                (of("norm2"), 1, width),
                (of("mlp.fc1"), width, 4 * width),
                (of("mlp.fc2"), 4 * width, width),
            ]);
        }
    }
    layers.extend([
        ("norm".into(), 1, width),
        ("decoder_embed".into(), width, decoder),
        ("decoder_norm".into(), 1, decoder),
        ("decoder_pred".into(), decoder, pixels),
    ]);
    for (name, inputs, outputs) in layers {
        add(&format!("{name}.weight"), inputs * outputs, true);
        add(&format!("{name}.bias"), outputs, true);
    }
    tensors
}
