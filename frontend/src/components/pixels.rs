//! Raw pixels from the server, and a canvas that shows them.

use leptos::{html::Canvas, prelude::*};
use shared::Rgb8;
use wasm_bindgen::{Clamped, JsCast};
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, ImageData};

/// Bytes from base64 (RFC 4648, with or without padding); `None` for anything else.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0u32;
        for &digit in group {
            bits = bits << 6 | value(digit)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// A square RGB image from base64; `None` when it is not `side * side * 3` bytes.
pub fn decode_rgb(side: u32, base64: &str) -> Option<Rgb8> {
    Rgb8::from_raw(side as usize, side as usize, decode_base64(base64)?).ok()
}

/// Red, green, blue and an opaque alpha, as a canvas takes them.
fn rgba(image: &Rgb8) -> Vec<u8> {
    let mut bytes = vec![255; image.width() * image.height() * 4];
    for (to, from) in bytes.chunks_exact_mut(4).zip(image.data().chunks_exact(3)) {
        to[..3].copy_from_slice(from);
    }
    bytes
}

/// Draws `image` on the canvas, whose size becomes the image's. A browser without a 2-d canvas shows nothing.
fn draw(canvas: &HtmlCanvasElement, image: &Rgb8) {
    let (width, height) = (image.width() as u32, image.height() as u32);
    // Setting the size clears the canvas, so it is set only when it changes.
    if (canvas.width(), canvas.height()) != (width, height) {
        canvas.set_width(width);
        canvas.set_height(height);
    }
    let context = canvas.get_context("2d").ok().flatten();
    let Some(context) = context.and_then(|c| c.dyn_into::<CanvasRenderingContext2d>().ok()) else {
        return;
    };
    let bytes = rgba(image);
    if let Ok(data) = ImageData::new_with_u8_clamped_array_and_sh(Clamped(&bytes), width, height) {
        // Fails only for a canvas of another size, and the size was set above.
        let _ = context.put_image_data(&data, 0.0, 0.0);
    }
}

/// A canvas that shows an image and is redrawn when it changes.
#[component]
pub fn PixelCanvas(
    /// The image; nothing is drawn without one.
    #[prop(into)]
    image: Signal<Option<Rgb8>>,
    /// What it shows, as text.
    #[prop(into)]
    label: Signal<String>,
) -> impl IntoView {
    let canvas = NodeRef::<Canvas>::new();
    Effect::new(move |_| {
        if let Some(canvas) = canvas.get() {
            image.with(|image| {
                if let Some(image) = image {
                    draw(&canvas, image);
                }
            });
        }
    });
    view! {
        <canvas
            class="pixelated"
            width="1"
            height="1"
            role="img"
            aria-label=move || label.get()
            node_ref=canvas
        ></canvas>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_the_standard_has_it() {
        let text = |bytes: &[u8]| Some(bytes.to_vec());
        assert_eq!(decode_base64("Zm9vYmFy"), text(b"foobar"));
        assert_eq!(decode_base64("Zm9vYg=="), text(b"foob"));
        assert_eq!(decode_base64("Zm9vYmE"), text(b"fooba"));
        assert_eq!(decode_base64("+/+/"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!((decode_base64("Zm9vY"), decode_base64("Zm 9")), (None, None));
    }

    #[test]
    fn pixels_must_fit_their_side() {
        assert_eq!(decode_rgb(1, "AQID").map(|image| image.pixel(0, 0)), Some([1, 2, 3]));
        assert_eq!(decode_rgb(2, "AQID"), None);
        assert_eq!(rgba(&Rgb8::filled(1, 1, [7, 8, 9])), [7, 8, 9, 255]);
    }
}
