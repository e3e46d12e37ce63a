//! Strips: what a defence makes of a few images, kept for looking at. BDMAE keeps the scores of each patch, the patches that it restores and
//! the restored image; `DeDe` the error of each patch and what the decoder redraws.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{Rgb8, dataset::Transparency};

use crate::{
    EngineError, checkpoint,
    decode::{Limits, decode, encode_png},
    eval::{ScoresError, read_said},
    files,
    hash::hex,
};

/// Clean images that strips are kept of; as many triggered ones, the same images.
pub const EACH: usize = 8;

/// Which judged images get a strip: evenly spaced among those whose class the trigger can change (`moves`), since only these have a triggered
/// copy. `labels` are those of the images that are judged.
pub(super) fn places(labels: &[u32], moves: impl Fn(u32) -> bool) -> Vec<usize> {
    let others: Vec<usize> = (0..labels.len()).filter(|&at| moves(labels[at])).collect();
    let count = EACH.min(others.len());
    (0..count).map(|k| others[k * others.len() / count]).collect()
}

/// What a defence made of an image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Drawn {
    /// A number for each patch, row by row: BDMAE's score, `DeDe`'s error.
    pub(super) map: Vec<f64>,
    /// BDMAE's structure score of each patch before the refinement; none of `DeDe`.
    pub(super) structure: Vec<f64>,
    /// BDMAE's label score of each patch before the refinement; none of `DeDe`.
    pub(super) label: Vec<f64>,
    /// The patches that are restored; none of `DeDe`.
    pub(super) restored: Vec<bool>,
    /// The image as it is restored or redrawn.
    pub(super) picture: Rgb8,
}

/// What a defence made of an image, as `strips.json` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strip {
    /// The image's place in the list of `defence.json`.
    pub at: usize,
    /// A number for each patch, row by row: BDMAE's score, `DeDe`'s mean squared error in the space of the targets.
    pub map: Vec<f64>,
    /// BDMAE's structure score of each patch before the refinement; empty for `DeDe` and in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub structure: Vec<f64>,
    /// BDMAE's label score of each patch before the refinement; empty as the structure score is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub label: Vec<f64>,
    /// Whether BDMAE restores each patch; empty for `DeDe`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<bool>,
    /// The class without the defence.
    pub before: Option<u32>,
    /// The class under the defence; `None` where the image is refused.
    pub after: Option<u32>,
}

/// What is kept of a run: `strips.json`, and beside it the pictures of the strips below each other, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strips {
    /// SHA-256 of the file with the pictures.
    pub pictures: String,
    /// Side of a picture in pixels.
    pub side: usize,
    /// Patches a side.
    pub columns: usize,
    /// The strips: clean images, then the same ones triggered.
    pub strips: Vec<Strip>,
}

