//! Turns, shears and shifts of an image.
//!
//! The arithmetic of Pillow's `Image.transform` with `AFFINE` and `BICUBIC`, in double precision and in its order, so that
//! the results are the same to the last bit: a pixel's value is the whole part of its cubic, not the nearest number.

use shared::Rgb8;

/// Colour of what lies outside the image: `ImageNet`'s mean in bytes, as timm's `create_transform` has it.
const FILL: [u8; 3] = [124, 116, 104];

/// Where the pixels of a result come from: `(x, y)` from `(a x + b y + c, d x + e y + f)`, in pixels from the upper left corner,
/// so that a pixel's middle lies at a half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
}

impl Affine {
    /// A turn by an angle in degrees, counter-clockwise around the middle of an image of `width` x `height`.
    pub(super) fn rotation(degrees: f64, width: f64, height: f64) -> Self {
        let angle = -degrees.rem_euclid(360.0).to_radians();
        let (cos, sin) = (fifteen_decimals(angle.cos()), fifteen_decimals(angle.sin()));
        let (x, y) = (width / 2.0, height / 2.0);
        Self {
            a: cos,
            b: sin,
            c: cos * -x + sin * -y + x,
            d: -sin,
            e: cos,
            f: -sin * -x + cos * -y + y,
        }
    }

    /// Rows are moved left by `x` for each pixel from the upper edge, columns up by `y` for each pixel from the left one.
    pub(super) fn shear(x: f64, y: f64) -> Self {
        Self { a: 1.0, b: x, c: 0.0, d: y, e: 1.0, f: 0.0 }
    }

    /// The image is moved left by `x` and up by `y` pixels.
    pub(super) fn shift(x: f64, y: f64) -> Self {
        Self { a: 1.0, b: 0.0, c: x, d: 0.0, e: 1.0, f: y }
    }

    /// The changed image, of the same size.
    pub(super) fn apply(&self, image: &Rgb8) -> Rgb8 {
        let (width, height) = (image.width(), image.height());
        let source = Padded::new(image);
        let mut out = Rgb8::filled(width, height, FILL);
        for (row, pixels) in out.data_mut().chunks_exact_mut(width * 3).enumerate() {
            let y = row as f64 + 0.5;
            for (column, pixel) in pixels.chunks_exact_mut(3).enumerate() {
                let x = column as f64 + 0.5;
                let from_x = self.a * x + self.b * y + self.c;
                let from_y = self.d * x + self.e * y + self.f;
                let inside =
                    (0.0..width as f64).contains(&from_x) && (0.0..height as f64).contains(&from_y);
                if inside {
                    pixel.copy_from_slice(&source.sample(from_x, from_y));
                }
            }
        }
        out
    }
}

/// The double nearest to a number's first 15 decimals, which is what Pillow turns by: Python's `round(value, 15)`.
///
/// Python rounds the number's exact decimal digits, and so does Rust's formatting. `(value * 1e15).round() / 1e15` is not the
/// same: doubles lie 1/8 apart where the product of a sine and 1e15 does, so the product itself is rounded, and one in
/// twenty-four ends at the other decimal.
fn fifteen_decimals(value: f64) -> f64 {
    format!("{value:.15}").parse().expect("a number as it was written")
}

/// Red, green, blue and a lane that makes a pixel as wide as a vector of the processor.
type Lanes = [f64; 4];

/// Pixels repeated beyond each edge, as far as a cubic reaches.
const MARGIN: usize = 2;

/// An image within a margin of its edge's pixels.
struct Padded {
    stride: usize,
    pixels: Vec<Lanes>,
}

impl Padded {
    fn new(image: &Rgb8) -> Self {
        let (width, height) = (image.width(), image.height());
        let stride = width + 2 * MARGIN;
        let mut pixels = Vec::with_capacity(stride * (height + 2 * MARGIN));
        for row in 0..height + 2 * MARGIN {
            let row = row.saturating_sub(MARGIN).min(height - 1);
            let row = image.data()[row * width * 3..][..width * 3].chunks_exact(3);
            let mut row = row.map(|pixel| [pixel[0], pixel[1], pixel[2], 0].map(f64::from));
            let first = row.next().expect("an image has at least one pixel");
            pixels.extend([first; MARGIN + 1]);
            pixels.extend(row);
            let last = pixels[pixels.len() - 1];
            pixels.extend([last; MARGIN]);
        }
        Self { stride, pixels }
    }

    /// The colour at a place within the image, cubic between its pixels.
    fn sample(&self, x: f64, y: f64) -> [u8; 3] {
        let (column, dx) = first_of_four(x);
        let (row, dy) = first_of_four(y);
        let across = |row: usize| {
            let four = &self.pixels[row * self.stride + column..][..4];
            // In the middle of a pixel the cubic is that pixel: the rest is multiplied by 0.
            if dx == 0.0 { four[1] } else { cubic([four[0], four[1], four[2], four[3]], dx) }
        };
        let [red, green, blue, _] = if dy == 0.0 {
            across(row + 1)
        } else {
            cubic([across(row), across(row + 1), across(row + 2), across(row + 3)], dy)
        };
        [red, green, blue].map(|value| value as u8)
    }
}

