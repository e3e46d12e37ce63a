//! Every error of a specification, each with the path of its field. The page, the API and the command line call this.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{GridSpec, StudySpec, recipes::check_recipes};
use crate::{api::DatasetInfo, poison::named_twice};

/// What is wrong with one field, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path of the field, such as `attack.trigger.ratio`.
    pub field: String,
    /// What is wrong, in words.
    pub message: String,
}

impl FieldError {
    /// An error of the field at `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Collects errors.
pub(super) struct Check(Vec<FieldError>);

impl Check {
    pub(super) fn that(&mut self, holds: bool, field: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.0.push(FieldError::new(field, message()));
        }
    }

    pub(super) fn within(&mut self, field: &str, value: u32, low: u32, high: u32) {
        self.that((low..=high).contains(&value), field, || {
            format!("takes {low} to {high}, not {value}")
        });
    }

    pub(super) fn rate(&mut self, field: &str, value: f64, low: f64, high: f64) {
        self.that(value >= low && value <= high, field, || {
            format!("takes {low} to {high}, not {value}")
        });
    }
}

impl StudySpec {
    /// Every error that can be seen without the data set; empty when the specification is sound.
    pub fn validate(&self) -> Vec<FieldError> {
        let mut check = Check(Vec::new());
        check.that(!self.name.trim().is_empty(), "name", || "give the study a name".into());
        check.that(self.name.chars().count() <= 120, "name", || {
            "takes at most 120 characters".into()
        });
        check.that(self.tags.len() <= 8, "tags", || "takes at most eight tags".into());
        let sound = |tag: &String| {
            (1..=40).contains(&tag.chars().count()) && tag.trim() == tag && !tag.contains(',')
        };
        check.that(self.tags.iter().all(sound), "tags", || {
            "takes tags of 1 to 40 characters, without commas".into()
        });
        check.that(self.encoder.as_deref() != Some(""), "encoder", || {
            "names an imported checkpoint".into()
        });
        check.that(!self.dataset.name.is_empty(), "dataset.name", || "choose a data set".into());
        for (field, limit) in [
            ("train_per_class", self.dataset.train_per_class),
            ("test_per_class", self.dataset.test_per_class),
        ] {
            check.that(limit != Some(0), &format!("dataset.{field}"), || {
                "takes at least 1 image".into()
            });
        }
        check_recipes(&mut check, self);
        check_grid(&mut check, &self.grid);
        if let Some(list) = &self.attack.poisons {
            check.that(!list.is_empty(), "attack.poisons", || "names at least one image".into());
            let twice = named_twice(list);
            check.that(twice.is_none(), "attack.poisons", || {
                twice.map(|error| error.to_string()).unwrap_or_default()
            });
        }
        check.that(self.encoder.is_none() || self.grid.ppr == [0], "grid.ppr", || {
            "is 0 alone: an imported encoder is trained already, and nothing is known of its poisons".into()
        });
        let mut errors = check.0;
        errors.extend(self.attack.trigger.validate(self.model.image_size, "attack.trigger"));
        errors
    }

    /// Every error, the ones that only the data set shows included.
    pub fn validate_with(&self, dataset: &DatasetInfo) -> Vec<FieldError> {
        let mut check = Check(self.validate());
        check.0.extend(self.attack.check_target(dataset));
        let limit = self.dataset.train_per_class.unwrap_or(u32::MAX);
        let smallest = dataset
            .classes
            .iter()
            .zip(&dataset.train_counts)
            .enumerate()
            .filter(|&(class, _)| self.attack.poisons_class(class as u32))
            .min_by_key(|(_, (_, count))| **count);
        if let Some((_, (class, &count))) = smallest {
            let available = count.min(limit);
            let whose = if self.attack.clean_label { "the target class" } else { "each class" };
            for (field, counts) in self.grid.poison_counts() {
                for &wanted in counts {
                    let covers = self.attack.covers_per_class(wanted);
                    check.that(wanted.saturating_add(covers) <= available, field, || {
                        let covers = match covers {
                            0 => String::new(),
                            covers => format!(" and {covers} to be cover samples"),
                        };
                        format!("{wanted} images of {whose} are to be poisoned{covers}, but class {class} has only {available}")
                    });
                }
            }
        }
        check_accumulation(&mut check, self, dataset);
        check.0
    }
}

