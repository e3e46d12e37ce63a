//! A contact sheet: every trigger on the same images, with what it changes.

use std::fmt::Write;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use shared::{
    Rgb8, Stage, Trigger, TriggerSpec,
    image::{difference, psnr},
};

use crate::figures::{FigureError, rasterise};

/// Smallest side of a shown image in pixels; smaller images are enlarged by whole numbers.
const TILE: usize = 96;
/// Space between images.
const GAP: usize = 6;
/// Width of the words before a row.
const WORDS: usize = 190;
/// Height of the headings.
const HEAD: usize = 34;
/// Amplification of the differences.
const GAIN: i32 = 8;
/// Colour of the sheet.
const PAPER: [u8; 3] = [255; 3];

/// One trigger of a sheet.
pub struct Row {
    /// Its name.
    pub title: String,
    /// Its strength in words.
    pub label: String,
    /// The trigger.
    pub trigger: TriggerSpec,
    /// Its key image, where it needs one.
    pub key: Option<Rgb8>,
}

/// A sheet cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// A trigger's parameters do not fit the images.
    #[error("{0}: {1}")]
    Trigger(String, shared::trigger::TriggerError),
    /// The words cannot be drawn.
    #[error(transparent)]
    Words(#[from] FigureError),
    /// The pixels cannot be packed.
    #[error("the sheet cannot be packed: {0}")]
    Png(#[from] image::ImageError),
}

/// The sheet as a PNG file: a row of the clean images, then for each trigger the triggered images and their amplified difference.
/// All images have the same side. Panics without an image.
///
/// # Errors
/// When a trigger does not fit the images.
pub fn contact_sheet(images: &[Rgb8], rows: &[Row]) -> Result<Vec<u8>, SheetError> {
    let side = images[0].width();
    let zoom = TILE.div_ceil(side).max(1);
    let step = side * zoom + GAP;
    let (width, height) = (WORDS + 2 * images.len() * step + GAP, HEAD + (rows.len() + 1) * step);
    let mut sheet = Rgb8::filled(width, height, PAPER);
    let mut words = Words::default();
    let second = WORDS + images.len() * step + GAP;
    words.add(WORDS, HEAD - 12, true, "With the trigger");
    words.add(second, HEAD - 12, true, &format!("Difference × {GAIN}, around grey"));
    words.add(12, HEAD + step / 2, true, "Clean");
    for (i, image) in images.iter().enumerate() {
        paste(&mut sheet, image, zoom, WORDS + i * step, HEAD);
    }
    for (row, y) in rows.iter().zip((1..).map(|row| HEAD + row * step)) {
        let ready = Trigger::prepare(&row.trigger, row.key.as_ref(), side, Stage::Train)
            .map_err(|error| SheetError::Trigger(row.title.clone(), error))?;
        let mut values = Vec::new();
        for (i, image) in images.iter().enumerate() {
            let triggered = ready.applied(image);
            values.push(psnr(image, &triggered));
            paste(&mut sheet, &triggered, zoom, WORDS + i * step, y);
            paste(&mut sheet, &difference(image, &triggered, GAIN), zoom, second + i * step, y);
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        words.add(12, y + step / 2 - 14, true, &row.title);
        words.add(12, y + step / 2 + 4, false, &row.label);
        words.add(12, y + step / 2 + 21, false, &format!("PSNR {mean:.1} dB"));
    }
    words.print(&mut sheet)?;
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(
        sheet.data(),
        width as u32,
        height as u32,
        ExtendedColorType::Rgb8,
    )?;
    Ok(file)
}

/// Puts an image on the sheet, each pixel `zoom` wide and high.
fn paste(sheet: &mut Rgb8, image: &Rgb8, zoom: usize, left: usize, top: usize) {
    for y in 0..image.height() * zoom {
        for x in 0..image.width() * zoom {
            sheet.set_pixel(left + x, top + y, image.pixel(x / zoom, y / zoom));
        }
    }
}

/// The words of a sheet, as SVG text.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, x: usize, y: usize, bold: bool, text: &str) {
        let (weight, colour) = if bold { ("bold", "#1b1f24") } else { ("normal", "#5b636d") };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        // A String takes all that is written.
        let _ = write!(
            self.0,
            r#"<text x="{x}" y="{y}" font-family="sans-serif" font-size="13" font-weight="{weight}" fill="{colour}">{text}</text>"#
        );
    }

    /// Draws the words over the sheet.
    fn print(self, sheet: &mut Rgb8) -> Result<(), FigureError> {
        let (width, height) = (sheet.width() as u32, sheet.height() as u32);
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{}</svg>"#,
            self.0
        );
        let pixels = rasterise(&svg, width, height, 1.0)?;
        for (pixel, ink) in sheet.data_mut().chunks_exact_mut(3).zip(pixels.pixels()) {
            // The ink is multiplied with its coverage already.
            let keep = 255 - u16::from(ink.alpha());
            for (value, ink) in pixel.iter_mut().zip([ink.red(), ink.green(), ink.blue()]) {
                *value = (u16::from(*value) * keep / 255 + u16::from(ink)).min(255) as u8;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shared::trigger::BppSpec;

    use super::*;

    #[test]
    fn a_sheet_shows_clean_triggered_and_difference() {
        let images = [Rgb8::filled(32, 32, [100; 3]), Rgb8::filled(32, 32, [200, 10, 10])];
        let trigger = TriggerSpec::Bpp(BppSpec { levels: 2, dither: false });
        let row = Row { title: "Two & few".into(), label: trigger.label(), trigger, key: None };
        let png = contact_sheet(&images, &[row]).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().into_rgb8();
        let step = 96 + 6;
        assert_eq!(sheet.dimensions(), (190 + 4 * 102 + 6, 34 + 2 * 102));
        let at = |x: u32, y: u32| sheet.get_pixel(x, y).0;
        assert_eq!(at(195, 40), [100; 3]);
        assert_eq!(at(195, 40 + step), [0; 3]);
        assert_eq!(at(195 + step, 40 + step), [255, 0, 0]);
        assert_eq!(at(195 + 2 * step + 6, 40 + step), [0; 3], "100 less, amplified");
        assert!(
            sheet.enumerate_pixels().any(|(x, _, pixel)| x < 190 && pixel.0[0] < 60),
            "no words"
        );
    }
}
