//! Sets of images that lie on a GPU as bytes, and crops of them: a batch is a list of a few numbers an image.

use std::sync::Arc;

use crate::{
    Result,
    gpu::{Address, Buffer, Gpu, Kernels, Launch, int, plain, real},
    kernels::Source,
};

/// A part of an image of a set, resized to the model's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// The image's place in its set.
    pub image: u32,
    /// Left column of the part.
    pub x: u32,
    /// Upper row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Whether the result is mirrored.
    pub flip: bool,
}

/// How the images of a batch are mixed, each with the one at the other end of the batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixing {
    /// Shares of an image's own pixels and of the other's.
    pub shares: (f32, f32),
    /// The part that comes from the other image instead: left and right column, upper and lower row, the second of each beyond it.
    pub cut: Option<[u32; 4]>,
}

/// The weights of a resize for each length of 1 to [`from`](Self::from) pixels to `to` pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Side of the images.
    pub from: usize,
    /// Side of the results.
    pub to: usize,
    /// Weights of a window.
    pub taps: usize,
    /// The first source pixel of each target pixel, `(from, to)`.
    pub firsts: Vec<u32>,
    /// Weights with 22 fractional bits, `(from, to, taps)`; 0 beyond the last source pixel.
    pub weights: Vec<i32>,
}

/// `Crop` in crops.cu.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    image: u32,
    x: u32,
    y: u32,
    width: u32,
    height: u32,
    flip: u32,
    partner: u32,
    unused: u32,
}
plain!(Placed);

/// The crops of the images of a rank, `part` of a batch's, and behind them those that they are mixed with, where these are others.
pub(crate) fn placed(crops: &[Crop], part: std::ops::Range<usize>, mixed: bool) -> Vec<Placed> {
    let place = |at: usize, partner: usize| {
        let Crop { image, x, y, width, height, flip } = crops[at];
        let partner = partner as u32;
        Placed { image, x, y, width, height, flip: flip.into(), partner, unused: 0 }
    };
    let (count, first) = (part.len(), part.start);
    let mut others = Vec::new();
    let own = part.clone().map(|at| {
        let partner = crops.len() - 1 - at;
        let number = if !mixed || partner == at {
            at - first
        } else if part.contains(&partner) {
            partner - first
        } else {
            others.push(partner);
            count + others.len() - 1
        };
        place(at, number)
    });
    let mut placed: Vec<_> = own.collect();
    placed.extend(others.into_iter().enumerate().map(|(i, at)| place(at, count + i)));
    placed
}

/// A set of images on a GPU.
pub struct HeldImages {
    gpu: Arc<dyn Gpu>,
    kernels: Kernels,
    count: usize,
    from: usize,
    to: usize,
    images: Buffer,
    firsts: Buffer,
    weights: Buffer,
    /// Room for the crops of a batch: the list, the parts with resized rows, and the results.
    room: Option<Room>,
}

struct Room {
    crops: usize,
    list: Buffer,
    narrow: Buffer,
    results: Buffer,
}

impl HeldImages {
    /// Room for a set of `count` images.
    pub(crate) fn new(gpu: &Arc<dyn Gpu>, windows: &Windows, count: usize) -> Result<Self> {
        let &Windows { from, to, taps, .. } = windows;
        Ok(Self {
            kernels: gpu.load(&Source::crops(from, to, taps))?,
            gpu: Arc::clone(gpu),
            count,
            from,
            to,
            images: Buffer::new(gpu, count * from * from * 3)?,
            firsts: Buffer::of(gpu, &windows.firsts)?,
            weights: Buffer::of(gpu, &windows.weights)?,
            room: None,
        })
    }

    /// Copies images to the set, `(from, from, 3)` each, from the place `first` on.
    ///
    /// # Errors
    /// When the GPU fails.
    ///
    /// # Panics
    /// When they are of another size, or more than the set has.
    pub fn write(&self, first: usize, images: &[&[u8]]) -> Result<()> {
        let bytes = self.from * self.from * 3;
        assert!(images.iter().all(|image| image.len() == bytes), "images of the set's size");
        assert!(first + images.len() <= self.count, "as many images as the set has");
        self.gpu.write(self.images.at() + (first * bytes) as u64, images)
    }

    /// Bytes of a GPU's memory for a set of `count` images and the crops of a batch of `batch` of them.
    pub fn memory(windows: &Windows, count: usize, batch: usize) -> u64 {
        let &Windows { from, to, .. } = windows;
        let tables = 4 * (windows.firsts.len() + windows.weights.len());
        let crops = batch * (size_of::<Placed>() + 3 * to * (from + to));
        (count * from * from * 3 + tables + crops) as u64
    }

