//! The study being edited: one specification, its errors, and the fields that they belong to.

use std::collections::BTreeMap;

use leptos::prelude::*;
use shared::{
    FieldError, Rgb8, StudySpec,
    api::DatasetInfo,
    param::{self, Value},
};

use crate::components::format::message_at;

/// The study being edited. Copies share it.
#[derive(Clone, Copy)]
pub struct Draft {
    /// The specification.
    pub spec: RwSignal<StudySpec>,
    /// Error messages for texts that are not values of their field, by its path.
    unparsed: RwSignal<BTreeMap<String, String>>,
    /// What the server found wrong with the last submission.
    refused: RwSignal<Vec<FieldError>>,
    /// The data set that the specification names.
    pub dataset: Memo<Option<DatasetInfo>>,
    /// The first image of the preview, for small pictures of triggers.
    pub sample: RwSignal<Option<Rgb8>>,
    /// Every setting by its path, read once per change.
    values: Memo<BTreeMap<&'static str, Value>>,
    /// Every error.
    pub errors: Memo<Vec<FieldError>>,
}

impl Draft {
    /// Starts with `spec`; `datasets` are all available ones.
    pub fn new(spec: StudySpec, datasets: Signal<Vec<DatasetInfo>>) -> Self {
        let spec = RwSignal::new(spec);
        let unparsed = RwSignal::new(BTreeMap::new());
        let refused = RwSignal::new(Vec::new());
        let dataset = Memo::new(move |_| {
            let name = spec.with(|spec| spec.settings.dataset.name.clone());
            datasets.with(|all| all.iter().find(|dataset| dataset.name == name).cloned())
        });
        let errors = Memo::new(move |_| {
            spec.with(|spec| {
                datasets.with(|datasets| {
                    unparsed.with(|unparsed| {
                        refused.with(|refused| collect(spec, datasets, unparsed, refused))
                    })
                })
            })
        });
        let values = Memo::new(move |_| spec.with(|spec| param::values(&spec.settings)));
        let sample = RwSignal::new(None);
        Self { spec, unparsed, refused, dataset, sample, values, errors }
    }

    /// Changes the specification. Clears the server's errors, because they applied to the old one.
    pub fn edit(self, change: impl FnOnce(&mut StudySpec)) {
        self.spec.update(change);
        if !self.refused.with_untracked(Vec::is_empty) {
            self.refused.set(Vec::new());
        }
    }

    /// The value of the setting at a path.
    pub fn value(self, path: &str) -> Option<Value> {
        self.values.with(|values| values.get(path).cloned())
    }

    /// Sets the setting at a path; then `settle` corrects what that invalidated.
    ///
    /// # Errors
    /// What the setting takes instead; nothing is changed then.
    pub fn set(
        self,
        path: &'static str,
        value: &Value,
        settle: Option<fn(&mut StudySpec)>,
    ) -> Result<(), String> {
        let mut result = Ok(());
        self.edit(|spec| {
            result = param::set(&mut spec.settings, path, value).map_err(|error| error.message);
            if let (Ok(()), Some(settle)) = (&result, settle) {
                settle(spec);
            }
        });
        result
    }

    /// Starts over with another specification.
    pub fn replace(self, spec: StudySpec) {
        self.edit(|old| *old = spec);
        self.unparsed.set(BTreeMap::new());
    }

    /// Sets what is wrong with the text in the field at `path`; `None` clears it.
    pub fn set_unparsed(self, path: &str, message: Option<String>) {
        let known = self.unparsed.with_untracked(|unparsed| unparsed.get(path).cloned());
        if known != message {
            self.unparsed.update(|unparsed| match message {
                Some(message) => drop(unparsed.insert(path.to_owned(), message)),
                None => drop(unparsed.remove(path)),
            });
        }
    }

    /// Sets what the server found wrong.
    pub fn refuse(self, errors: Vec<FieldError>) {
        self.refused.set(errors);
    }

    /// The error at `path` (at or below it if it ends with a dot), or at its axis.
    pub fn error_at(self, path: &'static str) -> Signal<Option<String>> {
        let axis = format!("axes.{path}");
        let at = move |errors: &Vec<FieldError>| {
            message_at(errors, path).or_else(|| message_at(errors, &axis))
        };
        Memo::new(move |_| self.errors.with(&at)).into()
    }

    /// A part of the specification, which signals a change only when its value differs.
    pub fn part<T: PartialEq + Send + Sync + 'static>(
        self,
        get: impl Fn(&StudySpec) -> T + Send + Sync + 'static,
    ) -> Memo<T> {
        Memo::new(move |_| self.spec.with(&get))
    }
}

/// All errors, each field's nearest cause first: a text that is not a value, the specification's own, the server's.
fn collect(
    spec: &StudySpec,
    datasets: &[DatasetInfo],
    unparsed: &BTreeMap<String, String>,
    refused: &[FieldError],
) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = unparsed
        .iter()
        .map(|(path, message)| FieldError::new(path.as_str(), message.clone()))
        .collect();
    let own = spec.validate_with(datasets);
    errors.extend(own.into_iter().filter(|error| !unparsed.contains_key(&error.field)));
    for error in refused {
        if !errors.iter().any(|known| known.field == error.field) {
            errors.push(error.clone());
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use shared::study::presets;

    use super::*;

    #[test]
    fn a_missing_data_set_is_told_at_its_field() {
        let errors = collect(&presets()[1].spec, &[], &BTreeMap::new(), &[]);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "dataset.name");
        assert!(errors[0].message.contains("\"cifar10\""), "{}", errors[0].message);
    }

    #[test]
    fn the_nearest_cause_comes_first_and_the_server_does_not_repeat() {
        let mut spec = presets()[0].spec.clone();
        spec.name = String::new();
        let dataset = DatasetInfo {
            name: "shapes".into(),
            classes: vec!["a".into(), "b".into()],
            train_counts: vec![500; 2],
            test_counts: vec![9; 2],
            ..DatasetInfo::default()
        };
        let unparsed = BTreeMap::from([("probe.epochs".to_owned(), "takes a number".to_owned())]);
        let refused = [FieldError::new("name", "is taken"), FieldError::new("axes", "too many")];
        let errors = collect(&spec, &[dataset], &unparsed, &refused);
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["probe.epochs", "name", "axes"]);
        assert_eq!(errors[1].message, "give the study a name");
    }
}
