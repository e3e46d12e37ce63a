//! The table of settings: every number and every choice of a study, defined once.
//!
//! | module | holds |
//! |---|---|
//! | `value` | [`Value`]: the value of a setting |
//! | `domain` | [`Domain`]: the values that a setting takes, and the errors for others |
//! | `table` | [`SETTINGS`]: path, label, unit, values, explanation, and which run kinds each setting affects |
//! | `access` | reading and writing a setting by its path |
//!
//! Validation, forms, the command line, the `OpenAPI` document, hover texts, columns of tables and axes read this table.

mod access;
mod domain;
mod table;
mod title;
mod value;

pub use access::{find, get, parse_assignment, set, unknown, values, with};
pub use domain::{ALL, Choice, Domain, NAME_LENGTH, NONE};
pub use table::{SETTINGS, Setting};
pub use title::{all_told, lower, title, told};
pub use value::Value;

use crate::{
    field_error::FieldError,
    run_kind::RunKind,
    settings::{AttackSpec, BackdoorSpec, Settings},
};

impl Setting {
    /// A value as people read it: a choice by its title, `on` or `off`.
    pub fn words(&self, value: &Value) -> String {
        match (self.domain, value) {
            (_, Value::Switch(on)) => if *on { "on" } else { "off" }.into(),
            (Domain::Choice(choices), Value::Text(text)) => {
                let choice = choices.iter().find(|choice| choice.name == text);
                choice.map_or_else(|| text.clone(), |choice| choice.title.into())
            }
            (_, value) => value.to_string(),
        }
    }

    /// Whether settings have it: a parameter of a trigger exists only with that trigger.
    pub fn is_in(&self, settings: &Settings) -> bool {
        self.trigger.is_none_or(|kind| kind == settings.attack.trigger.kind())
    }

    /// Whether the result of a run of this kind depends on it at these settings.
    pub fn matters(&self, settings: &Settings, kind: RunKind) -> bool {
        self.is_in(settings) && (self.matters)(settings, kind)
    }

    /// Whether the result of a run of this kind can depend on it, whatever the trigger.
    pub fn may_matter(&self, settings: &Settings, kind: RunKind) -> bool {
        (self.matters)(settings, kind)
    }
}

/// Checks an attack on images of `side` x `side` pixels.
pub fn check_attack(attack: &AttackSpec, side: u32) -> Vec<FieldError> {
    let mut settings = Settings { attack: attack.clone(), ..Settings::default() };
    settings.model.image_size = side;
    let mut errors = check(&settings);
    errors.retain(|error| error.field.starts_with("attack."));
    errors.extend(attack.check_together());
    errors.extend(attack.trigger.validate(side, "attack.trigger"));
    errors.extend(check_further(&settings));
    errors
}

/// The errors of the further backdoors' targets and triggers, each with its place: `attack.further[0].trigger.size`.
pub fn check_further(settings: &Settings) -> Vec<FieldError> {
    let side = settings.model.image_size;
    let places = settings.attack.further.iter().enumerate().take(AttackSpec::MOST_FURTHER);
    let errors = places.flat_map(|(i, backdoor)| {
        let BackdoorSpec { target_class, trigger } = backdoor.clone();
        let attack = AttackSpec { target_class, trigger, ..AttackSpec::default() };
        let alone = Settings { attack, model: settings.model, ..Settings::default() };
        let mut errors = check(&alone);
        errors.retain(|error| error.field.starts_with("attack."));
        errors.extend(alone.attack.trigger.validate(side, "attack.trigger"));
        errors.into_iter().map(move |FieldError { field, message }| {
            FieldError::new(field.replacen("attack", &format!("attack.further[{i}]"), 1), message)
        })
    });
    errors.collect()
}

/// The errors of the settings that can be long: names, and the number of further backdoors.
pub fn check_names(settings: &Settings) -> Vec<FieldError> {
    let is_name = |error: &FieldError| {
        let setting = find(&error.field, settings);
        setting.is_some_and(|setting| matches!(setting.domain, Domain::Name { .. }))
    };
    let of_further = check_further(settings).into_iter();
    let mut errors: Vec<FieldError> = check(settings).into_iter().filter(is_name).collect();
    errors.extend(of_further.filter(|error| error.field.ends_with(".trigger.key")));
    errors.extend(settings.attack.check_number_of_further());
    errors
}

/// The errors of all settings that do not take their value.
pub fn check(settings: &Settings) -> Vec<FieldError> {
    let all = values(settings);
    SETTINGS
        .iter()
        .filter(|setting| setting.is_in(settings))
        .filter_map(|setting| {
            let value = all.get(setting.path)?;
            let message = setting.domain.check(value).err()?;
            Some(FieldError::new(setting.path, message))
        })
        .collect()
}
