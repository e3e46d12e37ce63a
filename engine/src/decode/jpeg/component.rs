//! A component of an image on its way from bits to samples, one row of units after the other.
#![expect(clippy::inline_always, reason = "a part of what is compiled for an instruction set")]

use kernel::{Path, vectorized};

use super::{
    bits::Bits,
    header::{BLOCK, Component, Header},
    idct::{Blocks, LANES, SIDE, pixels},
};

/// A component, with the coefficients of a row of units and the samples of two.
pub(super) struct Decoding {
    /// The last block's first coefficient, a multiple of its mean.
    pub mean: i32,
    batches: Vec<Batch>,
    /// Batches of a row of blocks.
    batches_across: usize,
    plane: Plane,
}

/// Blocks side by side, as many as are transformed at once.
struct Batch {
    blocks: Blocks,
    /// The last place of all of them, in the file's order, that is not zero.
    last: usize,
}

/// The last rows of a component's samples: those of two rows of units, padded to whole batches.
pub(super) struct Plane {
    samples: Vec<u8>,
    /// Samples of a row.
    stride: usize,
    rows: usize,
}

impl Plane {
    /// A row of the component's samples, and what pads it.
    #[inline(always)]
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y % self.rows * self.stride..][..self.stride]
    }
}

impl Decoding {
    /// For rows of so many units.
    pub fn new(component: &Component, units: usize) -> Self {
        let batches_across = (units * component.across).div_ceil(LANES);
        let (stride, rows) = (batches_across * LANES * SIDE, 2 * component.down * SIDE);
        Self {
            mean: 0,
            batches: (0..batches_across * component.down)
                .map(|_| Batch { blocks: [[0; LANES]; BLOCK + 1], last: 0 })
                .collect(),
            batches_across,
            plane: Plane { samples: vec![0; stride * rows], stride, rows },
        }
    }

    /// The last samples.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Reads the blocks of a unit. Nothing where no image has such bits.
    #[inline(always)]
    pub fn read(
        &mut self,
        header: &Header<'_>,
        component: &Component,
        bits: &mut Bits<'_>,
        unit: usize,
    ) -> Option<()> {
        let (dc, ac) = (header.dc[component.dc].as_ref()?, header.ac[component.ac].as_ref()?);
        for row in 0..component.down {
            for column in unit * component.across..(unit + 1) * component.across {
                let batch = &mut self.batches[row * self.batches_across + column / LANES];
                let lane = column % LANES;
                self.mean += dc.difference(bits)?;
                batch.blocks[0][lane] = i16::try_from(self.mean).ok()?;
                batch.last = batch.last.max(ac.read(bits, &mut batch.blocks, lane)?);
            }
        }
        Some(())
    }

    /// Makes the samples of this row of units of its blocks, and clears these.
    pub fn transform(&mut self, path: Path, component: &Component, row: usize) {
        let Plane { samples, stride, rows } = &mut self.plane;
        let first = row * component.down * SIDE % *rows * *stride;
        transform(
            path,
            &mut self.batches,
            self.batches_across,
            &component.steps,
            &mut samples[first..],
            *stride,
        );
    }
}

vectorized! {
    fn transform<'a>(
        batches: &'a mut [Batch],
        batches_across: usize,
        steps: &'a [i32; BLOCK],
        samples: &'a mut [u8],
        stride: usize,
    ) {
        let rows = samples.chunks_exact_mut(SIDE * stride);
        for (batches, samples) in batches.chunks_exact_mut(batches_across).zip(rows) {
            for (column, batch) in batches.iter_mut().enumerate() {
                pixels(&batch.blocks, steps, batch.last, |y, rows| {
                    let row = &mut samples[y * stride..][..stride];
                    row.as_chunks_mut::<{ LANES * SIDE }>().0[column].copy_from_slice(rows.as_flattened());
                });
                batch.blocks.as_flattened_mut().fill(0);
                batch.last = 0;
            }
        }
    }
}
