//! What the trigger does to some images of the data set.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use engine::data::Index;
use shared::{
    Rgb8, Settings, Stage, StudySpec, Trigger, TriggerSpec, api::Split, image::difference,
    metric::Quality, quality::quality, survival::survival,
};

use crate::sheet;

/// Number of images.
const IMAGES: usize = 4;
/// Most triggers of a study that varies its trigger.
const TRIGGERS: usize = 6;
/// Random crops and masks of each image.
const VIEWS: u32 = 256;
/// Amplification of the differences.
pub(super) const GAIN: f32 = 8.0;

/// A picture as the address of an image: its PNG file in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture(pub String);

/// Some validation images, and what each trigger of a study makes of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Pictures {
    /// The images' classes.
    pub classes: Vec<u32>,
    /// The images.
    pub clean: Vec<Picture>,
    /// The triggers, at most six.
    pub triggers: Vec<Triggered>,
    /// Number of further triggers.
    pub more: usize,
}

/// The images under a trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Triggered {
    /// The trigger with its strength.
    pub label: String,
    /// How visible it is in them, and how much of it pre-training sees.
    pub quality: Quality,
    /// The images with the trigger.
    pub images: Vec<Picture>,
    /// The amplified differences, around grey.
    pub differences: Vec<Picture>,
}

/// The pictures of a study: the first validation image of each of its first classes, without the target class where there is one.
///
/// # Errors
/// When an image or a key cannot be read, or a trigger does not fit the images.
pub(super) fn pictures(
    spec: &StudySpec,
    index: &Index,
    key: impl Fn(&str) -> Result<Rgb8, String>,
) -> Result<Pictures, String> {
    let side = spec.settings.model.image_size as usize;
    let chosen =
        first_of_classes(&index.labels(Split::Test), spec.settings.attack.target().class());
    let images: Vec<Rgb8> = chosen
        .iter()
        .map(|&(at, _)| index.load(Split::Test, at, side).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    let all = triggers(spec);
    let shown = all.iter().take(TRIGGERS).map(|(trigger, settings)| {
        let key = trigger.key().map(&key).transpose()?;
        let ready = Trigger::prepare(trigger, key.as_ref(), side, Stage::Test)
            .map_err(|error| error.to_string())?;
        let triggered: Vec<_> = images.iter().map(|image| ready.applied(image)).collect();
        let pairs = || images.iter().zip(&triggered);
        let views = settings.pretraining_views().filter(|_| settings.encoder.is_none());
        let all: Vec<_> = pairs().collect();
        let survival = views.and_then(|views| survival(&all, views, VIEWS));
        let quality = quality(all).unwrap_or_default();
        Ok(Triggered {
            label: trigger.label(),
            quality: Quality { survival, ..quality },
            images: triggered.iter().map(picture).collect::<Result<_, _>>()?,
            differences: pairs()
                .map(|(a, b)| picture(&difference(a, b, GAIN)))
                .collect::<Result<_, _>>()?,
        })
    });
    Ok(Pictures {
        classes: chosen.iter().map(|&(_, class)| class).collect(),
        clean: images.iter().map(picture).collect::<Result<_, _>>()?,
        triggers: shown.collect::<Result<_, String>>()?,
        more: all.len().saturating_sub(TRIGGERS),
    })
}

/// Index and class of the first image of each of the first classes but `target`.
fn first_of_classes(labels: &[u32], target: Option<u32>) -> Vec<(usize, u32)> {
    let mut chosen: Vec<(usize, u32)> = Vec::new();
    let is_other = |class: &u32| target != Some(*class);
    let mut classes: Vec<u32> = labels.iter().copied().filter(is_other).collect();
    classes.sort_unstable();
    classes.dedup();
    for class in classes.into_iter().take(IMAGES) {
        chosen.extend(labels.iter().position(|&label| label == class).map(|at| (at, class)));
    }
    chosen
}

/// The different triggers over the study's points, those of further backdoors after the main one, each with the first point that has it.
fn triggers(spec: &StudySpec) -> Vec<(TriggerSpec, Settings)> {
    let mut found: Vec<(TriggerSpec, Settings)> = Vec::new();
    for settings in spec.points().unwrap_or_default() {
        for backdoor in settings.attack.backdoors() {
            if !found.iter().any(|(trigger, _)| *trigger == backdoor.trigger) {
                found.push((backdoor.trigger, settings.clone()));
            }
        }
    }
    found
}

fn picture(image: &Rgb8) -> Result<Picture, String> {
    let file = sheet::png(image).map_err(|error| error.to_string())?;
    Ok(Picture(format!("data:image/png;base64,{}", STANDARD.encode(file))))
}

#[cfg(test)]
mod tests {
    use shared::study::{Axis, presets};

    use super::*;

    #[test]
    fn images_are_of_different_classes_without_the_target() {
        let labels = [2, 2, 0, 1, 0, 5, 4];
        assert_eq!(first_of_classes(&labels, Some(0)), [(3, 1), (0, 2), (6, 4), (5, 5)]);
        assert!(first_of_classes(&[3, 3], Some(3)).is_empty());
        assert_eq!(first_of_classes(&labels, None), [(2, 0), (3, 1), (0, 2), (6, 4)]);
    }

    #[test]
    fn each_trigger_of_a_study_comes_once() {
        let mut spec = presets()[1].spec.clone();
        spec.axes = vec![Axis::of("seed", [1.0, 2.0])];
        assert_eq!(triggers(&spec).len(), 1);
        spec.axes.push(Axis::of("attack.trigger.ratio", [0.2, 0.3]));
        let labels: Vec<_> = triggers(&spec).iter().map(|(trigger, _)| trigger.label()).collect();
        assert_eq!(labels, ["blended stripes 0.20", "blended stripes 0.30"]);
    }
}
