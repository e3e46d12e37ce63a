//! The files that a defence run writes about the images that it judged, and the scores in them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use shared::{api::TriggerSearch, metric::Roc, settings::DefenceMethod};

/// A file of a defence run cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScoresError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Its content is damaged.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a file of a defence run; `None` where there is none.
///
/// # Errors
/// When it cannot be read, or is damaged.
pub fn read<T: DeserializeOwned>(file: &Path) -> Result<Option<T>, ScoresError> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ScoresError::Read { path: file.to_owned(), source }),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| ScoresError::Damaged { path: file.to_owned(), reason: error.to_string() })
}

/// The score of an image, and the truth.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Scored {
    /// Higher ones are more suspicious.
    pub score: f64,
    /// Whether the defence takes it for poisoned.
    #[serde(default)]
    pub flagged: bool,
    /// Whether it is poisoned.
    pub poisoned: bool,
}

/// The scores of a defence run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Scores {
    /// The defence.
    #[serde(default)]
    pub method: DefenceMethod,
    /// Of every judged image; empty for a method that judges none.
    #[serde(default)]
    pub samples: Vec<Scored>,
    /// Of the same images under the same labels without the trigger.
    #[serde(default)]
    pub control: Vec<Scored>,
    /// The search for a trigger of a detector of encoders.
    #[serde(default)]
    pub search: Option<TriggerSearch>,
}

impl Scores {
    /// Reads the file of a defence run; `None` where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub fn read(file: &Path) -> Result<Option<Self>, ScoresError> {
        read(file)
    }

    /// The curve of the judged images, and that of the control where there is one; `None` for a method that judges no image.
    pub fn roc(&self) -> Option<(Roc, Option<Roc>)> {
        let curve = |samples: &[Scored]| {
            let scores: Vec<f64> = samples.iter().map(|one| one.score).collect();
            let poisoned: Vec<bool> = samples.iter().map(|one| one.poisoned).collect();
            (!samples.is_empty()).then(|| Roc::of(&scores, &poisoned).corners())
        };
        Some((curve(&self.samples)?, curve(&self.control)))
    }

    /// The score above which images are flagged, in the middle between the two next to it; `None` where more than the score decides, or nothing or
    /// everything is flagged.
    pub fn limit(&self) -> Option<f64> {
        let of = |flagged: bool| {
            let samples = self.samples.iter().filter(move |one| one.flagged == flagged);
            samples.map(|one| one.score)
        };
        let (most, least) = (of(false).reduce(f64::max)?, of(true).reduce(f64::min)?);
        (most < least).then(|| f64::midpoint(most, least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_as_a_defence_writes_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("defence.json");
        assert_eq!(Scores::read(&file).expect("no file is no error"), None);
        let sample = |score: f64, flagged: bool, poisoned: bool| {
            format!(
                "{{\"image\":1,\"label\":0,\"score\":{score},\"flagged\":{flagged},\"poisoned\":{poisoned}}}"
            )
        };
        let (first, last) = (sample(2.5, true, true), sample(3.0, true, false));
        let samples = [first.clone(), sample(-1.0, false, false), last.clone()].join(",");
        fs::write(&file, format!("{{\"method\":\"strip\",\"samples\":[{samples}]}}"))
            .expect("write");
        let scores = Scores::read(&file).expect("valid").expect("there");
        let (roc, control) = scores.roc().expect("images");
        assert_eq!((roc.totals(), roc.area(), control), ((2, 1), Some(0.5), None));
        assert_eq!((scores.method, scores.limit()), (DefenceMethod::Strip, Some(0.75)));
        // An image with a lower score is flagged, so the score alone does not decide; or all are.
        for samples in [[first.clone(), sample(2.75, false, false)], [first, last]] {
            let text = format!("{{\"method\":\"scan\",\"samples\":[{}]}}", samples.join(","));
            fs::write(&file, text).expect("write");
            assert_eq!(Scores::read(&file).expect("valid").expect("there").limit(), None);
        }
        let epoch = "{\"cosine\":0.5,\"pl1\":0.25,\"weight\":0.001}";
        let search = format!("{{\"limit\":0.1,\"cosine\":0.99,\"epochs\":[{epoch}]}}");
        fs::write(&file, format!("{{\"method\":\"decree\",\"search\":{search}}}")).expect("write");
        let scores = Scores::read(&file).expect("valid").expect("there");
        assert_eq!(scores.roc(), None);
        let search = scores.search.expect("a search");
        assert_eq!((search.limit, search.epochs.len(), search.epochs[0].pl1), (0.1, 1, 0.25));
        fs::write(&file, "{\"samples\":").expect("write");
        assert!(Scores::read(&file).is_err());
    }
}
