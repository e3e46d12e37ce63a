//! Axes: settings that a study varies, alone or together, and the resulting points.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeMap};

use super::{FieldError, Settings, StudySpec};
use crate::{
    param::{self, SETTINGS, Value},
    trigger::{CatalogueEntry, TriggerSpec},
};

/// Separator between the paths of settings that vary together.
const TOGETHER: &str = " & ";
/// The setting that says which trigger it is.
const KIND: &str = "attack.trigger.kind";
/// Maximum number of settings that vary together.
const MOST_PATHS: usize = 32;
/// An axis with more values than this is told by their number.
const MOST_TOLD: usize = 6;
/// Maximum number of wrong values that are reported.
const MOST_ERRORS: usize = 100;

/// One setting, or several that vary together, with their values.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The settings.
    pub paths: Vec<String>,
    /// Each step's value of each setting, in the order of `paths`.
    pub values: Vec<Vec<Value>>,
}

impl Axis {
    /// An axis of one setting.
    pub fn of<T: Into<Value>>(path: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values = values.into_iter().map(|value| vec![value.into()]).collect();
        Self { paths: vec![path.into()], values }
    }

    /// Its name: the path, or the paths of all settings that vary together.
    pub fn name(&self) -> String {
        self.paths.join(TOGETHER)
    }

    /// Parses `PATH=V1,V2,...`; settings that vary together are `PATH1 & PATH2=V1:W1,V2:W2,...`.
    ///
    /// # Errors
    /// When there is no such setting, it does not take a value, or a step has too few or too many values.
    pub fn parse(text: &str, settings: &Settings) -> Result<Self, FieldError> {
        let (names, steps) = text.split_once('=').ok_or_else(|| {
            FieldError::new(text, "is varied as PATH=V1,V2,..., for example seed=1,2,3")
        })?;
        let paths: Vec<String> = names.split('&').map(|path| path.trim().to_owned()).collect();
        let axis = names.trim();
        let mut values = Vec::new();
        for step in steps.split(',') {
            let parts: Vec<&str> =
                if paths.len() == 1 { vec![step] } else { step.split(':').collect() };
            if parts.len() != paths.len() {
                let message = format!("takes {} values per step, as V:W, not {step}", paths.len());
                return Err(FieldError::new(axis, message));
            }
            let value = |(path, text): (&String, &str)| {
                let setting = param::find(path, settings).ok_or_else(|| param::unknown(path))?;
                setting.domain.parse(text).map_err(|message| FieldError::new(path, message))
            };
            values.push(paths.iter().zip(parts).map(value).collect::<Result<_, _>>()?);
        }
        Ok(Self { paths, values })
    }

    /// Errors of the axis that do not depend on the settings. It takes at most `most` values.
    pub(super) fn check(&self, most: usize) -> Option<FieldError> {
        let wrong =
            |message: String| Some(FieldError::new(format!("axes.{}", self.name()), message));
        if self.paths.is_empty() {
            return wrong("must name a setting".into());
        }
        if self.values.is_empty() {
            return wrong("takes at least one value".into());
        }
        if self.values.len() > most {
            return wrong(format!("takes at most {most} values, not {}", self.values.len()));
        }
        if self.paths.len() > MOST_PATHS {
            let given = self.paths.len();
            return wrong(format!("varies at most {MOST_PATHS} settings together, not {given}"));
        }
        if let Some(step) = self.values.iter().find(|step| step.len() != self.paths.len()) {
            let (wanted, given) = (self.paths.len(), step.len());
            return wrong(format!("takes {wanted} values per step, one per setting, not {given}"));
        }
        if self.paths.iter().all(|path| path == "device") {
            let reason =
                "varies together with another setting only, because no result depends on it";
            return wrong(reason.into());
        }
        let twice =
            self.values.iter().enumerate().find(|(at, step)| self.values[..*at].contains(step));
        twice.and_then(|(_, step)| {
            let step: Vec<_> = step.iter().map(ToString::to_string).collect();
            wrong(format!("names {} twice", step.join(TOGETHER)))
        })
    }
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step =
            |step: &Vec<Value>| step.iter().map(ToString::to_string).collect::<Vec<_>>().join(":");
        let steps: Vec<_> = self.values.iter().map(step).collect();
        write!(f, "{}={}", self.name(), steps.join(","))
    }
}

