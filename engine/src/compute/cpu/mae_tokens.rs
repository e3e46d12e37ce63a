//! The tokens of the masked autoencoder: from visible patches to the encoder's input, and from its output to the decoder's.

use kernel::{Packed, Path};

use super::{Mae, MaskedImages, nn::add_bias};

/// The sizes of a batch.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub visible: usize,
    pub hidden: usize,
    pub width: usize,
    pub decoder_width: usize,
    pub patch: usize,
}

impl Mae {
    pub(super) fn sizes(&self, visible: usize) -> Sizes {
        Sizes {
            visible,
            hidden: self.grid().count() - visible,
            width: self.spec().encoder.dim as usize,
            decoder_width: self.spec().decoder.dim as usize,
            patch: self.grid().patch_len(),
        }
    }

    /// The encoder's input: the CLS token and the visible patches, each with its position added.
    pub(super) fn embed(&self, path: Path, packed: &Packed, masked: &MaskedImages, x: &mut [f32]) {
        let Sizes { visible, width, patch, .. } = self.sizes(masked.visible);
        let params = self.params().values();
        let (cls, positions) = (self.cls_token.of(params), self.positions.of(params));
        let images = x.chunks_exact_mut((1 + visible) * width);
        for (i, x) in images.enumerate() {
            let (first, tokens) = x.split_at_mut(width);
            first.copy_from_slice(cls);
            add_bias(path, first, &positions[..width]);
            if visible > 0 {
                let pixels = &masked.pixels[i * visible * patch..][..visible * patch];
                self.patch_embed.forward(packed, pixels, tokens);
                add_bias(path, tokens, self.patch_embed.bias(params));
                add_places(path, tokens, positions, masked.order_of(i), width);
            }
        }
    }

    /// The decoder's input: the embedded tokens, then a mask token for each hidden patch, each with its position added.
    pub(super) fn place(&self, path: Path, masked: &MaskedImages, embedded: &[f32], x: &mut [f32]) {
        let Sizes { visible, hidden, decoder_width: width, .. } = self.sizes(masked.visible);
        let params = self.params().values();
        let positions = self.decoder_positions.of(params);
        let images = x.chunks_exact_mut((1 + visible + hidden) * width);
        for (i, (x, embedded)) in
            images.zip(embedded.chunks_exact((1 + visible) * width)).enumerate()
        {
            let (seen, masks) = x.split_at_mut(embedded.len());
            seen.copy_from_slice(embedded);
            add_bias(path, seen, self.decoder_embed.bias(params));
            for token in masks.chunks_exact_mut(width) {
                token.copy_from_slice(self.mask_token.of(params));
            }
            add_bias(path, &mut x[..width], &positions[..width]);
            add_places(path, &mut x[width..], positions, masked.order_of(i), width);
        }
    }
}

/// Drops the CLS token's row of each image (`1 + patches` rows of `width` numbers) by moving the patches' rows together in place.
pub(super) fn without_cls(rows: &mut [f32], patches: usize, width: usize) -> &[f32] {
    let (image, part) = ((1 + patches) * width, patches * width);
    let images = rows.len() / image;
    for i in 0..images {
        rows.copy_within(i * image + width..(i + 1) * image, i * part);
    }
    &rows[..images * part]
}

/// Adds to each token the table's row for its patch.
fn add_places(path: Path, tokens: &mut [f32], table: &[f32], order: &[u32], width: usize) {
    for (token, &patch) in tokens.chunks_exact_mut(width).zip(order) {
        add_bias(path, token, &table[(1 + patch as usize) * width..][..width]);
    }
}
