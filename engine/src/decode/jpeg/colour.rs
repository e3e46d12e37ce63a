//! From planes of components to RGB pixels, by the numbers of libjpeg: chroma between its samples is a triangle filter's, colours are
//! those of JFIF 1.02.
#![expect(clippy::inline_always, reason = "a part of what is compiled for an instruction set")]

use kernel::{Path, vectorized};

use super::{
    component::{Decoding, Plane},
    header::Header,
};

/// An image in the making, row by row.
pub(super) struct Painter {
    width: usize,
    /// Pixels of a chroma sample.
    across: usize,
    down: usize,
    /// The last row of chroma.
    last: usize,
    /// A row of chroma between its rows.
    near: Vec<i16>,
    /// As fine as luma.
    wide: [Vec<u8>; 2],
    /// A row's pixels, one in a word.
    words: Vec<u32>,
    row: Vec<u8>,
    /// Rows that are there.
    rows: usize,
    image: Vec<u8>,
}

impl Painter {
    pub fn new(header: &Header<'_>) -> Self {
        let (width, height) = (header.width, header.height);
        let (across, down) = (header.components[0].across, header.components[0].down);
        let columns = width.div_ceil(across);
        Self {
            width,
            across,
            down,
            last: height.div_ceil(down) - 1,
            near: vec![0; columns],
            wide: [(); 2].map(|()| vec![0; columns * 2]),
            words: vec![0; width.next_multiple_of(4)],
            row: vec![0; width.next_multiple_of(4) * 3],
            rows: 0,
            image: Vec::with_capacity(width * height * 3),
        }
    }

    /// Goes on to the row `end`. The components' rows up to there are among their last ones, and so are those beside them.
    pub fn paint_to(&mut self, path: Path, components: &[Decoding], end: usize) {
        paint_to(path, self, components, end);
    }

    /// The pixels.
    pub fn image(self) -> Vec<u8> {
        self.image
    }

    #[inline(always)]
    fn colours(&mut self, y: usize, luma: &Plane, chroma: [&Plane; 2]) {
        let luma = luma.row(y);
        if self.across == 1 {
            let [cb, cr] = chroma.map(|plane| plane.row(y));
            return to_rgb(luma, cb, cr, &mut self.words, &mut self.row);
        }
        // Of two rows of chroma, the one that the pixels lie in counts three times.
        let this = y / self.down;
        let above = y.is_multiple_of(2);
        let other = if above { this.saturating_sub(1) } else { (this + 1).min(self.last) };
        for (plane, wide) in chroma.into_iter().zip(&mut self.wide) {
            if self.down == 1 {
                for (near, &this) in self.near.iter_mut().zip(plane.row(this)) {
                    *near = i16::from(this);
                }
                widened::<1>(&self.near, wide);
            } else {
                let rows = plane.row(this).iter().zip(plane.row(other));
                for (near, (&this, &other)) in self.near.iter_mut().zip(rows) {
                    *near = 3 * i16::from(this) + i16::from(other);
                }
                widened::<4>(&self.near, wide);
            }
        }
        to_rgb(luma, &self.wide[0], &self.wide[1], &mut self.words, &mut self.row);
    }
}

vectorized! {
    fn paint_to<'a>(painter: &'a mut Painter, components: &'a [Decoding], end: usize) {
        for y in painter.rows..end {
            if let [luma, cb, cr] = components {
                painter.colours(y, luma.plane(), [cb.plane(), cr.plane()]);
            } else {
                let pixels = painter.row.as_chunks_mut::<3>().0.iter_mut();
                for (pixel, &grey) in pixels.zip(components[0].plane().row(y)) {
                    *pixel = [grey; 3];
                }
            }
            painter.image.extend_from_slice(&painter.row[..painter.width * 3]);
        }
        painter.rows = end;
    }
}

/// Twice as many samples: each is three parts of the nearest one and one of its other neighbour; the first and the last one are their
/// own neighbours. `SCALE`: what a sample is multiplied by already.
#[inline(always)]
fn widened<const SCALE: i16>(near: &[i16], out: &mut [u8]) {
    // Halves are rounded up and down in turn.
    let (shift, left, right) = if SCALE == 1 { (2, 1, 2) } else { (4, 8, 7) };
    let n = near.len();
    let pairs = out.as_chunks_mut::<2>().0;
    let inner = near.windows(3).zip(&mut pairs[1..n - 1]);
    for (window, pair) in inner {
        let [before, this, after] = [window[0], window[1], window[2]];
        *pair = [
            ((3 * this + before + left) >> shift) as u8,
            ((3 * this + after + right) >> shift) as u8,
        ];
    }
    pairs[0] =
        [((4 * near[0] + left) >> shift) as u8, ((3 * near[0] + near[1] + right) >> shift) as u8];
    let [before, this] = [near[n - 2], near[n - 1]];
    pairs[n - 1] =
        [((3 * this + before + left) >> shift) as u8, ((4 * this + right) >> shift) as u8];
}

/// Pixels of a row.
#[inline(always)]
fn to_rgb(luma: &[u8], cb: &[u8], cr: &[u8], words: &mut [u32], out: &mut [u8]) {
    /// With 16 bits behind the point.
    const HALF: i32 = 1 << 15;
    let samples = luma.iter().zip(cb).zip(cr);
    for (word, ((&y, &cb), &cr)) in words.iter_mut().zip(samples) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let red = y + ((91881 * cr + HALF) >> 16);
        let green = y + ((HALF - 22554 * cb - 46802 * cr) >> 16);
        let blue = y + ((116_130 * cb + HALF) >> 16);
        *word = (red.clamp(0, 255) | green.clamp(0, 255) << 8 | blue.clamp(0, 255) << 16) as u32;
    }
    // Four pixels are three words.
    for (&[a, b, c, d], out) in words.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<12>().0) {
        let three = [a | b << 24, b >> 8 | c << 16, c >> 16 | d << 8].map(u32::to_le_bytes);
        out.copy_from_slice(three.as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroma_between_its_samples() {
        let mut out = [0; 6];
        widened::<1>(&[0, 100, 200], &mut out);
        // (0 + 0 + 1) / 4, (0 + 100 + 2) / 4, (300 + 0 + 1) / 4, ...
        assert_eq!(out, [0, 25, 75, 125, 175, 200]);
        widened::<4>(&[0, 400, 800], &mut out);
        // (0 + 8) / 16, (0 + 400 + 7) / 16, (1200 + 0 + 8) / 16, ...
        assert_eq!(out, [0, 25, 75, 125, 175, 200]);
        let mut out = [0; 4];
        widened::<1>(&[2, 0], &mut out);
        assert_eq!(out, [2, 2, 0, 0], "1.5 is rounded up, 0.5 down");
    }

    #[test]
    fn colours_by_hand() {
        let (mut words, mut out) = ([0; 4], [0; 12]);
        // Grey; red, as 76.2, 85.0 and 255.5 are rounded; more blue than there is; green.
        to_rgb(
            &[50, 76, 200, 150],
            &[128, 85, 255, 44],
            &[128, 255, 128, 21],
            &mut words,
            &mut out,
        );
        assert_eq!(out, [50, 50, 50, 254, 0, 0, 200, 156, 255, 0, 255, 1]);
    }
}
