//! Checks a study's poison list against its training images.

use super::{FieldError, StudySpec};
use crate::{
    poison::{PoisonListError, PoisonPlan, resolve_list},
    run_kind::RunKind,
};

impl StudySpec {
    /// The largest number of poisoned images per class in any run.
    fn most_poisons(&self) -> u32 {
        let of_kind = |kind: RunKind| {
            let counts = self.values_of(&format!("{}.poisons", kind.as_str()));
            counts.iter().filter_map(crate::param::Value::number).fold(0.0, f64::max) as u32
        };
        let made = RunKind::ALL.into_iter().filter(|kind| kind.is_made(&self.runs, &self.settings));
        made.map(of_kind).max().unwrap_or(0)
    }

    /// Errors of the study's poison list, if it has one. `images` yields name and class of each training image of the study,
    /// after its limit.
    pub fn validate_poisons<'a>(
        &self,
        images: impl Iterator<Item = (&'a str, u32)> + Clone,
    ) -> Vec<FieldError> {
        let attack = &self.settings.attack;
        let Some(list) = &attack.poisons else { return Vec::new() };
        let error = |error: PoisonListError| FieldError::new("attack.poisons", error.to_string());
        let listed = match resolve_list(list, images.clone(), attack) {
            Ok(listed) => listed,
            Err(errors) => return errors.into_iter().map(error).collect(),
        };
        let labels: Vec<u32> = images.map(|(_, class)| class).collect();
        let classes = labels.iter().max().map_or(0, |last| last + 1);
        // A list that is long enough for the most poisons is long enough for fewer.
        let most = self.most_poisons();
        let plan =
            PoisonPlan::from_list(RunKind::Pretrain, &labels, classes, &listed, attack, most, 0);
        plan.err().into_iter().map(error).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::presets;

    #[test]
    fn a_poison_list_is_checked_against_the_images() {
        let mut spec = presets()[0].spec.clone();
        spec.axes = vec![crate::study::Axis::of("pretrain.poisons", [0u32, 1])];
        (spec.settings.knn.poisons, spec.settings.probe.poisons) = (0, 2);
        let names = ["a/0", "b/0", "b/1"];
        let errors = |spec: &StudySpec| {
            let images = names.into_iter().zip([0, 1, 1]);
            spec.validate_poisons(images).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(errors(&spec).is_empty(), "no list");
        let mut list = |names: &[&str]| {
            spec.settings.attack.poisons = Some(names.iter().map(ToString::to_string).collect());
            errors(&spec)
        };
        assert!(list(&["b/1", "b/0"]).is_empty());
        assert_eq!(
            list(&["b/1"]),
            ["attack.poisons: names 1 images of class 1, fewer than the 2 to poison"]
        );
        assert_eq!(
            list(&["b/1", "a/0"]),
            ["attack.poisons: names images of the target class: a/0"]
        );
        // Kinds that are not run need no poisons.
        spec.settings.knn.poisons = 9;
        spec.runs = vec![RunKind::Probe];
        spec.settings.attack.poisons = Some(["b/1".into(), "b/0".into()].into());
        assert!(errors(&spec).is_empty());
        spec.settings.attack.poisons = Some([].into());
        assert_eq!(spec.validate()[0].to_string(), "attack.poisons: must name at least one image");
        spec.settings.attack.poisons = Some(["b/0".into(), "b/0".into()].into());
        assert_eq!(spec.validate()[0].to_string(), "attack.poisons: names images twice: b/0");
    }
}