/// Batches that are left over at an epoch's end make no step: an epoch needs as many as a step.
fn check_accumulation(check: &mut Check, spec: &StudySpec, dataset: &DatasetInfo) {
    let images = spec.samples_per_epoch(&dataset.train_counts, 0);
    let StudySpec { pretrain, probe, finetune, .. } = spec;
    for (field, size, accumulate) in [
        ("pretrain.accumulate", pretrain.batch_size, pretrain.accumulate),
        ("probe.accumulate", probe.batch_size, probe.accumulate),
        ("finetune.accumulate", finetune.batch_size, finetune.accumulate),
    ] {
        let batches = (images / size.max(1)).max(1);
        check.that(accumulate <= batches, field, || {
            format!("takes at most the {batches} batches of an epoch, not {accumulate}")
        });
    }
}

fn check_grid(check: &mut Check, grid: &GridSpec) {
    check.that(!grid.ppr.is_empty(), "grid.ppr", || {
        "takes at least one count; 0 is a clean pre-training".into()
    });
    check.that(!grid.lpr.is_empty() || !grid.fpr.is_empty(), "grid.lpr", || {
        "takes at least one count, or fine-tuning does; 0 is a clean probe".into()
    });
    for (field, values) in grid.poison_counts() {
        check.that(values.iter().collect::<HashSet<_>>().len() == values.len(), field, || {
            "names a count twice".into()
        });
    }
    check.that(!grid.seeds.is_empty(), "grid.seeds", || "takes at least one seed".into());
    check.that(
        grid.seeds.iter().collect::<HashSet<_>>().len() == grid.seeds.len(),
        "grid.seeds",
        || "names a seed twice".into(),
    );
    // A seed travels as a JSON number, which is exact up to 2^53.
    check.that(grid.seeds.iter().all(|&seed| seed <= 1 << 53), "grid.seeds", || {
        "a seed is at most 2^53".into()
    });
    check.that(grid.counts().all() <= 2000, "grid", || {
        "makes more than 2,000 runs; split the study".into()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::presets;

    fn spec() -> StudySpec {
        presets()[0].spec.clone()
    }

    fn dataset() -> DatasetInfo {
        DatasetInfo {
            name: "shapes".into(),
            classes: vec!["a".into(), "b".into()],
            train_counts: vec![500, 500],
            test_counts: vec![100, 100],
            ..DatasetInfo::default()
        }
    }

    #[test]
    fn presets_are_sound() {
        for preset in presets() {
            assert_eq!(preset.spec.validate(), [], "{}", preset.id);
        }
    }

    #[test]
    fn every_error_is_found_at_once() {
        let mut bad = spec();
        bad.name = " ".into();
        bad.tags = vec!["a,b".into()];
        bad.pretrain.mask_ratio = 1.0;
        bad.model.patch_size = 5;
        bad.grid.seeds = vec![1, 1];
        let fields: Vec<_> = bad.validate().into_iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            ["name", "tags", "model.patch_size", "pretrain.mask_ratio", "grid.seeds"]
        );
    }

    #[test]
    fn the_data_set_shows_more() {
        let mut bad = spec();
        bad.attack.target_class = 7;
        bad.grid.lpr = vec![0, 501];
        // 1,000 images make 7 batches of 128.
        bad.finetune.accumulate = 8;
        bad.dataset.train_per_class = None;
        let errors = bad.validate_with(&dataset());
        assert_eq!(
            errors[0].to_string(),
            "attack.target_class: shapes has the classes 0 to 1, so there is no class 7"
        );
        assert_eq!(
            errors[1].to_string(),
            "grid.lpr: 501 images of each class are to be poisoned, but class a has only 500"
        );
        assert_eq!(
            errors[2].to_string(),
            "finetune.accumulate: takes at most the 7 batches of an epoch, not 8"
        );
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut value = serde_json::to_value(spec()).expect("JSON");
        value["probe"]["learning_rate"] = 3.into();
        let error =
            serde_json::from_value::<StudySpec>(value).expect_err("no such field").to_string();
        assert!(error.contains("learning_rate"), "{error}");
    }
}
