//! A classifier's predictions by image, and the file that keeps them.

use std::{collections::HashMap, fs, io, path::Path};

use safetensors::SafeTensors;
use shared::metric::{ClassMap, Discordant, Evaluation, Goal, Target};

use super::accuracy::{count, predictions};
use crate::{
    EngineError, checkpoint,
    tensors::{NamedTensor, read, serialize, verify},
};

/// Version of the file.
const VERSION: &str = "1";
/// What stands for an image without a class.
const NOBODY: f32 = -1.0;

/// What a classifier says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The class with the highest score; `None` when all scores are NaN.
    pub class: Option<u32>,
    /// Its probability by softmax in 0–1; 0 without a class or with scores that are not finite.
    pub confidence: f32,
    /// The probability of the class that the attacker wants.
    pub target: f32,
}

/// The predictions on all validation images, without and with the trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// What the attacker wants.
    pub goal: Goal,
    /// The true class of each image.
    pub labels: Vec<u32>,
    /// Of the clean images.
    pub clean: Vec<Prediction>,
    /// Of the same images with the trigger.
    pub triggered: Vec<Prediction>,
}

/// A classifier's evaluation: counts, and what it says of each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The counts.
    pub counts: Evaluation,
    /// The predictions that were counted.
    pub predicted: Predicted,
}

impl Evaluated {
    /// From scores, as for [`count`].
    pub fn of(
        labels: &[u32],
        clean: &[f32],
        triggered: &[f32],
        classes: usize,
        goal: &Goal,
    ) -> Self {
        let counts = count(labels, clean, triggered, classes, goal);
        let predict = |scores| all(scores, classes, labels, goal);
        let (clean, triggered) = (predict(clean), predict(triggered));
        let (goal, labels) = (goal.clone(), labels.to_vec());
        Self { counts, predicted: Predicted { goal, labels, clean, triggered } }
    }
}

fn all(scores: &[f32], classes: usize, labels: &[u32], goal: &Goal) -> Vec<Prediction> {
    let rows = scores.chunks_exact(classes).zip(predictions(scores, classes)).zip(labels);
    let one = |((scores, class), &label): ((&[f32], Option<u32>), &u32)| {
        let of = |class: u32| probability(scores, class as usize);
        Prediction { class, confidence: class.map_or(0.0, of), target: of(goal.target_of(label)) }
    };
    rows.map(one).collect()
}

/// Softmax of one class; 0 when it is not finite.
fn probability(scores: &[f32], class: usize) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let shifted = |score: f32| (f64::from(score) - f64::from(highest)).exp();
    let share = shifted(scores[class]) / scores.iter().map(|&score| shifted(score)).sum::<f64>();
    if share.is_finite() { share as f32 } else { 0.0 }
}

/// By which images two classifiers differ, from the classes that each gives the clean and the triggered images: in CA by all clean images, in
/// ASR and in RA by the triggered images of attacked classes. Panics when there are fewer classes than labels.
pub fn discordant(
    labels: &[u32],
    goal: &Goal,
    [clean, triggered]: [&Vec<Option<u32>>; 2],
    [second_clean, second_triggered]: [&Vec<Option<u32>>; 2],
) -> [Discordant; 3] {
    let right = |of: &[Option<u32>], i: usize| of[i] == Some(labels[i]);
    let falls = |of: &[Option<u32>], i: usize| of[i] == Some(goal.target_of(labels[i]));
    let images = 0..labels.len();
    let attacked = || images.clone().filter(|&i| goal.attacks(labels[i]));
    [
        Discordant::count(images.clone().map(|i| (right(clean, i), right(second_clean, i)))),
        Discordant::count(attacked().map(|i| (falls(triggered, i), falls(second_triggered, i)))),
        Discordant::count(attacked().map(|i| (right(triggered, i), right(second_triggered, i)))),
    ]
}