/// A study's axes as the table in which they are stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Axes(#[serde(with = "table")] pub Vec<Axis>);

impl Axes {
    /// What a study has of triggers, `trigger` being what its settings say, in words: `blended, blend ratio 0.2, 0.3`,
    /// `Blended, BadNets; size 4, 8 px`. `None` if it varies nothing of it.
    pub fn of_trigger(&self, trigger: &TriggerSpec) -> Option<String> {
        let (mut kinds, mut told) = (None, Vec::new());
        for (axis, path, at) in self
            .0
            .iter()
            .flat_map(|axis| axis.paths.iter().enumerate().map(move |(at, path)| (axis, path, at)))
        {
            if !path.starts_with("attack.trigger.") {
                continue;
            }
            let values = distinct(axis.values.iter().filter_map(|step| step.get(at)));
            match values.len() {
                0 | 1 => {}
                _ if path == KIND => kinds = Some(kinds_told(&values)),
                2..=MOST_TOLD => told.push(param::all_told(path, &values)),
                more => {
                    let title = param::title(path).unwrap_or_else(|| path.clone());
                    told.push(format!("{more} values of {}", param::lower(&title)));
                }
            }
        }
        match (kinds, told.join("; ")) {
            (None, told) if told.is_empty() => None,
            (None, told) => Some(format!("{}, {told}", trigger.kind())),
            (Some(kinds), told) if told.is_empty() => Some(kinds),
            (Some(kinds), told) => Some(format!("{kinds}; {told}")),
        }
    }
}

/// Values, each once.
fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// The names of several triggers, or their number where they are many.
fn kinds_told(kinds: &[&Value]) -> String {
    let setting = SETTINGS.iter().find(|setting| setting.path == KIND);
    match setting {
        Some(setting) if kinds.len() <= MOST_TOLD => {
            kinds.iter().map(|kind| setting.words(kind)).collect::<Vec<_>>().join(", ")
        }
        _ => format!("{} triggers", kinds.len()),
    }
}

/// A class by number and name: `class 0 (airplane)`.
fn class_name(number: u32, classes: &[String]) -> String {
    let name = classes.get(number as usize).filter(|name| **name != number.to_string());
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    format!("class {number}{name}")
}

impl StudySpec {
    /// The trigger with its strength, only its name if the study varies it, or the names of several.
    pub fn trigger_name(&self) -> String {
        let Settings { attack, model, .. } = &self.settings;
        let kinds = self.values_of(KIND);
        let kinds = distinct(kinds.iter());
        if kinds.len() > 1 {
            return kinds_told(&kinds);
        }
        let mut paths = self.axes.iter().flat_map(|axis| &axis.paths);
        if paths.any(|path| path.starts_with("attack.trigger.")) {
            CatalogueEntry::of(&attack.trigger, model.image_size, model.patch_size).name.into()
        } else {
            attack.trigger.label()
        }
    }

    /// The class that triggered images should get: `class 0 (airplane)`, `the next class (all-to-all)`, or both if the study varies the goal.
    /// `classes` are the data set's, as far as they are known.
    pub fn target_name(&self, classes: &[String]) -> String {
        let class = class_name(self.settings.attack.target_class, classes);
        let goals = self.values_of("attack.goal");
        let has = |goal: &str| goals.contains(&Value::from(goal));
        match (has("single_target"), has("all_to_all")) {
            (_, false) => class,
            (false, true) => "the next class (all-to-all)".into(),
            (true, true) => format!("{class} or the next class (all-to-all)"),
        }
    }

