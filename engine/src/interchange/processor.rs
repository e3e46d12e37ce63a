//! `preprocessor_config.json` of Hugging Face: what happens to an image before the model sees it.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::config::read_beside;
use crate::data::augment::Normalisation;

/// Name of the file.
const FILE: &str = "preprocessor_config.json";
/// Longest one that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// What transformers multiplies a byte by.
const RESCALE: f64 = 1.0 / 255.0;
/// transformers' number of the bilinear filter.
const BILINEAR: u64 = 2;

/// What is read of `preprocessor_config.json`.
#[derive(Debug, Default, Deserialize)]
struct Processor {
    do_normalize: Option<bool>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_resize: Option<bool>,
    size: Option<Value>,
    resample: Option<u64>,
    do_center_crop: Option<bool>,
}

/// What the images of the model in a file are normalised by: as `preprocessor_config.json` beside it says, or transformers' default of
/// .5 and .5. What this program does otherwise than that file says is added to `assumed`.
///
/// # Errors
/// A sentence that says why it cannot be read or followed.
pub(super) fn normalisation(
    file: &Path,
    image_size: u32,
    assumed: &mut Vec<String>,
) -> Result<Normalisation, String> {
    let half = Normalisation { mean: [0.5; 3], std: [0.5; 3] };
    let Some(text) = read_beside(file, FILE, LONGEST)? else {
        assumed.push(format!(
            "images are normalised by mean 0.5 and deviation 0.5, as there is no {FILE}"
        ));
        return Ok(half);
    };
    let processor: Processor = serde_json::from_slice(&text)
        .map_err(|error| format!("the {FILE} beside it is none of a ViT: {error}"))?;
    let factor = processor.rescale_factor.unwrap_or(RESCALE);
    if processor.do_rescale == Some(false) || (factor - RESCALE).abs() > 1e-6 {
        return Err(format!(
            "its {FILE} does not bring bytes to intensities of 0–1 (rescale_factor 1/255), which this program does"
        ));
    }
    if let Some(side) = processor.side().filter(|&side| side != u64::from(image_size)) {
        assumed.push(format!(
            "images are resized to the model's {image_size} px, where {FILE} says {side}"
        ));
    }
    if let Some(filter) = processor.resample.filter(|&filter| filter != BILINEAR) {
        assumed.push(format!("images are resized bilinearly, where {FILE} says resample {filter}"));
    }
    if processor.do_center_crop == Some(true) {
        assumed.push(format!("images are seen whole, where {FILE} crops them"));
    }
    if processor.do_normalize == Some(false) {
        return Ok(Normalisation { mean: [0.0; 3], std: [1.0; 3] });
    }
    let read = Normalisation {
        mean: processor.image_mean.unwrap_or(half.mean),
        std: processor.image_std.unwrap_or(half.std),
    };
    let sound = |number: &f32| number.is_finite();
    if !read.mean.iter().all(sound) || !read.std.iter().all(|std| sound(std) && *std > 0.0) {
        return Err(format!("its {FILE} has an image_std that is not above 0, or no number"));
    }
    Ok(read)
}

impl Processor {
    /// The side that images are resized to in pixels, where it says one: `224`, or `{"height": 224, "width": 224}`.
    fn side(&self) -> Option<u64> {
        if self.do_resize == Some(false) {
            return None;
        }
        let size = self.size.as_ref()?;
        let of = |key: &str| size.get(key).and_then(Value::as_u64);
        size.as_u64().or_else(|| of("height")).or_else(|| of("shortest_edge"))
    }
}