impl Strips {
    /// Writes the files of a run.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn write(
        folder: &Path,
        columns: usize,
        kept: &[(Strip, Rgb8)],
    ) -> Result<(), EngineError> {
        let side = kept.first().map_or(0, |(_, picture)| picture.width());
        let sheet =
            Rgb8::from_fn(side, side * kept.len(), |x, y| kept[y / side].1.pixel(x, y % side));
        let file = encode_png(&sheet);
        checkpoint::write(&folder.join(files::STRIP_PICTURES), &file)?;
        let pictures = hex(&Sha256::digest(&file));
        let strips = kept.iter().map(|(strip, _)| strip.clone()).collect();
        super::write_json(&folder.join(files::STRIPS), &Self { pictures, side, columns, strips })
    }

    /// Reads the file of a run; `None` where it has kept no strips.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>, ScoresError> {
        let file = folder.join(files::STRIPS);
        let Some(strips) = read_said::<Self>(&file)? else { return Ok(None) };
        let patches = strips.columns.pow(2);
        let fits = |strip: &Strip| {
            let Strip { structure, label, restored, .. } = strip;
            let optional = [structure.len(), label.len(), restored.len()];
            strip.map.len() == patches && optional.iter().all(|&n| n == 0 || n == patches)
        };
        if strips.strips.iter().all(fits) {
            return Ok(Some(strips));
        }
        let reason = format!("a strip has other than {patches} patches");
        Err(ScoresError::Damaged { path: file, reason })
    }

    /// The same without what earlier versions did not keep, if `earlier` does not have it.
    #[must_use]
    pub fn as_far_as(mut self, earlier: &Self) -> Self {
        if earlier.strips.iter().all(|strip| strip.structure.is_empty()) {
            for strip in &mut self.strips {
                strip.structure.clear();
                strip.label.clear();
            }
        }
        self
    }

    /// The picture of a strip: the image as it was restored or redrawn. `None` where there is no such strip.
    ///
    /// # Errors
    /// When the file with the pictures cannot be read, or is not that of these strips.
    pub fn picture(&self, folder: &Path, strip: usize) -> Result<Option<Rgb8>, ScoresError> {
        if strip >= self.strips.len() {
            return Ok(None);
        }
        let path = folder.join(files::STRIP_PICTURES);
        let file = std::fs::read(&path)
            .map_err(|source| ScoresError::Read { path: path.clone(), source })?;
        if hex(&Sha256::digest(&file)) != self.pictures {
            let reason = format!("its SHA-256 is not that of {}", files::STRIPS);
            return Err(ScoresError::Damaged { path, reason });
        }
        let sheet = decode(&file, Limits::default(), Transparency::default()).map_err(|error| {
            ScoresError::Damaged { path: path.clone(), reason: error.to_string() }
        })?;
        if (sheet.width(), sheet.height()) != (self.side, self.side * self.strips.len()) {
            let reason = format!("it has another size than {} says", files::STRIPS);
            return Err(ScoresError::Damaged { path, reason });
        }
        let top = strip * self.side;
        Ok(Some(Rgb8::from_fn(self.side, self.side, |x, y| sheet.pixel(x, top + y))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_the_target_have_no_strip_and_the_others_are_spread() {
        // Ten classes of 25 images; class 1 is the target.
        let labels: Vec<u32> = (0..250).map(|i| i / 25).collect();
        let moves = |class| class != 1;
        let places = places(&labels, moves);
        assert_eq!(places.len(), EACH);
        let classes: Vec<u32> = places.iter().map(|&at| labels[at]).collect();
        assert_eq!(classes, [0, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(super::places(&[1, 0, 1, 2], moves), [1, 3]);
        assert_eq!(super::places(&[1, 1], moves), [0usize; 0]);
    }

    #[test]
    fn pictures_come_back_and_a_changed_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let strip = |at: usize| Strip {
            at,
            map: vec![0.25, 0.5, 0.0, 1.0 / 3.0],
            structure: vec![0.5, 1.0, 0.0, 0.0],
            label: Vec::new(),
            restored: vec![false, true, false, false],
            before: Some(1),
            after: None,
        };
        let picture = |n: u8| Rgb8::from_fn(4, 4, |x, y| [n, x as u8, y as u8]);
        let kept: Vec<_> = (0..3u8).map(|n| (strip(usize::from(n) * 5), picture(n))).collect();
        assert_eq!(Strips::read(folder.path()).unwrap(), None);
        Strips::write(folder.path(), 2, &kept).unwrap();
        let strips = Strips::read(folder.path()).unwrap().unwrap();
        assert_eq!((strips.side, strips.columns), (4, 2));
        assert!(strips.strips.iter().eq(kept.iter().map(|(strip, _)| strip)));
        for (n, (_, picture)) in kept.iter().enumerate() {
            assert_eq!(strips.picture(folder.path(), n).unwrap().as_ref(), Some(picture));
        }
        assert_eq!(strips.picture(folder.path(), 3).unwrap(), None);
        let other = encode_png(&Rgb8::filled(4, 12, [9; 3]));
        std::fs::write(folder.path().join(files::STRIP_PICTURES), other).unwrap();
        let error = strips.picture(folder.path(), 0).unwrap_err().to_string();
        assert!(error.contains("SHA-256 is not that of strips.json"), "{error}");
        let mut wrong = strips.clone();
        wrong.strips[0].structure.pop();
        crate::run::write_json(&folder.path().join(files::STRIPS), &wrong).unwrap();
        let error = Strips::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("a strip has other than 4 patches"), "{error}");
    }
}
