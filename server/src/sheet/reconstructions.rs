//! A sheet of a model's reconstructions of clean and triggered images under one mask.

use engine::eval::Reconstructed;
use shared::Rgb8;

use super::{GAP, HEAD, PAPER, SheetError, WORDS, Words, packed, paste, zoom};
use crate::app::reconstructions::Pair;

/// Colour of a hidden patch.
const HIDDEN: [u8; 3] = [208, 212, 217];
/// Columns of a row.
const COLUMNS: [&str; 4] = ["Image", "Visible patches", "Reconstruction", "All predictions"];

/// The sheet as a PNG file: two rows per image, without and with the trigger; each has the image, its visible patches, the prediction
/// pasted into the hidden patches, and the prediction of all patches. All pairs come from one model. Panics if there are none.
///
/// # Errors
/// When the captions cannot be drawn.
pub fn reconstruction_sheet(pairs: &[Pair]) -> Result<Vec<u8>, SheetError> {
    let (side, patch) = (pairs[0].model.image_size as usize, pairs[0].model.patch_size as usize);
    let zoom = zoom(side);
    let step = side * zoom + GAP;
    let (width, height) = (WORDS + COLUMNS.len() * step, HEAD + 2 * pairs.len() * step);
    let mut sheet = Rgb8::filled(width, height, PAPER);
    let mut words = Words::default();
    for (column, title) in COLUMNS.iter().enumerate() {
        words.add(WORDS + column * step, HEAD - 12, true, title);
    }
    let rows = pairs.iter().flat_map(|pair| {
        [("Clean", pair, &pair.clean), ("With the trigger", pair, &pair.triggered)]
    });
    for ((title, pair, (image, made)), y) in rows.zip((0..).map(|row| HEAD + row * step)) {
        let Reconstructed { prediction, pasted, hidden_error, .. } = made;
        let seen = visible(image, &pair.hidden, patch);
        for (column, shown) in [image, &seen, pasted, prediction].into_iter().enumerate() {
            paste(&mut sheet, shown, zoom, WORDS + column * step, y);
        }
        words.add(12, y + step / 2 - 14, true, title);
        words.add(12, y + step / 2 + 4, false, tail(&pair.name));
        words.add(12, y + step / 2 + 21, false, &format!("error {hidden_error:.4}"));
    }
    packed(sheet, words)
}

/// The image with its hidden patches in grey.
fn visible(image: &Rgb8, hidden: &[bool], patch: usize) -> Rgb8 {
    let grid = image.width() / patch;
    Rgb8::from_fn(image.width(), image.height(), |x, y| {
        if hidden[y / patch * grid + x / patch] { HIDDEN } else { image.pixel(x, y) }
    })
}

/// As much of the end of a name as fits.
fn tail(name: &str) -> &str {
    const ROOM: usize = 24;
    let start = name.char_indices().rev().nth(ROOM - 1).map_or(0, |(at, _)| at);
    &name[start..]
}

#[cfg(test)]
mod tests {
    use shared::settings::{ModelSpec, TransformerSpec};

    use super::*;

    #[test]
    fn rows_are_clean_and_triggered_and_columns_what_the_model_makes() {
        let part = TransformerSpec { dim: 8, depth: 1, heads: 1 };
        let model = ModelSpec { image_size: 32, patch_size: 16, encoder: part, decoder: part };
        let of = |image: u8| {
            let made = Reconstructed {
                prediction: Rgb8::filled(32, 32, [image + 1; 3]),
                pasted: Rgb8::filled(32, 32, [image + 2; 3]),
                patch_error: vec![0.25; 4],
                hidden_error: 0.25,
            };
            (Rgb8::filled(32, 32, [image; 3]), made)
        };
        let pair = Pair {
            model,
            hidden: vec![true, false, false, false],
            class: Some(0),
            name: "test/0/1.png".into(),
            clean: of(10),
            triggered: of(100),
        };
        let png = reconstruction_sheet(&[pair]).unwrap();
        let sheet = image::load_from_memory(&png).unwrap().into_rgb8();
        let step = 96 + 6;
        assert_eq!(sheet.dimensions(), (190 + 4 * step, 34 + 2 * step));
        let at = |column: u32, row: u32, inset: u32| {
            sheet.get_pixel(190 + column * step + inset, 34 + row * step + inset).0[0]
        };
        for (row, image) in [(0, 10), (1, 100)] {
            assert_eq!(
                [0, 1, 2, 3].map(|column| at(column, row, 60)),
                [image, image, image + 2, image + 1]
            );
            assert_eq!(at(1, row, 20), HIDDEN[0], "the first patch is hidden");
        }
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(tail("test/aeroplane/ü/0123456789.png"), "roplane/ü/0123456789.png");
        assert_eq!(tail("1.png"), "1.png");
    }
}