impl Predicted {
    /// Whether the clean image is classified rightly.
    pub fn is_right(&self, image: usize) -> bool {
        self.clean[image].class == Some(self.labels[image])
    }

    /// Whether the triggered image counts for ASR: its true class is attacked.
    pub fn counts(&self, image: usize) -> bool {
        self.goal.attacks(self.labels[image])
    }

    /// Whether the triggered image is taken for the class that the attacker wants, which counts only for images of attacked classes.
    pub fn falls(&self, image: usize) -> bool {
        let wanted = self.goal.target_of(self.labels[image]);
        self.counts(image) && self.triggered[image].class == Some(wanted)
    }

    /// By which images this classifier and a second one differ: in CA, in ASR and in RA. `None` where the two were not evaluated on the same
    /// images with the same goal.
    pub fn discordant(&self, second: &Self) -> Option<[Discordant; 3]> {
        if (&self.goal, &self.labels) != (&second.goal, &second.labels) {
            return None;
        }
        let [first, second] = [self, second].map(Self::classes);
        Some(discordant(&self.labels, &self.goal, first.each_ref(), second.each_ref()))
    }

    /// The classes of the clean and of the triggered images.
    fn classes(&self) -> [Vec<Option<u32>>; 2] {
        [&self.clean, &self.triggered].map(|all| all.iter().map(|one| one.class).collect())
    }

    /// The content of the file: a safetensors file with a checksum. `label` has the true classes, `clean` and `triggered` of each image the
    /// predicted class (-1 for none), its probability, and that of the class that the attacker wants. The header's `target_class` is a number
    /// or `all_to_all`, which has the number of `classes` beside it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to_file(&self) -> Result<Vec<u8>, EngineError> {
        let n = self.labels.len();
        let rows = |name: &str, predictions: &[Prediction]| NamedTensor {
            name: name.into(),
            shape: vec![n, 3],
            values: predictions
                .iter()
                .flat_map(|one| {
                    [one.class.map_or(NOBODY, |class| class as f32), one.confidence, one.target]
                })
                .collect(),
        };
        let labels = self.labels.iter().map(|&label| label as f32).collect();
        let tensors = [
            rows("clean", &self.clean),
            NamedTensor { name: "label".into(), shape: vec![n], values: labels },
            rows("triggered", &self.triggered),
        ];
        let sources: Vec<String> = self.goal.sources().iter().map(ToString::to_string).collect();
        let mut metadata = vec![
            ("format", "maskdoor predictions".to_owned()),
            ("version", VERSION.to_owned()),
            ("target_class", self.goal.target().to_string()),
            ("sources", sources.join(",")),
            ("images", n.to_string()),
        ];
        if let Goal::AllToAll { classes } = self.goal {
            metadata.push(("classes", classes.to_string()));
        }
        Ok(serialize(&tensors, &metadata)?)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EngineError> {
        checkpoint::write(path, &self.to_file()?)
    }

