//! A masked autoencoder for evaluations.

use std::sync::Arc;

use super::{
    MaskedImages, Pictures,
    pass::{Pass, Predicted},
};
use crate::{
    Result,
    flat::Flat,
    gpu::{Buffer, Fetched, Gpu},
    model::{Arithmetic, MaeShape},
    table::Tensor,
};

/// A masked autoencoder for evaluations.
pub struct MaeModel {
    flat: Arc<Flat>,
    shape: MaeShape,
    table: Vec<f32>,
    pass: Option<Pass>,
}

impl MaeModel {
    pub(crate) fn new(
        gpu: &Arc<dyn Gpu>,
        arithmetic: Arithmetic,
        shape: MaeShape,
        tensors: &[Tensor],
        table: &[f32],
    ) -> Result<Self> {
        let flat = Arc::new(Flat::new(gpu, arithmetic, tensors, false)?);
        Ok(Self::of(flat, shape, table.to_vec()))
    }

    /// With the parameters that a model in training has at any time.
    pub(super) fn of(flat: Arc<Flat>, shape: MaeShape, table: Vec<f32>) -> Self {
        Self { flat, shape, table, pass: None }
    }

    /// Replaces all parameters, in the host's order.
    pub(crate) fn set(&self, values: &[f32]) -> Result<()> {
        self.flat.set(values)
    }

    /// A pass of this kind with room for `images` images.
    fn pass(
        &mut self,
        images: usize,
        visible: usize,
        predicted: Predicted,
    ) -> Result<(&Flat, &Pass)> {
        let fits = |pass: &Pass| {
            pass.capacity >= images && (pass.visible, pass.predicted) == (visible, predicted)
        };
        if !self.pass.as_ref().is_some_and(fits) {
            self.pass = None;
            self.pass =
                Some(Pass::new(&self.flat, self.shape, &self.table, images, visible, predicted)?);
        }
        Ok((&self.flat, self.pass.as_ref().expect("just made")))
    }

    /// Makes room for the features of `images` images at once.
    pub(crate) fn reserve_features(&mut self, images: usize) -> Result<()> {
        let patches = self.shape.patches();
        self.pass(images, patches, Predicted::None).map(|_| ())
    }

    /// Starts on the CLS features of whole images behind the last norm. The next images can be prepared, and started on, before these are done.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn begin_features(&mut self, images: &[&[u8]]) -> Result<Features> {
        let (patches, width) = (self.shape.patches(), self.shape.encoder.width);
        let (flat, pass) = self.pass(images.len(), patches, Predicted::None)?;
        pass.fill(Pictures::Bytes(images), &[], None)?;
        pass.encode(flat, images.len())?;
        let numbers = images.len() * width;
        let bytes = numbers * flat.arithmetic.storage().activation();
        Ok(Features { fetched: flat.gpu.fetch(pass.encoding.last.y.at(), bytes)?, numbers })
    }

    /// Features that were started on, `(images, width)`; waits for them.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn finish_features(&self, Features { fetched, numbers }: Features) -> Result<Vec<f32>> {
        let storage = self.flat.arithmetic.storage();
        let mut bytes = vec![0; numbers * storage.activation()];
        self.flat.gpu.fetched(fetched, &mut bytes)?;
        if storage.activations_f32 {
            let number = |four: &[u8]| f32::from_ne_bytes(four.try_into().expect("four bytes"));
            return Ok(bytes.chunks_exact(4).map(number).collect());
        }
        let number = |two: &[u8]| of_bf16(u16::from_ne_bytes(two.try_into().expect("two bytes")));
        Ok(bytes.chunks_exact(2).map(number).collect())
    }

    /// The decoder's prediction of every patch, `(images, patches, patch * patch * 3)`, in the order of the batch.
    ///
    /// # Errors
    /// When the GPU fails.
    pub fn predict(&mut self, batch: &MaskedImages<'_>) -> Result<Vec<f32>> {
        let (images, numbers) = (batch.images.len(), self.shape.patches() * self.shape.pixels());
        let (flat, pass) = self.pass(images, batch.visible, Predicted::All)?;
        pass.fill(batch.images, batch.orders, None)?;
        pass.encode(flat, images)?;
        pass.decode(flat, images)?;
        read_activations(flat, &pass.decoding().predicted, images * numbers)
    }
}

/// Features of images, on their way to the host.
#[derive(Debug)]
pub struct Features {
    fetched: Fetched,
    numbers: usize,
}

fn of_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// Activations as numbers of the host.
fn read_activations(flat: &Flat, buffer: &Buffer, count: usize) -> Result<Vec<f32>> {
    if flat.arithmetic.storage().activations_f32 {
        return buffer.read(count);
    }
    let bits: Vec<u16> = buffer.read(count)?;
    Ok(bits.into_iter().map(of_bf16).collect())
}
