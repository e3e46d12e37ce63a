//! Features and predictions of the masked autoencoder, for evaluations.

use kernel::{Kernels, Packed};

use super::{
    Mae, MaskedImages,
    mae_tokens::Sizes,
    nn::{StackRun, StackWeights, add_bias},
};

/// Packed weights for evaluations.
#[derive(Debug)]
pub(super) struct MaeWeights {
    pub(super) kernels: Kernels,
    patch_embed: Packed,
    encoder: StackWeights,
    decoder_embed: Packed,
    given: Option<Packed>,
    decoder: StackWeights,
    decoder_pred: Packed,
}

impl MaeWeights {
    pub(super) fn new(mae: &Mae, kernels: Kernels) -> Self {
        let params = mae.params().values();
        let mut weights = Self {
            kernels,
            patch_embed: Packed::default(),
            encoder: mae.encoder.pack(kernels, params),
            decoder_embed: Packed::default(),
            given: mae.given.map(|map| {
                let mut packed = Packed::default();
                map.pack(kernels, params, &mut packed);
                packed
            }),
            decoder: mae.decoder.pack(kernels, params),
            decoder_pred: Packed::default(),
        };
        mae.patch_embed.pack(kernels, params, &mut weights.patch_embed);
        mae.decoder_embed.pack(kernels, params, &mut weights.decoder_embed);
        mae.decoder_pred.pack(kernels, params, &mut weights.decoder_pred);
        weights
    }
}

impl Mae {
    /// Encodes and normalises masked images to `x` `(images * (1 + visible), width)`, on the calling thread.
    pub(super) fn encode(&self, masked: &MaskedImages, weights: &MaeWeights) -> Vec<f32> {
        let Sizes { visible, width, .. } = self.sizes(masked.visible);
        let (kernels, params) = (weights.kernels, self.params().values());
        let mut x = vec![0.0; masked.images * (1 + visible) * width];
        self.embed(kernels.path, &weights.patch_embed, masked, &mut x);
        let run = &mut StackRun::default();
        run.evaluate(&self.encoder, &weights.encoder, kernels, params, 1 + visible, &mut x);
        let mut encoded = vec![0.0; x.len()];
        self.norm.forward(kernels.path, params, &x, &mut encoded);
        encoded
    }

    /// CLS features after the final norm, `(images, width)`, on the calling thread. Hidden patches of `masked` are not seen, so callers
    /// make every patch visible.
    pub fn features(&self, masked: &MaskedImages, kernels: Kernels) -> Vec<f32> {
        let encoded = self.encode(masked, self.packed(kernels));
        let Sizes { visible, width, .. } = self.sizes(masked.visible);
        let images = encoded.chunks_exact((1 + visible) * width);
        images.flat_map(|tokens| &tokens[..width]).copied().collect()
    }

    /// Attention roll-out of each image (Abnar and Zuidema 2020): how much of each visible patch reaches the CLS token through the encoder's
    /// blocks, `(images, visible)`, patches in the order of `masked`; on the calling thread.
    pub fn roll_out(&self, masked: &MaskedImages, kernels: Kernels) -> Vec<f64> {
        let weights = self.packed(kernels);
        let Sizes { visible, width, .. } = self.sizes(masked.visible);
        let params = self.params().values();
        let mut x = vec![0.0; masked.images * (1 + visible) * width];
        self.embed(kernels.path, &weights.patch_embed, masked, &mut x);
        let run = &mut StackRun::default();
        let images = x.chunks_exact((1 + visible) * width);
        images
            .flat_map(|x| run.roll_out(&self.encoder, &weights.encoder, kernels, params, x))
            .collect()
    }

    /// The decoder's prediction for every patch, visible or hidden: `(images, patches, patch * patch * 3)`, patches in the order of
    /// `masked`, pixels in the target's space; on the calling thread.
    pub fn predict(&self, masked: &MaskedImages, kernels: Kernels) -> Vec<f32> {
        let encoded = self.encode(masked, self.packed(kernels));
        self.decode(&encoded, masked, kernels)
    }

    /// The same from what the encoder gives, `(images * (1 + visible), width)`.
    pub(super) fn decode(
        &self,
        encoded: &[f32],
        masked: &MaskedImages,
        kernels: Kernels,
    ) -> Vec<f32> {
        let weights = self.packed(kernels);
        let Sizes { width, decoder_width, .. } = self.sizes(masked.visible);
        let mut embedded = vec![0.0; encoded.len() / width * decoder_width];
        self.decoder_embed.forward(&weights.decoder_embed, encoded, &mut embedded);
        self.decode_embedded(&embedded, masked, kernels)
    }

    /// The prediction for every patch from the embeddings of `masked`, of which nothing is visible. Panics if the model is no decoder of embeddings.
    pub(super) fn decode_given(&self, masked: &MaskedImages, kernels: Kernels) -> Vec<f32> {
        let map = self.given.expect("a decoder of embeddings");
        let packed = self.packed(kernels).given.as_ref().expect("its map");
        let mut embedded = vec![0.0; masked.images * self.sizes(0).decoder_width];
        map.forward(packed, &masked.embeddings, &mut embedded);
        self.decode_embedded(&embedded, masked, kernels)
    }

    /// The prediction for every patch from the decoder's input for CLS and the visible patches, `(images * (1 + visible), decoder width)`, before its
    /// bias and positions.
    fn decode_embedded(
        &self,
        embedded: &[f32],
        masked: &MaskedImages,
        kernels: Kernels,
    ) -> Vec<f32> {
        let weights = self.packed(kernels);
        let Sizes { visible, hidden, decoder_width, patch, .. } = self.sizes(masked.visible);
        let (path, params) = (weights.kernels.path, self.params().values());
        let tokens = 1 + visible + hidden;
        let mut x = vec![0.0; masked.images * tokens * decoder_width];
        self.place(path, masked, embedded, &mut x);
        let run = &mut StackRun::default();
        run.evaluate(&self.decoder, &weights.decoder, weights.kernels, params, tokens, &mut x);
        let mut normal = vec![0.0; x.len()];
        self.decoder_norm.forward(path, params, &x, &mut normal);
        let mut predicted = Vec::with_capacity(masked.images * (tokens - 1) * patch);
        for normal in normal.chunks_exact(tokens * decoder_width) {
            let from = predicted.len();
            predicted.resize(from + (tokens - 1) * patch, 0.0);
            let predicted = &mut predicted[from..];
            self.decoder_pred.forward(&weights.decoder_pred, &normal[decoder_width..], predicted);
            add_bias(path, predicted, self.decoder_pred.bias(params));
        }
        predicted
    }
}