    /// Reads the file; `None` where there is none, because an earlier version evaluated the classifier.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or is of a later version.
    pub fn read(path: &Path) -> Result<Option<Self>, PredictionsError> {
        let wrong = |reason: String| PredictionsError { path: path.display().to_string(), reason };
        match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(wrong(error.to_string())),
            Ok(bytes) => Self::of_file(&bytes).map(Some).map_err(wrong),
        }
    }

    /// From the content of the file.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence without a full stop.
    pub fn of_file(bytes: &[u8]) -> Result<Self, String> {
        let not_whole = |error| format!("it is not a complete safetensors file ({error})");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_whole)?;
        verify(bytes)?;
        let texts: HashMap<String, String> = header.metadata().clone().unwrap_or_default();
        match texts.get("version").map(String::as_str) {
            Some(VERSION) => {}
            Some(other) => {
                return Err(format!(
                    "its version is {other}, and this program reads version {VERSION}; a later program wrote it"
                ));
            }
            None => return Err("it has no version, so it holds no predictions".into()),
        }
        let text = |name: &str| texts.get(name).ok_or_else(|| format!("its header has no {name}"));
        let number = |name: &str| {
            let text = text(name)?;
            text.parse::<u32>().map_err(|_| format!("its {name} is {text:?}, not a number"))
        };
        let n = number("images")? as usize;
        let target: Target =
            text("target_class")?.parse().map_err(|error| format!("its target_class {error}"))?;
        let sources = texts.get("sources").map(String::as_str).unwrap_or_default();
        let sources = sources.split(',').filter(|class| !class.is_empty());
        let sources = sources
            .map(|class| class.parse().map_err(|_| format!("its source {class:?} is no class")))
            .collect::<Result<_, _>>()?;
        let goal = match target {
            Target::Class(target_class) => Goal::SingleTarget { target_class, sources },
            Target::Mapped(ClassMap::AllToAll) => match number("classes")? {
                classes @ 0..=1 => {
                    return Err(format!("it is of {classes} classes, too few for all-to-all"));
                }
                classes => Goal::AllToAll { classes },
            },
        };
        let file = SafeTensors::deserialize(bytes).map_err(not_whole)?;
        let rows = |name: &str| -> Result<Vec<Prediction>, String> {
            let values = read(&file, name, &[n, 3])?;
            let one = |row: &[f32]| {
                let class = if row[0] < 0.0 { None } else { Some(class(row[0])?) };
                Ok(Prediction { class, confidence: row[1], target: row[2] })
            };
            values.chunks_exact(3).map(one).collect()
        };
        let labels =
            read(&file, "label", &[n])?.into_iter().map(class).collect::<Result<_, _>>()?;
        Ok(Self { goal, labels, clean: rows("clean")?, triggered: rows("triggered")? })
    }
}

/// A class number; single precision holds all whole numbers up to 2^24.
fn class(value: f32) -> Result<u32, String> {
    let whole = value as u32;
    if (whole as f32).to_bits() == value.to_bits() {
        Ok(whole)
    } else {
        Err(format!("{value} is no class number"))
    }
}

/// A file of predictions cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the predictions {path}: {reason}")]
pub struct PredictionsError {
    /// The file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four images of classes 0, 1, 1, 2, target 0.
    fn evaluated() -> Evaluated {
        let clean = [2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, f32::NAN, f32::NAN, f32::NAN];
        let triggered = [0.0, 5.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 9.0, 0.0, 0.0];
        Evaluated::of(&[0, 1, 1, 2], &clean, &triggered, 3, &Goal::from(0))
    }

    #[test]
    fn predictions_by_hand() {
        let predicted = evaluated().predicted;
        let classes: Vec<_> = predicted.clean.iter().map(|one| one.class).collect();
        assert_eq!(classes, [Some(0), Some(1), Some(0), None]);
        // e^2 / (e^2 + 2).
        assert!((predicted.clean[0].confidence - 0.786_986).abs() < 1e-6);
        assert!((predicted.clean[1].target - 0.106_507).abs() < 1e-6);
        assert_eq!((predicted.clean[3].confidence, predicted.clean[3].target), (0.0, 0.0));
        let falls: Vec<_> = (0..4).map(|i| predicted.falls(i)).collect();
        assert_eq!(falls, [false, true, false, true], "an image of the target class cannot fall");
    }

    #[test]
    fn what_is_kept_counts_as_the_evaluation_does() {
        let Evaluated { counts, predicted } = evaluated();
        let n = |of: &dyn Fn(usize) -> bool| (0..4).filter(|&i| of(i)).count() as u32;
        assert_eq!(counts.metrics.ca.hits, n(&|i| predicted.is_right(i)));
        assert_eq!(counts.metrics.asr.hits, n(&|i| predicted.falls(i)));
        assert_eq!(counts.metrics.asr.total, n(&|i| predicted.counts(i)));
    }

