//! Operations that give each value of a channel another one: Pillow's `ImageOps`, and timm's `solarize_add`.

use shared::Rgb8;

/// New values for the old ones 0–255.
type Table = [u8; 256];
/// How many pixels have each value 0–255.
type Histogram = [u32; 256];

/// Stretches each channel so that its darkest value becomes 0 and its brightest 255, or 254 where the product falls a little
/// short; one of a single value stays.
pub(super) fn auto_contrast(image: &Rgb8) -> Rgb8 {
    by_histogram(image, |histogram| {
        let darkest = histogram.iter().position(|&count| count > 0)?;
        let brightest = histogram.iter().rposition(|&count| count > 0)?;
        if darkest == brightest {
            return None;
        }
        let scale = 255.0 / (brightest - darkest) as f64;
        let offset = -(darkest as f64) * scale;
        Some(std::array::from_fn(|value| (value as f64 * scale + offset) as u8))
    })
}

/// Spreads the values of each channel so that about as many pixels have each; one of a single value, or of too few pixels,
/// stays.
pub(super) fn equalize(image: &Rgb8) -> Rgb8 {
    by_histogram(image, |histogram| {
        let brightest = histogram.iter().rposition(|&count| count > 0)?;
        let step = histogram[..brightest].iter().sum::<u32>() / 255;
        if step == 0 {
            return None;
        }
        let mut below = step / 2;
        Some(std::array::from_fn(|value| {
            let new = (below / step).min(255) as u8;
            below += histogram[value];
            new
        }))
    })
}

/// The negative.
pub(super) fn invert(image: &Rgb8) -> Rgb8 {
    each_value(image, |value| 255 - value)
}

/// Keeps the `bits` high bits of each value, 0 to 8.
pub(super) fn posterize(image: &Rgb8, bits: u8) -> Rgb8 {
    let mask = (0xff00_u16 >> bits) as u8;
    each_value(image, |value| value & mask)
}

/// Inverts the values from a threshold of 0 to 256 on.
pub(super) fn solarize(image: &Rgb8, threshold: u16) -> Rgb8 {
    each_value(image, |value| if u16::from(value) < threshold { value } else { 255 - value })
}

/// Raises the values below 128, to 255 at most.
pub(super) fn solarize_add(image: &Rgb8, add: u8) -> Rgb8 {
    each_value(image, |value| if value < 128 { value.saturating_add(add) } else { value })
}

/// The image with `new` of each of its values.
pub(super) fn each_value(image: &Rgb8, new: impl Fn(u8) -> u8) -> Rgb8 {
    let mut out = image.clone();
    for value in out.data_mut() {
        *value = new(*value);
    }
    out
}

/// The image with each channel through the table that its histogram gives; a channel without one stays.
fn by_histogram(image: &Rgb8, table: impl Fn(&Histogram) -> Option<Table>) -> Rgb8 {
    let same: Table = std::array::from_fn(|value| value as u8);
    let [red, green, blue] = histograms(image).map(|histogram| table(&histogram).unwrap_or(same));
    let mut out = image.clone();
    for pixel in out.data_mut().chunks_exact_mut(3) {
        pixel[0] = red[usize::from(pixel[0])];
        pixel[1] = green[usize::from(pixel[1])];
        pixel[2] = blue[usize::from(pixel[2])];
    }
    out
}

fn histograms(image: &Rgb8) -> [Histogram; 3] {
    let mut counts = [[0; 256]; 3];
    for pixel in image.data().chunks_exact(3) {
        for (histogram, &value) in counts.iter_mut().zip(pixel) {
            histogram[usize::from(value)] += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[u8]) -> Rgb8 {
        let data = values.iter().flat_map(|&value| [value; 3]).collect();
        Rgb8::from_raw(values.len(), 1, data).expect("three bytes for each value")
    }

    #[test]
    fn auto_contrast_by_hand() {
        // From 20–40 to 0–255: 12.75 for each step; 30 becomes 127.5, of which the whole part stays.
        assert_eq!(auto_contrast(&grey(&[20, 40, 30])), grey(&[0, 255, 127]));
        // 100 * 5.1 - 50 * 5.1 is a little less than 255 in double precision: 254, as Pillow gives.
        assert_eq!(auto_contrast(&grey(&[50, 100, 75])), grey(&[0, 254, 127]));
        assert_eq!(auto_contrast(&grey(&[9, 9])), grey(&[9, 9]), "nothing to stretch");
    }

    #[test]
    fn each_channel_is_stretched_by_itself() {
        let image = Rgb8::from_raw(2, 1, vec![0, 20, 7, 51, 40, 7]).expect("size");
        assert_eq!(auto_contrast(&image).data(), [0, 0, 7, 255, 255, 7]);
    }

    #[test]
    fn equalize_by_hand() {
        // 510 pixels of 10, 255 of 20, one of 30: 765 below the brightest make a step of 3. Before 10 lie 1 / 3 = 0 steps,
        // before 20 (1 + 510) / 3 = 170, before 30 (1 + 765) / 3 = 255.
        let values = |a, b, c| [vec![a; 510], vec![b; 255], vec![c]].concat();
        assert_eq!(equalize(&grey(&values(10, 20, 30))), grey(&values(0, 170, 255)));
        // 254 pixels make no whole step.
        let few = grey(&[vec![3; 254], vec![200]].concat());
        assert_eq!(equalize(&few), few);
        // 300 below the brightest are one step and a rest: what would exceed 255 is 255.
        let many = |a, b| grey(&[vec![a; 300], vec![b]].concat());
        assert_eq!(equalize(&many(3, 200)), many(0, 255));
    }

    #[test]
    fn single_values_by_hand() {
        let image = grey(&[0, 100, 127, 128, 255]);
        assert_eq!(invert(&image), grey(&[255, 155, 128, 127, 0]));
        assert_eq!(posterize(&image, 3), grey(&[0, 96, 96, 128, 224]));
        assert_eq!(posterize(&image, 0), grey(&[0; 5]));
        assert_eq!(solarize(&image, 101), grey(&[0, 100, 128, 127, 0]));
        assert_eq!(solarize_add(&image, 99), grey(&[99, 199, 226, 128, 255]));
        assert_eq!(solarize_add(&image, 200), grey(&[200, 255, 255, 128, 255]));
    }
}
