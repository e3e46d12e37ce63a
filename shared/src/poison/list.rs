//! Poison lists: the images to poison, one name per line, chosen by the user or another program.

use std::collections::{HashMap, HashSet};

use super::{Amount, PoisonPlan, PoisonedSample, TooManyPoisons, class_counts, members};
use crate::{run_kind::RunKind, settings::AttackSpec};

/// Maximum number of names in an error.
const NAMED: usize = 5;

/// A poison list is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoisonListError {
    /// Names that match no training image of the study.
    #[error("names images that are not among the study's training images: {}", few(.0))]
    Unknown(Vec<String>),
    /// Images of a class that the attack does not poison.
    #[error("names images of {whose} class: {}", few(names))]
    NotPoisoned {
        /// Their names.
        names: Vec<String>,
        /// What the class is: `the target`, `a non-target`, `a non-source`.
        whose: &'static str,
    },
    /// Names that occur in the list more than once.
    #[error("names images twice: {}", few(.0))]
    Twice(Vec<String>),
    /// The list has too few images of a class.
    #[error("names {listed} images of class {class}, fewer than the {wanted} to poison")]
    TooFew {
        /// The class.
        class: u32,
        /// Its images in the list.
        listed: usize,
        /// The requested number of poisoned images.
        wanted: u32,
    },
    /// A class has too few images besides those in the list.
    #[error(transparent)]
    TooMany(#[from] TooManyPoisons),
}

fn few(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len() - names.len().min(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Parses the names in a list's text, one per line. Empty lines and those that start with `#` are skipped.
pub fn parse_list(text: &str) -> Vec<String> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(Into::into).collect()
}

/// Formats names as a list's text.
pub fn format_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.flat_map(|name| [name, "\n"]).collect()
}

/// Names that occur in a list more than once.
pub fn named_twice(list: &[String]) -> Option<PoisonListError> {
    let mut seen = HashSet::new();
    let twice: Vec<String> = list.iter().filter(|name| !seen.insert(*name)).cloned().collect();
    (!twice.is_empty()).then_some(PoisonListError::Twice(twice))
}