/// The first of the four pixels around a place along an axis, counted with the margin, and the place's distance from the second.
fn first_of_four(at: f64) -> (usize, f64) {
    let at = at - 0.5;
    let second = if at < 0.0 { -1.0 } else { f64::from(at as u32) };
    ((second + 1.0) as usize, at - second)
}

/// The cubic through the second and the third of four values (Keys 1981 with a = -1), `distance` of 0–1 from the second.
fn cubic([first, second, third, fourth]: [Lanes; 4], distance: f64) -> Lanes {
    std::array::from_fn(|lane| {
        let (first, second, third, fourth) = (first[lane], second[lane], third[lane], fourth[lane]);
        let slope = third - first;
        let square = 2.0 * (first - second) + third - fourth;
        let cube = second - first - third + fourth;
        second + distance * (slope + distance * (square + distance * cube))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pixel's column and row tens and ones of its red.
    fn numbered(width: usize, height: usize) -> Rgb8 {
        Rgb8::from_fn(width, height, |x, y| [(10 * x + y) as u8, 100, 200])
    }

    #[test]
    fn whole_shifts_move_pixels_and_uncover_the_fill() {
        let image = numbered(4, 3);
        let left = Affine::shift(1.0, 0.0).apply(&image);
        assert_eq!([left.pixel(0, 2), left.pixel(3, 2)], [image.pixel(1, 2), FILL]);
        let down = Affine::shift(0.0, -2.0).apply(&image);
        assert_eq!([down.pixel(3, 1), down.pixel(3, 2)], [FILL, image.pixel(3, 0)]);
    }

    /// What Python gives for `round(value, 15)`; a product with 1e15 would be rounded across the half first.
    #[test]
    fn decimals_are_those_of_the_number_itself() {
        for (value, rounded) in [
            (0.999_999_451_688_694_5, 0.999_999_451_688_695),
            (0.999_950_515_308_283_5, 0.999_950_515_308_283),
            (-0.020_593_429_320_069_5, -0.020_593_429_320_069),
            (0.5, 0.5),
            (-1.0, -1.0),
        ] {
            assert_eq!(fifteen_decimals(value).to_bits(), f64::to_bits(rounded), "{value}");
        }
    }

    #[test]
    fn half_a_pixel_by_hand() {
        // Halfway the cubic weighs its four pixels -1/8, 5/8, 5/8, -1/8; the last pixel is repeated beyond the edge.
        let image =
            Rgb8::from_raw(4, 1, [0u8, 80, 160, 200].iter().flat_map(|&v| [v; 3]).collect())
                .expect("size");
        let moved = Affine::shift(0.5, 0.0).apply(&image);
        let row: Vec<u8> = moved.data().chunks_exact(3).map(|pixel| pixel[0]).collect();
        // (5 * 80 - 160) / 8 = 30, (5 * 240 - 200) / 8 = 125, (5 * 360 - 80 - 200) / 8 = 190; the last lies on the edge.
        assert_eq!(row, [30, 125, 190, FILL[0]]);
    }

    #[test]
    fn a_quarter_turn_goes_counter_clockwise() {
        let image = numbered(3, 3);
        let turned = Affine::rotation(90.0, 3.0, 3.0).apply(&image);
        assert_eq!(turned, Rgb8::from_fn(3, 3, |x, y| image.pixel(2 - y, x)));
    }

    #[test]
    fn shears_grow_with_the_distance_from_the_edge() {
        // The middle of row 1 lies 1.5 from the edge: two pixels at a factor of 4/3; that of row 0 two thirds.
        let image = numbered(6, 2);
        let sheared = Affine::shear(4.0 / 3.0, 0.0).apply(&image);
        assert_eq!(sheared.pixel(2, 1)[0], image.pixel(4, 1)[0]);
        assert_eq!(sheared.pixel(5, 1), FILL);
        let sheared = Affine::shear(0.0, -2.0).apply(&numbered(1, 4));
        assert_eq!(sheared.pixel(0, 2)[0], 1, "a column's middle lies half a pixel from the edge");
    }

    #[test]
    fn a_flat_image_stays_flat_inside() {
        let flat = Rgb8::filled(9, 7, [17, 201, 255]);
        let turned = Affine::rotation(23.0, 9.0, 7.0).apply(&flat);
        let mut colours: Vec<&[u8]> = turned.data().chunks_exact(3).collect();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours, [&[17, 201, 255], &FILL[..]]);
    }
}