    /// What the study's attack does, in words: `blended stripes 0.40 towards class 0 (airplane)`, and so on for each further backdoor.
    /// `classes` as for [`target_name`](Self::target_name).
    pub fn attack_name(&self, classes: &[String]) -> String {
        let main = format!("{} towards {}", self.trigger_name(), self.target_name(classes));
        let varies =
            self.axes.iter().flat_map(|axis| &axis.paths).any(|path| path == "attack.further");
        if varies {
            return format!("{main}, with different further backdoors");
        }
        let further = self.settings.attack.further.iter().map(|backdoor| {
            let class = class_name(backdoor.target_class, classes);
            format!("{} towards {class}", backdoor.trigger.label())
        });
        std::iter::once(main).chain(further).collect::<Vec<_>>().join(", ")
    }

    /// Number of points; saturates if there are very many.
    pub fn point_count(&self) -> usize {
        self.axes.iter().map(|axis| axis.values.len()).fold(1, usize::saturating_mul)
    }

    /// The values of one setting over all points: those of its axis, or its single value.
    pub fn values_of(&self, path: &str) -> Vec<Value> {
        for axis in &self.axes {
            if let Some(at) = axis.paths.iter().position(|other| other == path) {
                return axis.values.iter().filter_map(|step| step.get(at).cloned()).collect();
            }
        }
        param::get(&self.settings, path).into_iter().collect()
    }

    /// Sets a setting to one value, or varies it over several.
    ///
    /// # Errors
    /// When there is no such setting, or it does not take the one value.
    pub fn vary(&mut self, path: &str, values: Vec<Value>) -> Result<(), FieldError> {
        self.axes.retain(|axis| !(axis.paths.len() == 1 && axis.paths[0] == path));
        if let [value] = values.as_slice() {
            return param::set(&mut self.settings, path, value);
        }
        let values = values.into_iter().map(|value| vec![value]).collect();
        self.axes.push(Axis { paths: vec![path.into()], values });
        Ok(())
    }

    /// The settings at every point. The seed varies slowest, then the other axes in order, the last one fastest.
    ///
    /// # Errors
    /// Each value that its setting does not take, once.
    pub fn points(&self) -> Result<Vec<Settings>, Vec<FieldError>> {
        let is_seed = |axis: &&Axis| axis.paths.iter().any(|path| path == "seed");
        let (seeds, others): (Vec<&Axis>, Vec<&Axis>) = self.axes.iter().partition(is_seed);
        // Setting the trigger replaces its parameters, so it is set before them.
        let is_trigger = |axis: &&Axis| axis.paths.iter().any(|path| path == KIND);
        let mut points = vec![self.settings.clone()];
        let mut errors: Vec<FieldError> = Vec::new();
        let (triggers, others): (Vec<&Axis>, Vec<&Axis>) = others.into_iter().partition(is_trigger);
        for axis in seeds.into_iter().chain(triggers).chain(others) {
            let mut next = Vec::with_capacity(points.len() * axis.values.len());
            for point in &points {
                for step in &axis.values {
                    let mut varied = point.clone();
                    for (path, value) in axis.paths.iter().zip(step) {
                        if let Err(error) = param::set(&mut varied, path, value)
                            && errors.len() < MOST_ERRORS
                            && !errors.contains(&error)
                        {
                            errors.push(error);
                        }
                    }
                    next.push(varied);
                }
            }
            points = next;
            if errors.len() >= MOST_ERRORS {
                break;
            }
        }
        if errors.is_empty() { Ok(points) } else { Err(errors) }
    }
}

/// Axes are written as a table: `"attack.trigger.ratio" = [0.2, 0.3]`, and for settings that vary together
/// `"pretrain.epochs & pretrain.warmup_epochs" = [[20, 2], [40, 4]]`.
pub(super) mod table {
    use super::{
        Axis, Deserialize, Deserializer, SerializeMap, Serializer, TOGETHER, Value, de, fmt,
    };

