//! What an attacker wants triggered images to be taken for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A map from true classes to the classes that an attacker wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClassMap {
    /// Each class to the next one, the last to the first: class `y` of `n` to `(y + 1) mod n` (the all-to-all attack of Gu, Dolan-Gavitt and
    /// Garg 2017, `BadNets`).
    AllToAll,
}

/// The class that an attacker wants triggered images to get: a number, or `all_to_all`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Target {
    /// One class for all images.
    Class(u32),
    /// Another class for each true class.
    Mapped(ClassMap),
}

impl Target {
    /// The next class for each true class.
    pub const ALL_TO_ALL: Self = Self::Mapped(ClassMap::AllToAll);

    /// The one class; `None` where each true class has its own.
    pub fn class(self) -> Option<u32> {
        match self {
            Self::Class(class) => Some(class),
            Self::Mapped(ClassMap::AllToAll) => None,
        }
    }

    /// The class that triggered images of class `class` of `classes` should get. Panics when there are no classes.
    pub fn of(self, class: u32, classes: u32) -> u32 {
        match self {
            Self::Class(target) => target,
            Self::Mapped(ClassMap::AllToAll) => (class + 1) % classes,
        }
    }
}

impl fmt::Display for Target {
    /// As in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => class.fmt(f),
            Self::Mapped(ClassMap::AllToAll) => f.write_str("all_to_all"),
        }
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(class) => Ok(Self::Class(class)),
            Err(_) if text == "all_to_all" => Ok(Self::ALL_TO_ALL),
            Err(_) => Err(format!("{text:?} is neither a number nor all_to_all")),
        }
    }
}

/// Which triggered images should be taken for which class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All of them for one class.
    SingleTarget {
        /// The attacker's class.
        target_class: u32,
        /// Classes whose triggered images should be taken for it; all besides the target when empty.
        sources: Vec<u32>,
    },
    /// Those of each class for the next class, those of the last for the first.
    AllToAll {
        /// Number of classes, at least two.
        classes: u32,
    },
}

impl Goal {
    /// The class that is wanted, as it is written.
    pub fn target(&self) -> Target {
        match self {
            Self::SingleTarget { target_class, .. } => Target::Class(*target_class),
            Self::AllToAll { .. } => Target::ALL_TO_ALL,
        }
    }

    /// The source classes of a source-specific attack.
    pub fn sources(&self) -> &[u32] {
        match self {
            Self::SingleTarget { sources, .. } => sources,
            Self::AllToAll { .. } => &[],
        }
    }

    /// The class that triggered images of this class should get.
    pub fn target_of(&self, class: u32) -> u32 {
        let classes = match self {
            Self::SingleTarget { .. } => 1,
            Self::AllToAll { classes } => *classes,
        };
        self.target().of(class, classes)
    }

    /// Whether the trigger could move images of this class: the wanted class is not their own.
    pub fn moves(&self, class: u32) -> bool {
        self.target_of(class) != class
    }

    /// Whether triggered images of this class should be taken for another class: ASR counts these.
    pub fn attacks(&self, class: u32) -> bool {
        let sources = self.sources();
        self.moves(class) && (sources.is_empty() || sources.contains(&class))
    }

    /// Whether triggered images of this class should keep it, although it is not the target: a source-specific attack spares all classes
    /// besides its sources.
    pub fn spares(&self, class: u32) -> bool {
        self.moves(class) && !self.attacks(class)
    }
}

impl From<u32> for Goal {
    /// All classes are attacked.
    fn from(target_class: u32) -> Self {
        Self::SingleTarget { target_class, sources: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_class_is_wanted_of_each_and_the_first_of_the_last() {
        let goal = Goal::AllToAll { classes: 3 };
        assert_eq!([0, 1, 2].map(|class| goal.target_of(class)), [1, 2, 0]);
        assert!((0..3).all(|class| goal.attacks(class) && !goal.spares(class)));
        assert!(goal.sources().is_empty());
    }

    #[test]
    fn one_class_is_wanted_of_all_and_only_sources_are_attacked() {
        let goal = Goal::SingleTarget { target_class: 1, sources: vec![2] };
        assert_eq!([0, 1, 2].map(|class| goal.target_of(class)), [1, 1, 1]);
        assert_eq!([0, 1, 2].map(|class| goal.moves(class)), [true, false, true]);
        assert_eq!([0, 1, 2].map(|class| goal.attacks(class)), [false, false, true]);
        assert_eq!([0, 1, 2].map(|class| goal.spares(class)), [true, false, false]);
    }

    #[test]
    fn a_target_is_a_number_or_all_to_all_in_json_and_as_text() {
        for (target, json) in [(Target::Class(3), "3"), (Target::ALL_TO_ALL, "\"all_to_all\"")] {
            assert_eq!(serde_json::to_string(&target).expect("JSON"), json);
            assert_eq!(serde_json::from_str::<Target>(json).expect("a target"), target);
            assert_eq!(target.to_string(), json.trim_matches('"'));
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert!(serde_json::from_str::<Target>("\"next\"").is_err());
        assert!("next".parse::<Target>().is_err_and(|told| told.contains("all_to_all")));
    }
}
