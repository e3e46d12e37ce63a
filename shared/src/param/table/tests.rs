use std::collections::BTreeSet;

use super::*;
use crate::{
    param::{check, get, set, values},
    trigger::CATALOGUE,
};

fn leaves(json: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match json {
        serde_json::Value::Object(parts) if !path.ends_with("fill") => {
            parts.iter().for_each(|(key, part)| leaves(part, &below(key), found));
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

/// Settings with each trigger of the catalogue.
fn with_triggers() -> impl Iterator<Item = Settings> {
    CATALOGUE.iter().map(|entry| {
        let mut settings = Settings::default();
        settings.attack.trigger = entry.spec(32, 4);
        settings
    })
}

#[test]
fn every_value_of_a_study_is_in_the_table() {
    for settings in with_triggers() {
        let mut found = BTreeSet::new();
        leaves(&serde_json::to_value(&settings).expect("JSON"), "", &mut found);
        for path in found {
            assert!(
                SETTINGS.iter().any(|setting| setting.path == path && setting.is_in(&settings)),
                "{path}"
            );
        }
    }
}

#[test]
fn every_setting_can_be_read_written_and_has_sound_defaults() {
    for settings in with_triggers() {
        assert_eq!(check(&settings), []);
        let all = values(&settings);
        for setting in SETTINGS.iter().filter(|setting| setting.is_in(&settings)) {
            let Some(value) = all.get(setting.path) else {
                assert_eq!(setting.path, "attack.poisons", "only the list may be absent");
                continue;
            };
            let mut same = settings.clone();
            set(&mut same, setting.path, value).expect("its own value");
            assert_eq!(get(&same, setting.path).as_ref(), Some(value), "{}", setting.path);
        }
    }
}

#[test]
fn the_triggers_are_those_of_the_catalogue() {
    let Domain::Choice(choices) = crate::param::find("attack.trigger.kind", &Settings::default())
        .expect("the trigger")
        .domain
    else {
        panic!("a choice");
    };
    let named: Vec<_> = choices.iter().map(|choice| (choice.name, choice.title)).collect();
    let known: Vec<_> = CATALOGUE.iter().map(|entry| (entry.id, entry.name)).collect();
    assert_eq!(named, known);
}

#[test]
fn every_setting_explains_itself_and_is_there_once() {
    let mut seen = BTreeSet::new();
    for setting in SETTINGS.iter() {
        assert!(setting.why.ends_with('.') && setting.label.len() > 2, "{}", setting.path);
        assert!(seen.insert((setting.path, setting.trigger)), "{} twice", setting.path);
    }
}

#[test]
fn settings_take_values_whose_trigger_comes_with_them() {
    for settings in with_triggers() {
        let mut given = values(&settings);
        // The whole trigger at once is another way to say it.
        given.remove("attack.trigger");
        let given = given.into_iter().map(|(path, value)| (path.to_owned(), value)).collect();
        let made = crate::param::with(&Settings::default(), &given);
        // CTRL and FTrojan differ in their values alone.
        let told = |settings: &Settings| {
            let mut told = values(settings);
            told.remove("attack.trigger.kind");
            (settings.attack.trigger.kind(), told)
        };
        assert_eq!(told(&made), told(&settings));
    }
    let unknown = [("nothing.here".to_owned(), 1.0.into())].into();
    assert_eq!(crate::param::with(&Settings::default(), &unknown), Settings::default());
    // A kind does not undo what is given beside it, whatever was chosen before.
    let given = [("attack.trigger.count", 4.into()), ("attack.trigger.kind", "patched".into())];
    let given = given.map(|(path, value)| (path.to_owned(), value)).into();
    let once = crate::param::with(&Settings::default(), &given);
    for made in [crate::param::with(&once, &given), once] {
        assert_eq!(get(&made, "attack.trigger.count"), Some(4.into()));
    }
}

#[test]
fn a_restorer_is_one_of_three() {
    let mut settings = Settings::default();
    let refused = set(&mut settings, "defence.restorer", &"mae-base".into()).expect_err("a name");
    assert_eq!(refused.to_string(), "defence.restorer: takes own, clean, imported, not mae-base");
    set(&mut settings, "defence.restorer", &"clean".into()).expect("a restorer");
    assert_eq!(settings.defence.restorer, crate::settings::Restorer::Clean);
    assert_eq!(get(&settings, "defence.restorer"), Some("clean".into()));
    assert_eq!(get(&Settings::default(), "defence.restorer"), Some("own".into()));
}