    #[test]
    fn the_file_gives_back_what_was_written() {
        let mut predicted = evaluated().predicted;
        predicted.goal = Goal::SingleTarget { target_class: 0, sources: vec![1, 2] };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.safetensors");
        assert_eq!(Predicted::read(&path).unwrap(), None);
        predicted.write(&path).unwrap();
        assert_eq!(Predicted::read(&path).unwrap(), Some(predicted.clone()));
        let file = predicted.to_file().unwrap();
        assert_eq!(file, predicted.to_file().unwrap());
        for damaged in [&file[..file.len() - 1], &file[..4], b""] {
            assert!(Predicted::of_file(damaged).is_err());
        }
        let mut other = file.clone();
        *other.last_mut().unwrap() ^= 1;
        assert!(Predicted::of_file(&other).unwrap_err().contains("checksum"));
        let later = serialize(&[], &[("version", "2".to_owned())]).unwrap();
        assert!(Predicted::of_file(&later).unwrap_err().starts_with("its version is 2"));
        fs::write(&path, &other).unwrap();
        let told = Predicted::read(&path).unwrap_err().to_string();
        assert!(told.starts_with("the predictions ") && told.contains("damaged"), "{told}");
    }

    #[test]
    fn all_to_all_wants_of_each_image_the_next_class() {
        // Images of the classes 0, 1, 2 and 2: two get the next class, one keeps its own, one gets another.
        let scores = [0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 2.0, 0.0, 2.0, 0.0];
        let goal = Goal::AllToAll { classes: 3 };
        let Evaluated { counts, predicted } =
            Evaluated::of(&[0, 1, 2, 2], &scores, &scores, 3, &goal);
        let falls: Vec<_> = (0..4).map(|i| predicted.falls(i)).collect();
        assert_eq!(falls, [true, true, false, false]);
        assert_eq!((counts.metrics.asr.hits, counts.metrics.asr.total), (2, 4));
        assert_eq!((counts.metrics.ra.hits, counts.metrics.ra.total), (1, 4));
        // e^2 / (e^2 + 2) of the class after its own; the last class's is the first: 1 / (e^2 + 2).
        assert!((predicted.triggered[0].target - 0.786_986).abs() < 1e-6);
        assert!((predicted.triggered[2].target - 0.106_507).abs() < 1e-6);
        let file = predicted.to_file().unwrap();
        assert_eq!(Predicted::of_file(&file).unwrap(), predicted);
        let single = Evaluated::of(&[0, 1, 2, 2], &scores, &scores, 3, &1.into()).predicted;
        assert_eq!(predicted.discordant(&single), None, "another goal");
        let with = |target: &str, classes: &str| {
            let of = [
                ("version", "1".to_owned()),
                ("target_class", target.to_owned()),
                ("images", "0".to_owned()),
                ("classes", classes.to_owned()),
            ];
            Predicted::of_file(&serialize(&[], &of).unwrap()).unwrap_err()
        };
        assert_eq!(with("all_to_all", "1"), "it is of 1 classes, too few for all-to-all");
        assert_eq!(with("all_to_all", "x"), "its classes is \"x\", not a number");
        assert_eq!(
            with("next", "3"),
            "its target_class \"next\" is neither a number nor all_to_all"
        );
    }

    #[test]
    fn two_classifiers_are_compared_image_by_image() {
        let first = evaluated().predicted;
        let mut second = first.clone();
        second.triggered[2].class = Some(0);
        second.clean[1].class = None;
        let [right, fallen, resisted] = first.discordant(&second).unwrap();
        assert_eq!(right, Discordant { first: 1, second: 0, total: 4 });
        assert_eq!(fallen, Discordant { first: 0, second: 1, total: 3 });
        assert_eq!(resisted, Discordant { first: 1, second: 0, total: 3 });
        second.labels[0] = 2;
        assert_eq!(first.discordant(&second), None, "other images");
    }
}