/// The images that a list names, in its order. `images` yields name and class of each training image of the study.
///
/// # Errors
/// Every error of the list that does not depend on the number of poisons.
pub fn resolve_list<'a>(
    list: &[String],
    images: impl Iterator<Item = (&'a str, u32)>,
    attack: &AttackSpec,
) -> Result<Vec<PoisonedSample>, Vec<PoisonListError>> {
    let wanted: HashSet<&str> = list.iter().map(String::as_str).collect();
    let known: HashMap<&str, PoisonedSample> = (0..)
        .zip(images)
        .filter(|(_, (name, _))| wanted.contains(name))
        .map(|(index, (name, class))| {
            (name, PoisonedSample { index, class, label: None, backdoor: 0 })
        })
        .collect();
    let (mut samples, mut unknown, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for name in list {
        match known.get(name.as_str()) {
            None => unknown.push(name.clone()),
            Some(sample) if !attack.poisons_class(sample.class) => others.push(name.clone()),
            Some(sample) => samples.push(*sample),
        }
    }
    let mut errors: Vec<_> = named_twice(list).into_iter().collect();
    if !unknown.is_empty() {
        errors.push(PoisonListError::Unknown(unknown));
    }
    if !others.is_empty() {
        let whose = match (attack.clean_label, attack.sources.is_empty()) {
            (true, _) => "a non-target",
            (false, true) => "the target",
            (false, false) => "a non-source",
        };
        errors.push(PoisonListError::NotPoisoned { names: others, whose });
    }
    if errors.is_empty() { Ok(samples) } else { Err(errors) }
}

impl PoisonPlan {
    /// Takes the first images of every class that the attack poisons from a resolved list, as many as `amount` gives. Cover samples are
    /// drawn from the other images in the order of [`PoisonPlan::draw`], so the list of a drawn plan reproduces that plan. `labels` and
    /// `classes` are as there.
    ///
    /// # Errors
    /// When the list has too few images of a class, or the class has too few for the cover samples.
    pub fn from_list(
        kind: RunKind,
        labels: &[u32],
        classes: u32,
        listed: &[PoisonedSample],
        attack: &AttackSpec,
        amount: impl Into<Amount>,
        seed: u64,
    ) -> Result<Self, PoisonListError> {
        let amount = amount.into();
        let poisons = amount.of_classes(attack, &class_counts(&members(labels)));
        for (class, wanted) in (0..).zip(poisons) {
            let listed = listed.iter().filter(|sample| sample.class == class).count();
            if listed < wanted as usize {
                return Err(PoisonListError::TooFew { class, listed, wanted });
            }
        }
        Ok(Self::choose(kind, labels, classes, listed, attack, amount, seed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::{TriggerSpec, WaNetSpec};

    const NAMES: [&str; 8] = ["a/0", "a/1", "b/0", "b/1", "b/2", "c/0", "c/1", "c/2"];
    const LABELS: [u32; 8] = [0, 0, 1, 1, 1, 2, 2, 2];

    fn attack(clean_label: bool) -> AttackSpec {
        let warp = WaNetSpec { cover_ratio: 1.0, ..WaNetSpec::default() };
        let trigger = TriggerSpec::WaNet(warp);
        AttackSpec { clean_label, trigger, ..AttackSpec::default() }
    }

    fn resolve(
        list: &[&str],
        clean_label: bool,
    ) -> Result<Vec<PoisonedSample>, Vec<PoisonListError>> {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        resolve_list(&list, NAMES.into_iter().zip(LABELS), &attack(clean_label))
    }

    fn words(list: &[&str], clean_label: bool) -> Vec<String> {
        resolve(list, clean_label)
            .expect_err("a wrong list")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_text_is_a_name_a_line() {
        assert_eq!(
            parse_list("\u{feff}# mine\r\n a/0 \r\n\n#b/0\nb b/1.png"),
            ["a/0", "b b/1.png"]
        );
        assert_eq!(format_list(["a/0", "b/1"].into_iter()), "a/0\nb/1\n");
    }

    #[test]
    fn the_first_of_each_class_are_taken_in_the_list_s_order() {
        let listed = resolve(&["c/2", "b/1", "c/0", "b/0"], false).expect("a sound list");
        let plan =
            |n| PoisonPlan::from_list(RunKind::Probe, &LABELS, 3, &listed, &attack(false), n, 3);
        let indices =
            |samples: &[PoisonedSample]| samples.iter().map(|s| s.index).collect::<Vec<_>>();
        let one = plan(1).expect("a plan");
        assert_eq!(indices(&one.samples), [3, 7]);
        assert_eq!(one.covers.len(), 2);
        assert!(one.covers.iter().all(|cover| ![3, 7].contains(&cover.index)), "{:?}", one.covers);
        assert_eq!(
            plan(2).expect_err("a cover sample too many").to_string(),
            "class 1 has 3 training images, fewer than the 4 to poison"
        );
        assert_eq!(
            plan(3).expect_err("too few").to_string(),
            "names 2 images of class 1, fewer than the 3 to poison"
        );
        assert_eq!(plan(0).expect("a clean phase").added(), 0);
    }

    #[test]
    fn the_list_of_a_drawn_plan_gives_it_again() {
        let labels: Vec<u32> = (0..60).map(|i| i % 3).collect();
        let names: Vec<String> = (0..60).map(|i| format!("{i}.png")).collect();
        let drawn =
            PoisonPlan::draw(RunKind::Pretrain, &labels, 3, &attack(false), 4, 9).expect("a plan");
        let list: Vec<String> =
            drawn.samples.iter().map(|sample| names[sample.index as usize].clone()).collect();
        let images = names.iter().map(String::as_str).zip(labels.iter().copied());
        let listed = resolve_list(&list, images, &attack(false)).expect("a sound list");
        let again =
            PoisonPlan::from_list(RunKind::Pretrain, &labels, 3, &listed, &attack(false), 4, 9);
        assert_eq!(again, Ok(drawn));
    }

    #[test]
    fn every_fault_of_a_list_is_told() {
        assert_eq!(
            words(&["x/0", "b/0", "a/1", "b/0"], false),
            [
                "names images twice: b/0",
                "names images that are not among the study's training images: x/0",
                "names images of the target class: a/1"
            ]
        );
        assert_eq!(words(&["a/0", "b/0"], true), ["names images of a non-target class: b/0"]);
        let many: Vec<String> = (0..7).map(|i| format!("x/{i}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(words(&many, false)[0].ends_with("x/0, x/1, x/2, x/3, x/4 and 2 more"));
    }
}
