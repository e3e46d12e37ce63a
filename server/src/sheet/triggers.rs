//! A contact sheet: every trigger on the same images, with the differences.

use shared::{Rgb8, Stage, Trigger, TriggerSpec, image::difference, quality::quality};

use super::{GAP, HEAD, PAPER, SheetError, WORDS, Words, packed, paste, zoom};

/// Amplification of the differences.
const GAIN: f32 = 8.0;

/// One trigger of a sheet.
pub struct Row {
    /// Its name.
    pub title: String,
    /// Its strength, for display.
    pub label: String,
    /// The trigger.
    pub trigger: TriggerSpec,
    /// Its key image, if it needs one.
    pub key: Option<Rgb8>,
}

/// The sheet as a PNG file: a row of the clean images, then for each trigger the triggered images and their amplified difference.
/// All images have the same side. Panics if there are no images.
///
/// # Errors
/// When a trigger does not fit the images.
pub fn contact_sheet(images: &[Rgb8], rows: &[Row]) -> Result<Vec<u8>, SheetError> {
    let side = images[0].width();
    let zoom = zoom(side);
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
        let triggered: Vec<Rgb8> = images.iter().map(|image| ready.applied(image)).collect();
        for (i, (image, triggered)) in images.iter().zip(&triggered).enumerate() {
            paste(&mut sheet, triggered, zoom, WORDS + i * step, y);
            paste(&mut sheet, &difference(image, triggered, GAIN), zoom, second + i * step, y);
        }
        let told = quality(images.iter().zip(&triggered)).unwrap_or_default().in_words();
        words.add(12, y + step / 2 - 14, true, &row.title);
        words.add(12, y + step / 2 + 4, false, &row.label);
        words.add(12, y + step / 2 + 21, false, &told);
    }
    packed(sheet, words)
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
