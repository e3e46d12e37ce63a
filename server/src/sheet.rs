//! Sheets: images in rows and columns with captions, as PNG files.

mod reconstructions;
mod triggers;

use std::fmt::Write;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use shared::Rgb8;

use crate::figures::{FigureError, rasterise};

pub use self::{
    reconstructions::reconstruction_sheet,
    triggers::{Row, contact_sheet},
};

/// Smallest side of a shown image in pixels; smaller images are enlarged by an integer factor.
const TILE: usize = 96;
/// Space between images.
const GAP: usize = 6;
/// Width of the captions at the left.
const WORDS: usize = 190;
/// Height of the headings.
const HEAD: usize = 34;
/// Background colour of the sheet.
const PAPER: [u8; 3] = [255; 3];

/// A sheet cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// A trigger's parameters do not fit the images.
    #[error("{0}: {1}")]
    Trigger(String, shared::trigger::TriggerError),
    /// The captions cannot be drawn.
    #[error(transparent)]
    Words(#[from] FigureError),
    /// The PNG encoder failed.
    #[error("the PNG file cannot be written: {0}")]
    Png(#[from] image::ImageError),
}

/// The factor by which images of this side are enlarged.
fn zoom(side: usize) -> usize {
    TILE.div_ceil(side).max(1)
}

/// The sheet with its captions as a PNG file.
fn packed(mut sheet: Rgb8, words: Words) -> Result<Vec<u8>, SheetError> {
    words.print(&mut sheet)?;
    Ok(png(&sheet)?)
}

/// An image as a PNG file.
///
/// # Errors
/// When the encoder fails, which is not expected.
pub fn png(image: &Rgb8) -> Result<Vec<u8>, image::ImageError> {
    let (width, height) = (image.width() as u32, image.height() as u32);
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(image.data(), width, height, ExtendedColorType::Rgb8)?;
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

/// The captions of a sheet, as SVG text.
#[derive(Default)]
struct Words(String);

impl Words {
    fn add(&mut self, x: usize, y: usize, bold: bool, text: &str) {
        let (weight, colour) = if bold { ("bold", "#1b1f24") } else { ("normal", "#5b636d") };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        // Writing to a String cannot fail.
        let _ = write!(
            self.0,
            r#"<text x="{x}" y="{y}" font-family="sans-serif" font-size="13" font-weight="{weight}" fill="{colour}">{text}</text>"#
        );
    }

    /// Draws the captions over the sheet.
    fn print(self, sheet: &mut Rgb8) -> Result<(), FigureError> {
        let (width, height) = (sheet.width() as u32, sheet.height() as u32);
        let svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">{}</svg>"#,
            self.0
        );
        let pixels = rasterise(&svg, width, height, 1.0)?;
        for (pixel, ink) in sheet.data_mut().chunks_exact_mut(3).zip(pixels.pixels()) {
            // The ink is already multiplied by its coverage (premultiplied alpha).
            let keep = 255 - u16::from(ink.alpha());
            for (value, ink) in pixel.iter_mut().zip([ink.red(), ink.green(), ink.blue()]) {
                *value = (u16::from(*value) * keep / 255 + u16::from(ink)).min(255) as u8;
            }
        }
        Ok(())
    }
}
