//! Reading and writing a setting by its path.
//!
//! A path is the position of the value in the settings' JSON, so most settings need no code; the few whose JSON differs from
//! what a user writes have their own reader and writer in the table.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    domain::{ALL, Domain, NAME_LENGTH, NONE},
    table::{SETTINGS, Setting},
    value::Value,
};
use crate::{device::DeviceWish, field_error::FieldError, settings::Settings};

/// The setting at a path; if several triggers have a parameter with this path, that of the trigger in use.
pub fn find(path: &str, settings: &Settings) -> Option<&'static Setting> {
    let mut named = SETTINGS.iter().filter(|setting| setting.path == path);
    let first = named.clone().next();
    named.find(|setting| setting.is_in(settings)).or(first)
}

/// All values that these settings have, by path.
pub fn values(settings: &Settings) -> BTreeMap<&'static str, Value> {
    let json = to_json(settings);
    SETTINGS
        .iter()
        .filter(|setting| setting.is_in(settings))
        .filter_map(|setting| Some((setting.path, read(setting, settings, &json)?)))
        .collect()
}

/// The value at a path; `None` if the settings do not have it.
pub fn get(settings: &Settings, path: &str) -> Option<Value> {
    let setting = find(path, settings).filter(|setting| setting.is_in(settings))?;
    read(setting, settings, &to_json(settings))
}

/// Sets the value at a path.
///
/// # Errors
/// When there is no such setting, the trigger in use does not have it, or it does not take the value.
pub fn set(settings: &mut Settings, path: &str, value: &Value) -> Result<(), FieldError> {
    let setting = find(path, settings).ok_or_else(|| unknown(path))?;
    let refused = |message: String| FieldError::new(path, message);
    if !setting.is_in(settings) {
        let kind = settings.attack.trigger.kind();
        let message =
            format!("is not a parameter of the trigger {kind}; set attack.trigger.kind first");
        return Err(refused(message));
    }
    setting.domain.check(value).map_err(refused)?;
    if let Some(write) = setting.write {
        return write(settings, value).map_err(refused);
    }
    let mut json = to_json(settings);
    let absent = match (setting.domain, value) {
        (Domain::Limit, Value::Text(text)) => text == ALL,
        (Domain::Name { optional: true }, Value::Text(text)) => text == NONE,
        _ => false,
    };
    let written = match (setting.domain, value) {
        _ if absent => Json::Null,
        (Domain::Structure, Value::Text(text)) => {
            serde_json::from_str(text).map_err(|error| refused(format!("takes JSON: {error}")))?
        }
        _ => value.to_json(),
    };
    put(&mut json, path, written);
    let mut read: Settings =
        serde_json::from_value(json).map_err(|error| refused(error.to_string()))?;
    read.attack.poisons = settings.attack.poisons.take();
    *settings = read;
    Ok(())
}

/// The settings with these values at their paths; a value that they do not take is left out.
pub fn with(settings: &Settings, values: &BTreeMap<String, Value>) -> Settings {
    let mut settings = settings.clone();
    let mut left: Vec<_> = values.iter().collect();
    // A kind of trigger brings parameters of its own, so it comes before those that are given.
    left.sort_by_key(|(path, _)| path.as_str() != "attack.trigger.kind");
    // A parameter exists once its trigger is chosen, so what is refused at first is tried again.
    loop {
        let before = left.len();
        left.retain(|(path, value)| set(&mut settings, path, value).is_err());
        if left.is_empty() || left.len() == before {
            return settings;
        }
    }
}

/// Reads `PATH=VALUE`.
///
/// # Errors
/// When it has no `=`, there is no such setting, or it does not take the value.
pub fn parse_assignment(
    text: &str,
    settings: &Settings,
) -> Result<(&'static str, Value), FieldError> {
    let (path, value) = text.split_once('=').ok_or_else(|| {
        FieldError::new(text, "is set as PATH=VALUE, for example probe.epochs=90")
    })?;
    let path = path.trim();
    let setting = find(path, settings).ok_or_else(|| unknown(path))?;
    let value = setting.domain.parse(value).map_err(|message| FieldError::new(path, message))?;
    Ok((setting.path, value))
}

/// The error for an unknown path, with the path that was probably meant.
pub fn unknown(path: &str) -> FieldError {
    let near = SETTINGS
        .iter()
        // No setting has a path of that length, and the distance takes time with it.
        .filter(|_| path.len() <= NAME_LENGTH)
        .map(|setting| (strsim::levenshtein(path, setting.path), setting.path))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 3);
    let hint = near.map_or_else(
        || "`maskdoor settings` lists them".to_owned(),
        |(_, known)| format!("did you mean {known}?"),
    );
    FieldError::new(path, format!("is not a setting; {hint}"))
}

/// All settings except the poison list, which may be long and has its own reader and writer.
fn to_json(settings: &Settings) -> Json {
    let mut settings = settings.clone();
    settings.attack.poisons = None;
    serde_json::to_value(settings).expect("settings have text keys only")
}

fn read(setting: &Setting, settings: &Settings, json: &Json) -> Option<Value> {
    if let Some(read) = setting.read {
        return read(settings);
    }
    let mut found = Some(json);
    for key in setting.path.split('.') {
        found = found.and_then(|part| part.get(key));
    }
    Some(match (setting.domain, found) {
        (Domain::Limit, None | Some(Json::Null)) => ALL.into(),
        (Domain::Name { optional: true }, None | Some(Json::Null)) => NONE.into(),
        (_, None) => return default_of(setting),
        (Domain::Structure, Some(json)) => Value::Text(json.to_string()),
        (_, Some(Json::Bool(on))) => (*on).into(),
        (_, Some(Json::String(text))) => text.as_str().into(),
        (_, Some(Json::Number(number))) => {
            let number = number.as_f64()?;
            // The triggers' fractions are single precision: 0.4 is shown as it was written, not as its nearest double.
            let narrow = setting.trigger.is_some() && number.fract() != 0.0;
            Value::Number(if narrow { (number as f32).to_string().parse().ok()? } else { number })
        }
        (_, Some(_)) => return None,
    })
}

/// A value that is omitted from the JSON because it is the default.
fn default_of(setting: &Setting) -> Option<Value> {
    match setting.domain {
        Domain::Switch => Some(false.into()),
        Domain::Choice(choices) => choices.first().map(|choice| choice.name.into()),
        Domain::Device => Some(Value::Text(DeviceWish::default().to_string())),
        _ => None,
    }
}

fn put(json: &mut Json, path: &str, value: Json) {
    let mut place = json;
    for key in path.split('.') {
        let Json::Object(parts) = place else { return };
        place = parts.entry(key).or_insert(Json::Object(serde_json::Map::new()));
    }
    *place = value;
}