    pub fn serialize<S: Serializer>(axes: &[Axis], serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(axes.len()))?;
        for axis in axes {
            let json = |value: &Value| value.to_json();
            if axis.paths.len() == 1 {
                let values: Vec<_> = axis.values.iter().flatten().map(json).collect();
                map.serialize_entry(&axis.name(), &values)?;
            } else {
                let steps: Vec<Vec<_>> =
                    axis.values.iter().map(|step| step.iter().map(json).collect()).collect();
                map.serialize_entry(&axis.name(), &steps)?;
            }
        }
        map.end()
    }

    /// A step of an axis: one value, or one value per setting.
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a value, or a list of one value per setting")]
    enum Step {
        One(Value),
        Several(Vec<Value>),
    }

    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<Axis>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table of settings, each with a list of values")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Vec<Axis>, A::Error> {
            let mut axes: Vec<Axis> = Vec::new();
            while let Some(name) = map.next_key::<String>()? {
                let steps: Vec<Step> = map.next_value()?;
                let paths: Vec<String> =
                    name.split(TOGETHER.trim()).map(|path| path.trim().to_owned()).collect();
                let step = |step| match step {
                    Step::One(value) => vec![value],
                    Step::Several(values) => values,
                };
                axes.push(Axis { paths, values: steps.into_iter().map(step).collect() });
            }
            Ok(axes)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Axis>, D::Error> {
        deserializer.deserialize_map(Visitor)
    }
}

impl Serialize for Axis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        table::serialize(std::slice::from_ref(self), serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Axes, Axis};
    use crate::{
        settings::BackdoorSpec,
        study::presets,
        trigger::{PatchedSpec, TriggerSpec},
    };

    #[test]
    fn the_attack_is_told_with_every_backdoor() {
        let mut spec = presets()[1].spec.clone();
        let classes = ["airplane".to_owned(), "automobile".to_owned()];
        let main = "blended stripes 0.40 towards class 0 (airplane)";
        assert_eq!(spec.attack_name(&classes), main);
        let trigger = TriggerSpec::Patched(PatchedSpec::default());
        spec.settings.attack.further = [1, 2]
            .map(|target_class| BackdoorSpec { target_class, trigger: trigger.clone() })
            .into();
        assert_eq!(
            spec.attack_name(&classes),
            format!(
                "{main}, patched 4 px towards class 1 (automobile), patched 4 px towards class 2"
            )
        );
        spec.axes.push(Axis::of("attack.further", ["[]"]));
        assert_eq!(spec.attack_name(&classes), format!("{main}, with different further backdoors"));
        spec.axes = vec![Axis::of("attack.trigger.kind", ["blended", "sig", "blended"])];
        assert_eq!(spec.trigger_name(), "Blended, SIG");
    }

    #[test]
    fn what_varies_of_the_trigger_is_told() {
        let patched = TriggerSpec::Patched(PatchedSpec::default());
        let told = |table: &str| serde_json::from_str::<Axes>(table).unwrap().of_trigger(&patched);
        assert_eq!(
            told(
                r#"{"pretrain.poisons":[0,10],"attack.trigger.ratio":[0.2,0.3,0.4],"seed":[1,2]}"#
            ),
            Some("patched, blend ratio 0.2, 0.3, 0.4".into())
        );
        assert_eq!(
            told(r#"{"attack.trigger.size":[1,2,3,4,5,6,7],"attack.trigger.ratio":[0.5,1.0]}"#),
            Some("patched, 7 values of size; blend ratio 0.5, 1".into())
        );
        assert_eq!(
            told(r#"{"pretrain.epochs & attack.trigger.ratio":[[20,0.2],[40,0.3]]}"#),
            Some("patched, blend ratio 0.2, 0.3".into())
        );
        assert_eq!(told(r#"{"pretrain.epochs & attack.trigger.ratio":[[20,0.2],[40,0.2]]}"#), None);
        assert_eq!(told(r#"{"seed":[1,2]}"#), None);
        assert_eq!(
            told(r#"{"attack.trigger.kind":["blended","sig"]}"#),
            Some("Blended, SIG".into())
        );
        assert_eq!(
            told(r#"{"attack.trigger.kind & attack.trigger.size":[["badnets",3],["patched",4]]}"#),
            Some("BadNets, Patched; size 3, 4 px".into())
        );
        assert_eq!(told("{}"), None);
    }
}