    fn launch(
        &self,
        name: &'static str,
        (pixels, crops): (usize, usize),
        arguments: Vec<u64>,
    ) -> Result<()> {
        let (kernel, grid) = (self.kernels.get(name), (pixels.div_ceil(256), crops));
        self.gpu.launch(Launch { kernel, grid, threads: 256, memory: 0, arguments })
    }

    /// Cuts crops out and writes their bytes, `(crops, to, to, 3)`, to an address, or without one to memory of its own. Gives where.
    fn cut(&mut self, crops: &[Placed], to: Option<Address>) -> Result<Address> {
        let (from, side, count) = (self.from, self.to, crops.len());
        for crop in crops {
            let is_inside =
                crop.x + crop.width <= from as u32 && crop.y + crop.height <= from as u32;
            let is_there = (crop.image as usize) < self.count && crop.width > 0 && crop.height > 0;
            assert!(is_there && is_inside, "a part of an image of the set");
        }
        if self.room.as_ref().is_none_or(|room| room.crops < count) {
            self.room = None;
            self.room = Some(Room {
                crops: count,
                list: Buffer::new(&self.gpu, count * size_of::<Placed>())?,
                narrow: Buffer::new(&self.gpu, count * from * side * 3)?,
                results: Buffer::new(&self.gpu, count * side * side * 3)?,
            });
        }
        let Room { list, narrow, results, .. } = self.room.as_ref().expect("room was made");
        list.write(crops)?;
        let tables = [list.at(), self.firsts.at(), self.weights.at()];
        let mut arguments = vec![narrow.at(), self.images.at()];
        arguments.extend(tables);
        let to = to.unwrap_or(results.at());
        self.launch("across", (from * side, count), arguments)?;
        let mut arguments = vec![to, narrow.at()];
        arguments.extend(tables);
        self.launch("down", (side * side, count), arguments)?;
        Ok(to)
    }

    /// Cuts crops out and writes their bytes, `(crops, to, to, 3)`, to an address.
    pub(crate) fn bytes(&mut self, crops: &[Crop], to: Address) -> Result<()> {
        self.cut(&placed(crops, 0..crops.len(), false), Some(to)).map(|_| ())
    }

    /// The bytes of crops, in the host's memory.
    ///
    /// # Errors
    /// When the GPU fails.
    ///
    /// # Panics
    /// When a crop is no part of an image of the set.
    pub fn cropped(&mut self, crops: &[Crop]) -> Result<Vec<u8>> {
        let mut bytes = vec![0; crops.len() * self.to * self.to * 3];
        let at = self.cut(&placed(crops, 0..crops.len(), false), None)?;
        self.gpu.read(at, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the first `images` crops to `planes`, normalised by `table` and mixed, `(images, 3, to, to)` in single precision.
    pub(crate) fn planes(
        &mut self,
        (crops, images): (&[Placed], usize),
        mixing: Option<Mixing>,
        table: &Buffer,
        planes: Address,
    ) -> Result<()> {
        let bytes = self.cut(crops, None)?;
        let list = self.room.as_ref().expect("room was made").list.at();
        let Mixing { shares: (own, rest), cut } =
            mixing.unwrap_or(Mixing { shares: (1.0, 0.0), cut: None });
        let mut arguments = vec![planes, bytes, table.at(), list, real(own), real(rest)];
        arguments.push(int(usize::from(cut.is_some())));
        let [left, right, top, bottom] = cut.unwrap_or_default();
        arguments.extend([left, top, right, bottom].map(u64::from));
        self.launch("normalise", (self.to * self.to, images), arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_has_the_images_that_its_own_are_mixed_with() {
        let crop = |image| Crop { image, x: 0, y: 0, width: 1, height: 1, flip: false };
        let crops: Vec<_> = (0..5).map(crop).collect();
        let of = |part, mixed| -> Vec<_> {
            placed(&crops, part, mixed).iter().map(|it| (it.image, it.partner)).collect()
        };
        // The whole batch: each with the one at the other end, the middle one with none.
        assert_eq!(of(0..5, true), [(0, 4), (1, 3), (2, 2), (3, 1), (4, 0)]);
        // Two ranks: the partners come behind.
        assert_eq!(of(0..2, true), [(0, 2), (1, 3), (4, 2), (3, 3)]);
        assert_eq!(of(2..5, true), [(2, 0), (3, 3), (4, 4), (1, 3), (0, 4)]);
        assert_eq!(of(1..3, false), [(1, 0), (2, 1)]);
    }
}
