//! A study's poison list against its training images.

use super::{FieldError, StudySpec};
use crate::{
    poison::{PoisonListError, PoisonPlan, resolve_list},
    run::Phase,
};

impl StudySpec {
    /// What is wrong with the study's poison list, when it has one. `images` gives name and class of each training image of the
    /// study, after its limit.
    pub fn validate_poisons<'a>(
        &self,
        images: impl Iterator<Item = (&'a str, u32)> + Clone,
    ) -> Vec<FieldError> {
        let Some(list) = &self.attack.poisons else { return Vec::new() };
        let error = |error: PoisonListError| FieldError::new("attack.poisons", error.to_string());
        let listed = match resolve_list(list, images.clone(), &self.attack) {
            Ok(listed) => listed,
            Err(errors) => return errors.into_iter().map(error).collect(),
        };
        let labels: Vec<u32> = images.map(|(_, class)| class).collect();
        // With enough for the most poisons there is enough for fewer.
        let counts = self.grid.poison_counts().into_iter().flat_map(|(_, counts)| counts);
        let most = counts.copied().max().unwrap_or(0);
        let plan = PoisonPlan::from_list(Phase::Pretrain, &labels, &listed, &self.attack, most, 0);
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
        spec.grid.ppr = vec![0, 1];
        spec.grid.lpr = vec![2];
        let names = ["a/0", "b/0", "b/1"];
        let errors = |spec: &StudySpec| {
            let images = names.into_iter().zip([0, 1, 1]);
            spec.validate_poisons(images).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(errors(&spec).is_empty(), "no list");
        let mut list = |names: &[&str]| {
            spec.attack.poisons = Some(names.iter().map(ToString::to_string).collect());
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
        spec.attack.poisons = Some(Vec::new());
        assert_eq!(spec.validate()[0].to_string(), "attack.poisons: names at least one image");
        spec.attack.poisons = Some(vec!["b/0".into(), "b/0".into()]);
        assert_eq!(spec.validate()[0].to_string(), "attack.poisons: names images twice: b/0");
    }
}
